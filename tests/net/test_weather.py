# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Transfers in bad weather arrive whole, without a stall, and leave nothing behind."""

from __future__ import annotations

import hashlib
import random
import socket
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from bench.network import GUEST, Network
from leaks import TELL, Usage, usage, wait_until_level
from support import LONG
from weather import Relay, Tap, Weather
from wire import Cable

APP = """
import hashlib, net, os

@net.listen(80)
def put(connection):
    digest = hashlib.sha256()
    connection.on_data(digest.update)

    @connection.on_end
    def end():
        connection.end(digest.digest())

# One for all connections: the collector takes a stale word on the stack for a pointer, so one dead
# object may stay for ever. Connections that leak are many small ones.
block = bytearray(os.urandom(16384))

@net.listen(81)
def get(connection):
    digest = hashlib.sha256()
    left = 0

    def fill():
        nonlocal left
        while left:
            part = memoryview(block)[:min(left, len(block))]
            block[:8] = left.to_bytes(8, "little")
            digest.update(part)
            left -= len(part)
            if not connection.write(part):
                return
        connection.end(digest.digest())

    @connection.on_data
    def ask(data):
        nonlocal left
        left = int(data)
        fill()

    connection.on_drain(fill)
"""
STALL = 60.0  # seconds without progress that are too many
# What the bar names, all at once.
STORM = Weather(loss=0.05, reorder=0.05, duplicate=0.01, flip=0.001, delay=0.001)
KINDS = {
    "storm": STORM,
    "loss": Weather(loss=0.05),
    "reordering": Weather(reorder=0.2),
    "duplicates": Weather(duplicate=0.2),
    "bit errors": Weather(flip=0.02),
    "delay": Weather(delay=0.1),
}
IN_CI = ("storm",)
SIZES = {"put": 12 << 20, "get": 12 << 20} if LONG else {"put": 4 << 20, "get": 1 << 20}


@pytest.fixture(scope="module")
def app(build_image):
    return build_image(APP + TELL)


@pytest.fixture
def relayed(boot, space, app):
    """A guest behind a relay to this machine's stack: (guest, relay)."""
    cable, tap = Cable(), space.call(Tap)
    relay = Relay(cable, tap, Weather())

    def edit(command: list[str]) -> list[str]:
        return [cable.netdev if word.startswith("user,id=n0") else word for word in command]

    guest = boot(app, network=True, edit=edit, append=f"ip={GUEST}/24")
    guest.expect_text("ready\r\n")
    yield guest, relay
    guest.at_prompt = True
    relay.close()
    tap.close()
    cable.close()


def put(size: int, seed: int = 1) -> None:
    """Send (size) bytes and compare what the guest made of them."""
    rng = random.Random(seed)
    digest = hashlib.sha256()
    with socket.create_connection((GUEST, 80), STALL) as client:
        for done in range(0, size, 65536):
            part = rng.randbytes(min(65536, size - done))
            digest.update(part)
            client.sendall(part)
        client.shutdown(socket.SHUT_WR)
        assert receive(client, 32) == digest.digest()


def get(size: int) -> None:
    digest = hashlib.sha256()
    with socket.create_connection((GUEST, 81), STALL) as client:
        client.sendall(b"%d\n" % size)
        left = size
        while left:
            part = client.recv(min(left, 1 << 20))
            assert part, f"it ended {left} bytes early"
            digest.update(part)
            left -= len(part)
        assert receive(client, 32) == digest.digest()
        assert client.recv(1) == b""


