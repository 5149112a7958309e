# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Small guests out of memory and buffers: Python gets its exception, others are refused or wait,
and when the load ends everything is as it was."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable

import pytest
from bench.network import GUEST
from leaks import TELL, usage, wait_until_level
from support import LONG

MEGABYTES = 6
APP = """
import gc, net, socket

counts = {}

def count(error):
    name = type(error).__name__
    counts[name] = counts.get(name, 0) + 1

@net.listen(80)
def echo(connection):
    connection.on_data(connection.write)
    connection.on_end(connection.end)

@net.listen(81)
def pour(connection):
    block = b"x" * 8192
    try:
        for _ in range(64):
            connection.write(block)
    except (OSError, MemoryError) as error:
        count(error)

@net.listen(82)
def swallow(connection):
    connection.pause()

for server in (echo, pour, swallow):
    server.on_error(count)

kept = []

def fill():
    size = 65536
    while size >= 16:
        try:
            kept.append(bytearray(size))
        except MemoryError as error:
            count(error)
            size //= 2

def sockets():
    try:
        while len(kept) < 100_000:
            s = socket.socket()
            kept.append(s)
            s.bind(("", 0))
    except (OSError, MemoryError) as error:
        count(error)

def let_go():
    for thing in kept:
        if hasattr(thing, "close"):
            thing.close()
    kept.clear()

def told():
    return counts

@net.udp(9)
def command(packet):
    name = str(packet.data, "ascii")
    result = globals()[name]()
    gc.collect()
    packet.reply("%s %s %d %d" % (
        name, counts, net.eth0.stats["rx_no_memory"], net.stats()["memory_failed"]))
"""


@pytest.fixture(scope="module")
def app(build_image):
    return build_image(APP + TELL)


@pytest.fixture
def small(tapped, space, app):
    """A guest of few megabytes that serves; its errors may be shown."""
    guest = tapped(app, megabytes=MEGABYTES, machine="pc")
    guest.expect_text("ready\r\n")
    space.call(echoes)
    yield guest
    guest.at_prompt = True


def echoes(seconds: float = 10.0) -> bool:
    with socket.create_connection((GUEST, 80), timeout=seconds) as client:
        client.sendall(b"hello")
        return client.recv(100) == b"hello"


def tell(name: str, seconds: float = 30.0) -> str:
    """Have the program do (name); what it says about errors."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(seconds)
        client.sendto(name.encode(), (GUEST, 9))
        return client.recv(1000).decode()


def wait_for_service(space, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            if space.call(echoes, 2.0):
                return
        assert time.monotonic() < deadline, "no service"
        time.sleep(0.2)


def crowd(port: int, count: int, work: Callable[[socket.socket], object]) -> list[socket.socket]:
    """Up to (count) connections to (port), (work) done with each; some may be refused."""
    clients = []
    for _ in range(count):
        client = socket.socket()
        client.settimeout(0.1)
        # Closing it ends it at once, also where data is left to send.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):
            client.connect((GUEST, port))
            work(client)
        clients.append(client)
    return clients


def push(client: socket.socket) -> None:
    client.setblocking(False)
    for _ in range(64):
        client.send(bytes(8192))


def assert_no_crash(guest) -> None:
    """Tracebacks of callbacks without memory are in order, a panic is not."""
    with guest.allow("traceback"), contextlib.suppress(AssertionError):
        guest.expect_text("what nobody prints", timeout=0.5)
    assert "panic" not in guest.log_text()
    assert guest.process.poll() is None


def test_a_full_heap(small, space):
    before = usage(space)
    for _ in range(3):
        # It may have no memory left for the answer.
        with contextlib.suppress(TimeoutError):
            space.call(tell, "fill", 3.0)
        with contextlib.suppress(OSError):
            space.call(echoes, 2.0)
        assert_no_crash(small)
        with contextlib.suppress(TimeoutError):
            space.call(tell, "let_go", 3.0)
    wait_for_service(space)
    assert "MemoryError" in space.call(tell, "let_go")
    wait_until_level(space, before)


def test_more_sockets_than_memory(small, space):
    before = usage(space)
    with contextlib.suppress(TimeoutError):
        space.call(tell, "sockets", 20.0)
    assert_no_crash(small)
    with contextlib.suppress(TimeoutError):
        space.call(tell, "let_go", 10.0)
    wait_for_service(space)
    assert "Error" in space.call(tell, "told")
    wait_until_level(space, before)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("port", "work"), [(81, lambda client: None), (82, push)], ids=["readers", "writers"]
)
def test_hundreds_of_peers_that_take_up_the_memory(small, space, port, work):
    before = usage(space)
    for _ in range(5 if LONG else 1):
        clients = space.call(crowd, port, 300 if LONG else 150, work)
        assert_no_crash(small)
        for client in clients:
            client.close()
    wait_for_service(space)
    told = space.call(tell, "told")
    print(told)
    # Something was refused: what was asked for was more than there is.
    assert "Error" in told or int(told.split()[-1]) > 0
    wait_until_level(space, before, 60)
