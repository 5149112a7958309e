# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""A card that breaks the rules of virtio is detected, counted, reset, and in the end given up."""

from __future__ import annotations

import struct
import time

import pytest
from lying_device import OFFLOADS
from wire import ACK, ARP, PEER_MAC, echo_request, ethernet, tcp, udp

APP = """
import net, os

@net.udp(7)
def echo(packet):
    packet.reply(packet.data)

@net.udp(8)
def tell(packet):
    stats = net.eth0.stats
    print("stats", stats["violations"], stats["resets"], stats["rx_dropped"])

print("ready")
"""


@pytest.fixture(scope="module")
def app(build_image):
    return build_image(APP)


def post(device, frame: bytes, mergeable: bool) -> None:
    if mergeable:
        device.post_large(frame, bytes(10))
    else:
        device.post(frame)


def ping(device, number: int, *, mergeable: bool = False) -> bool:
    post(device, echo_request(number), mergeable)

    def answer(frame: bytes) -> bool:
        if frame[12:14] == struct.pack("!H", ARP) and frame[20:22] == b"\0\1":
            body = b"\0\1\x08\0\6\4\0\2" + PEER_MAC + frame[38:42] + frame[22:28] + frame[28:32]
            post(device, ethernet(body, ARP, to=frame[6:12]), mergeable)
        return frame[12:14] == b"\x08\0" and frame[40:42] == struct.pack("!H", number)

    return device.wait_sent(answer) is not None


def stats(guest, device, *, mergeable: bool = False) -> tuple[int, int, int]:
    post(device, udp(b"", 8), mergeable)
    guest.expect(r"stats (\d+) (\d+) (\d+)\r\n")
    return tuple(int(guest.match[n]) for n in (1, 2, 3))


def id_out_of_range(device):
    device.post(echo_request(5), head=65535)


def index_jumps(device):
    with device.lock:
        ring = device.receive_ring
        device._put("<H", ring.used + 2, (ring.done + 40000) & 0xFFFF)
        device.interrupt(ring)


def index_goes_back(device):
    with device.lock:
        ring = device.receive_ring
        device._put("<H", ring.used + 2, (ring.done - 1) & 0xFFFF)
        device.interrupt(ring)


def sent_id_out_of_range(device):
    with device.lock:
        device.complete(device.send_ring, 300, 0)
    # It looks at what was sent when half of its buffers are under way.
    starts = device.starts
    for number in range(200):
        if device.starts != starts or not device.receive_ring.ready:
            break
        device.post(echo_request(number))
        time.sleep(0.001)


def wait_reset(device, starts: int) -> None:
    deadline = time.monotonic() + 5
    while device.starts == starts:
        assert time.monotonic() < deadline, "the driver has not reset the card"
        time.sleep(0.01)
    device.wait_ready()


LIES = [id_out_of_range, index_jumps, index_goes_back, sent_id_out_of_range]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_a_broken_ring_is_reset(lying, app, lie):
    guest, device = lying(app)
    guest.expect_text("ready\r\n")
    assert ping(device, 1)
    assert stats(guest, device)[:2] == (0, 0)
    starts = device.starts
    lie(device)
    wait_reset(device, starts)
    assert any(ping(device, number) for number in (2, 3, 4))
    assert stats(guest, device)[:2] == (1, 1)
    guest.at_prompt = True


@pytest.mark.parametrize("size", [0, 3, 12, 25, 5000, 0xFFFFFFF0])
def test_a_wrong_length_costs_one_frame(lying, app, size):
    guest, device = lying(app)
    guest.expect_text("ready\r\n")
    assert ping(device, 1)
    device.post(echo_request(5), size=size)
    assert ping(device, 2)
    violations, resets, dropped = stats(guest, device)
    assert (violations, resets, dropped) == (int(size > 2048), 0, 1)
    guest.at_prompt = True