def receive(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (part := client.recv(size - len(data))):
        data += part
    return data


def assert_nothing_is_left(space, before: Usage) -> None:
    assert wait_until_level(space, before).complaints == 0


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", KINDS)
def test_transfers_in_bad_weather(relayed, space, kind):
    if kind not in IN_CI and not LONG:
        pytest.skip("each kind alone is part of the long form: IMPORTOS_LONG=1")
    _, relay = relayed
    space.call(get, 1000)
    before = usage(space)
    relay.weather = KINDS[kind]
    for work in (put, get):
        begun = time.monotonic()
        space.call(work, SIZES[work.__name__])
        passed = time.monotonic() - begun
        print(f"{kind}: {work.__name__} {SIZES[work.__name__]} bytes in {passed:.1f} s")
    print(relay.counts)
    relay.weather = Weather()
    assert_nothing_is_left(space, before)


@pytest.fixture
def bridged(boot, space, app):
    """A guest whose large segments a bridge cuts before they come to the relay: (guest, relay)."""
    with Network("tap", suffix="b") as network:
        ip = [*network.prefix(), "ip"]
        for command in (
            "addr flush dev tap0",
            "tuntap add dev tap1 mode tap",
            "link add br0 type bridge",
            "link set tap0 master br0",
            "link set tap1 master br0",
            "link set tap1 up",
            "link set br0 up",
        ):
            done = subprocess.run([*ip, *command.split()], check=False)
            if done.returncode:
                pytest.skip(f"this kernel has no bridge: ip {command}")
        cable, tap = network.call(Tap, "tap1"), space.call(Tap)
        relay = Relay(cable, tap, Weather())

        def edit(command: list[str]) -> list[str]:
            words = [network.netdev() if w.startswith("user,id=n0") else w for w in command]
            return [*network.prefix(), *words]

        guest = boot(app, network=True, edit=edit, append=f"ip={GUEST}/24")
        guest.expect_text("ready\r\n")
        yield guest, relay
        guest.at_prompt = True
        relay.close()
        tap.close()
        cable.close()


@pytest.mark.timeout(1800)
def test_large_segments_in_bad_weather(bridged, space):
    _, relay = bridged
    space.call(get, 1000)
    before = usage(space)
    space.call(get, 1 << 20)
    sent = usage(space).sent - before.sent
    print(f"{sent} frames for 1 MiB in fair weather")
    assert sent < (1 << 20) / 1448 / 3
    relay.weather = STORM
    for work in (put, get):
        begun = time.monotonic()
        space.call(work, SIZES[work.__name__])
        print(f"{work.__name__} {SIZES[work.__name__]} bytes in {time.monotonic() - begun:.1f} s")
    relay.weather = Weather()
    assert_nothing_is_left(space, before)


@pytest.mark.timeout(1800)
def test_large_transfers_in_fair_weather(tapped, space, app):
    size = (1 << 30) if LONG else (64 << 20)
    guest = tapped(app)
    guest.expect_text("ready\r\n")
    space.call(get, 1000)
    before = usage(space)
    for work in (put, get):
        begun = time.monotonic()
        space.call(work, size)
        print(f"{work.__name__} {size >> 20} MiB in {time.monotonic() - begun:.1f} s")
    assert_nothing_is_left(space, before)
    guest.at_prompt = True


FLAPS = 100


def test_a_link_that_flaps(tapped, space, app):
    guest = tapped(app)
    guest.expect_text("ready\r\n")
    space.call(get, 1000)
    before = usage(space)
    flapping = True
    done = dict.fromkeys(("put", "get"), 0)

    def transfer(work: Callable[[int], None]) -> None:
        while flapping:
            work(1 << 20)
            done[work.__name__] += 1

    with ThreadPoolExecutor() as pool:
        transfers = [pool.submit(space.call, transfer, work) for work in (put, get)]
        for _ in range(FLAPS):
            for up, seconds in ((False, 0.02), (True, 0.1)):
                guest.qmp.command("set_link", name="n0", up=up)
                time.sleep(seconds)
        flapping = False
        for future in transfers:
            future.result(STALL)
    print(f"whole transfers of 1 MiB while the link flapped: {done}")
    assert min(done.values()) > 0
    space.call(put, 1000)
    assert_nothing_is_left(space, before)
    guest.at_prompt = True


CLIENT = """
import hashlib, os, socket, time

SIZE = int(os.getenv("SIZE"))
OTHER = "10.9.0.3"

def connect(port):
    s = socket.socket()
    s.settimeout(60)
    s.connect((OTHER, port))
    return s

def put():
    digest = hashlib.sha256()
    s = connect(80)
    for done in range(0, SIZE, 8192):
        part = os.urandom(8192)
        digest.update(part)
        s.sendall(part)
    s.shutdown(socket.SHUT_WR)
    return s.read(32) == digest.digest()

def get():
    digest = hashlib.sha256()
    s = connect(81)
    s.send(b"%d\\n" % SIZE)
    left = SIZE
    while left:
        part = s.recv(min(left, 8192))
        if not part:
            return False
        digest.update(part)
        left -= len(part)
    return s.read(32) == digest.digest()

for work in (put, get):
    begun = time.ticks_ms()
    print("%s %s in %d ms" % (work.__name__, work(), time.ticks_diff(time.ticks_ms(), begun)))
"""


@pytest.mark.timeout(1800)
def test_two_guests_in_bad_weather(boot, build_image, app):
    cables = [Cable(), Cable()]
    relay = Relay(*cables, STORM)
    size = SIZES["get"] // 4 if not LONG else SIZES["get"]
    images = [build_image(CLIENT, "--env", f"SIZE={size}"), app]
    guests = []
    for number in (1, 0):
        netdev, mac = cables[number].netdev, f",mac=52:54:00:12:34:5{number}"

        def edit(command: list[str], netdev: str = netdev, mac: str = mac) -> list[str]:
            words = [w + mac if w.startswith("virtio-net-") else w for w in command]
            return [netdev if word.startswith("user,id=n0") else word for word in words]

        guests.append(
            boot(images[number], network=True, edit=edit, append=f"ip=10.9.0.{2 + number}/24")
        )
    server, client = guests
    for work in ("put", "get"):
        client.expect(work + r" True in (\d+) ms\r\n", timeout=20 * STALL if LONG else 120)
        print(f"{work} {size} bytes between guests in {client.match[1]} ms")
    client.expect_exit(0)
    server.at_prompt = True
    relay.close()
    for cable in cables:
        cable.close()
