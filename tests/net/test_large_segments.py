# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""On a tap device the card joins and cuts TCP segments, and packets have the size that it says."""

from __future__ import annotations

import socket
import subprocess
import time

import pytest
from bench.network import GUEST

APP = """
import net

received = longest = 0

@net.listen(80)
def sink(connection):
    @connection.on_data
    def data(data):
        global received
        received += len(data)
    connection.on_end(lambda: connection.end(b"%d" % received))

@net.listen(81)
def source(connection):
    left = 0

    def fill():
        nonlocal left
        while left:
            left -= 1
            if not connection.write(bytes(10000)):
                return
        connection.end()

    @connection.on_data
    def ask(data):
        nonlocal left
        left = int(data)
        fill()

    connection.on_drain(fill)

@net.udp(7)
def tell(packet):
    stats = net.eth0.stats
    packet.reply("%d %d %d" % (stats["rx_frames"], stats["tx_frames"], longest))

@net.udp(9)
def echo(packet):
    packet.reply(packet.data)

def look(frame):
    global longest
    longest = max(longest, len(frame))

@net.udp(8)
def watch(packet):
    net.eth0.on_frame(look if packet.data else None)
    packet.reply(b"done")

print("ready")
"""
SIZE = 1_000_000
IP_MTU_DISCOVER, IP_PMTUDISC_DO = 10, 2
PACKETS = SIZE // 1460


@pytest.fixture(scope="module")
def app(build_image):
    return build_image(APP)


def ask(port: int, data: bytes = b"") -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((GUEST, port))
        client.settimeout(1)
        client.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
        for _ in range(10):
            client.send(data)
            try:
                return client.recv(10000)
            except TimeoutError:
                continue
    raise AssertionError("the guest does not answer")


def put() -> None:
    with socket.create_connection((GUEST, 80), 20) as client:
        client.sendall(bytes(SIZE))
        client.shutdown(socket.SHUT_WR)
        assert int(client.recv(100)) % SIZE == 0


def get() -> None:
    with socket.create_connection((GUEST, 81), 20) as client:
        client.sendall(b"%d" % (SIZE // 10000))
        size = 0
        while part := client.recv(1 << 16):
            size += len(part)
        assert size == SIZE


def get_through_a_narrow_window(pieces: int) -> None:
    """The last segment is made while the window is wide, and cut when it has become narrow."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        client.settimeout(20)
        client.connect((GUEST, 81))
        client.sendall(b"%d" % pieces)
        time.sleep(0.1)
        size = 0
        while part := client.recv(3000):
            size += len(part)
            time.sleep(0.002)
        assert size == pieces * 10000


def counts() -> list[int]:
    return [int(word) for word in ask(7).split()]


def work(function) -> tuple[int, int, int]:
    """Frames that the guest received and sent for it, and the longest that it has seen."""
    before = counts()
    function()
    after = counts()
    return after[0] - before[0], after[1] - before[1], after[2]


@pytest.mark.parametrize("machine", ["pc", "microvm"])
def test_a_card_that_can_joins_and_cuts_segments(tapped, space, app, machine):
    guest = tapped(app, machine=machine)
    guest.expect_text("ready\r\n")
    space.call(ask, 7)
    received, _, _ = space.call(work, put)
    _, sent, _ = space.call(work, get)
    print(f"{PACKETS} packets in {received} frames received, {sent} sent")
    assert received < PACKETS // 3
    assert sent < PACKETS // 3
    guest.at_prompt = True


def test_an_end_in_a_segment_that_is_cut_comes_last(tapped, space, app):
    guest = tapped(app)
    guest.expect_text("ready\r\n")
    for pieces in range(3, 20):
        space.call(get_through_a_narrow_window, pieces)
    guest.at_prompt = True


def test_raw_frames_are_those_of_the_wire(tapped, space, app):
    guest = tapped(app)
    guest.expect_text("ready\r\n")
    assert space.call(ask, 8, b"on") == b"done"
    received, _, longest = space.call(work, put)
    assert received >= PACKETS
    assert longest == 1514
    assert space.call(ask, 8) == b"done"
    received, _, _ = space.call(work, put)
    assert received < PACKETS // 3
    guest.at_prompt = True


def test_little_memory_has_small_buffers(tapped, space, app):
    guest = tapped(app, megabytes=8)
    guest.expect_text("ready\r\n")
    received, _, _ = space.call(work, put)
    assert received >= PACKETS
    guest.at_prompt = True


@pytest.mark.parametrize("mtu", [576, 1500, 9000])
def test_the_mtu_is_the_device_s(boot, space, app, mtu):
    space.call(subprocess.run, ["ip", "link", "set", "tap0", "mtu", str(mtu)], False)

    def edit(command: list[str]) -> list[str]:
        words = [space.netdev() if w.startswith("user,id=n0") else w for w in command]
        words = [f"{w},host_mtu={mtu}" if w.startswith("virtio-net-") else w for w in words]
        return [*space.prefix(), *words]

    guest = boot(app, network=True, edit=edit, append=f"ip={GUEST}/24")
    guest.expect_text("ready\r\n")
    _, whole, _ = space.call(work, lambda: ask(9, bytes(mtu - 28)))
    assert whole == 2  # with the counts
    space.call(put)
    space.call(get)
    guest.at_prompt = True