@pytest.mark.parametrize("later", [False, True], ids=["at once", "posted again"])
def test_a_buffer_that_comes_twice_is_found_out(lying, app, later):
    guest, device = lying(app)
    guest.expect_text("ready\r\n")
    assert ping(device, 1)
    starts = device.starts
    if later:
        head = device.post(echo_request(2))
        assert device.wait_sent(lambda frame: frame[40:42] == b"\0\2") is not None
    with device.lock:
        if not later:
            head = device._take(device.receive_ring)[0]
            device.complete(device.receive_ring, head, 74)
        device.complete(device.receive_ring, head, 74)
        device.interrupt(device.receive_ring)
    wait_reset(device, starts)
    assert any(ping(device, number) for number in (3, 4, 5))
    assert stats(guest, device)[:2] == (1, 1)
    guest.at_prompt = True


def test_interrupts_for_nothing_are_survived(lying, app):
    guest, device = lying(app)
    guest.expect_text("ready\r\n")
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        device.interrupt(device.receive_ring)
    assert ping(device, 1)
    guest.at_prompt = True


# --- frames of several packets ---

NONE, TCP4, TCP6 = 0, 1, 4
NEEDS_CSUM = 1


def large_header(kind: int, *, size: int = 1460, flags: int = NEEDS_CSUM, at: int = 34) -> bytes:
    """struct virtio_net_hdr without the number of buffers."""
    return struct.pack("<BBHHHH", flags, kind, 54, size, at, 16)


@pytest.mark.parametrize("told", [0, 3, 65, 65535])
def test_a_wrong_number_of_buffers_is_reset(lying, app, told):
    guest, device = lying(app, OFFLOADS)
    guest.expect_text("ready\r\n")
    assert ping(device, 1, mergeable=True)
    starts = device.starts
    device.post_large(tcp(80, ACK, data=bytes(10000)), large_header(TCP4), told=told)
    wait_reset(device, starts)
    assert any(ping(device, number, mergeable=True) for number in (2, 3, 4))
    guest.at_prompt = True


def test_a_frame_of_which_buffers_are_missing_is_reset(lying, app):
    guest, device = lying(app, OFFLOADS)
    guest.expect_text("ready\r\n")
    starts = device.starts
    device.post_large(tcp(80, ACK, data=bytes(60000)), large_header(TCP4), used=2)
    wait_reset(device, starts)
    assert any(ping(device, number, mergeable=True) for number in (2, 3, 4))
    guest.at_prompt = True


@pytest.mark.parametrize(
    "header",
    [
        large_header(2),
        large_header(127),
        large_header(TCP6),
        large_header(TCP4, size=0),
        large_header(TCP4, at=65000),
    ],
    ids=["kind", "kind 127", "not negotiated", "size", "sum"],
)
def test_an_impossible_header_costs_one_frame(lying, app, header):
    guest, device = lying(app, OFFLOADS)
    guest.expect_text("ready\r\n")
    device.post_large(tcp(80, ACK, data=bytes(10000)), header)
    assert ping(device, 2, mergeable=True)
    assert stats(guest, device, mergeable=True) == (1, 0, 1)
    guest.at_prompt = True


def test_a_giant_that_is_no_segment_costs_one_frame(lying, app):
    guest, device = lying(app, OFFLOADS)
    guest.expect_text("ready\r\n")
    device.post_large(tcp(80, ACK, data=bytes(10000)), large_header(NONE))
    assert ping(device, 2, mergeable=True)
    assert stats(guest, device, mergeable=True) == (0, 0, 1)
    guest.at_prompt = True


def test_a_card_that_goes_on_lying_is_given_up(lying, build_image):
    app = """
import net, os
net.udp(7, print)

@os.every("100ms")
def look(event):
    try:
        net.eth0.send_frame(bytes(60))
    except OSError as error:
        print("given up:", error.errno)
        os.exit(3)
print("ready")
"""
    guest, device = lying(build_image(app))
    guest.expect_text("ready\r\n")
    for number in range(4):
        starts = device.starts
        id_out_of_range(device)
        if number == 3:
            break
        deadline = time.monotonic() + 5
        while device.starts == starts:
            assert time.monotonic() < deadline, f"lie {number} has not led to a reset"
            time.sleep(0.01)
        device.wait_ready()
    guest.expect_text("given up: 19\r\n")
    guest.expect_exit(3)
