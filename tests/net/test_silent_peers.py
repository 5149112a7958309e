# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Peers that fall silent: the stack gives them up and nothing of them stays.

What takes quarters of an hour is tested by a guest whose clock runs fast: it counts instructions,
a microsecond each, and the program spins, so that the clock goes on.
"""

from __future__ import annotations

import struct
import time

import pytest
from wire import ACK, FIN, PSH, RST, SYN, TCP, UDP, Wire, tcp, udp

APP = """
import errno, gc, net

closed = {}

@net.listen(80)
def server(connection):
    def close(error):
        name = errno.errorcode[error.errno] if error else "None"
        closed[name] = closed.get(name, 0) + 1
    connection.on_close(close)
    connection.on_data(lambda data: connection.write(bytes(20000)))

@net.listen(81)
def impatient(connection):
    connection.timeout("30s")

@net.listen(82)
def polite(connection):
    connection.end(b"bye")

def refused(error):
    print("gave up", errno.errorcode[error.errno])

net.connect("10.1.0.9", 99).on_close(refused)

@net.udp(8)
def tell(packet):
    gc.collect()
    count = server.connections + impatient.connections + polite.connections
    packet.reply("%d %d %s" % (count, net.stats()["memory_used"], closed))

print("ready")
"""
SPIN = "while True:\n    pass\n"
FAST = ("-icount", "shift=10,sleep=on")
COUNT = 30
TIMERS = 256  # bytes: the stack's own come and go; less than a connection takes


@pytest.fixture
def fast(wired, build_image):
    """A guest whose clock runs 50 to 100 times as fast as ours."""
    guest = wired(build_image(APP + SPIN), extra=FAST)
    guest.expect_text("ready\r\n")
    yield guest
    guest.at_prompt = True


def ask(wire: Wire) -> tuple[int, int, str]:
    """Connections, bytes of the stack's memory, and what the closed ones ended with."""
    for _ in range(30):
        wire.send(udp(b"", 8))
        answer = wire.wait(lambda f: f[12:14] == b"\x08\0" and f[23] == UDP, 0.5)
        if answer is not None:
            count, used, closed = answer[42:].decode().split(maxsplit=2)
            return int(count), int(used), closed
    raise AssertionError("the guest does not tell")


def connect(wire: Wire, by: int, port: int) -> int:
    """Returns the guest's next sequence number."""

    def answers(frame: bytes) -> bool:
        is_ours = frame[12:14] == b"\x08\0" and frame[23] == TCP
        return is_ours and frame[36:38] == struct.pack("!H", by) and frame[47] & 18 == SYN | ACK

    for _ in range(10):
        wire.send(tcp(port, SYN, by=by))
        answer = wire.wait(answers, 0.5)
        if answer is not None:
            theirs = struct.unpack("!I", answer[38:42])[0] + 1
            wire.send(tcp(port, ACK, by=by, sequence=1001, acknowledge=theirs))
            return theirs
    raise AssertionError("not connected")


def wait_until_left(wire: Wire, used: int, seconds: float = 60.0) -> str:
    """Until no connection is left and the memory is back; what the closed ones ended with."""
    deadline = time.monotonic() + seconds
    while True:
        count, now_used, closed = ask(wire)
        if count == 0 and now_used <= used + TIMERS:
            return closed
        assert time.monotonic() < deadline, f"{count} connections, {used} bytes are {now_used}"
        for _ in wire.frames(0.2):
            pass


def test_peers_that_never_acknowledge(fast, wire):
    used = ask(wire)[1]
    for by in range(5000, 5000 + COUNT):
        theirs = connect(wire, by, 80)
        wire.send(tcp(80, ACK | PSH, by=by, sequence=1001, acknowledge=theirs, data=b"x"))
    assert ask(wire)[0] == COUNT
    assert wait_until_left(wire, used) == f"{{'ETIMEDOUT': {COUNT}}}"


def test_half_open_connections_time_out(fast, wire):
    used = ask(wire)[1]
    for by in range(5000, 5000 + COUNT):
        connect(wire, by, 81)
        wire.send(tcp(80, SYN, by=by + 1000))  # and some that never finish the handshake
    wait_until_left(wire, used)


def test_peers_that_close_half(fast, wire):
    used = ask(wire)[1]
    for by in range(5000, 5000 + COUNT):
        theirs = connect(wire, by, 80)  # our half is closed, theirs never acknowledged
        wire.send(tcp(80, FIN | ACK, by=by, sequence=1001, acknowledge=theirs))
        theirs = connect(wire, by + 1000, 82)  # theirs is closed and acknowledged, ours open
        wire.send(tcp(82, ACK, by=by + 1000, sequence=1001, acknowledge=theirs + 4))
    wait_until_left(wire, used)


def test_a_connection_to_nobody_fails(fast, wire):
    fast.expect_text("gave up ETIMEDOUT\r\n")


def test_a_storm_of_resets(wired, build_image, wire):
    guest = wired(build_image(APP))
    guest.expect_text("ready\r\n")
    theirs = connect(wire, 4999, 80)
    used = ask(wire)[1]
    for by in range(5000, 7000):
        wire.send(tcp(80, SYN, by=by))
        answer = wire.wait(lambda f: f[12:14] == b"\x08\0" and f[47] & 18 == SYN | ACK, 1.0)
        assert answer is not None, by
        begun = struct.unpack("!I", answer[38:42])[0] + 1
        if by % 2:
            wire.send(tcp(80, ACK | PSH, by=by, sequence=1001, acknowledge=begun, data=b"x"))
        wire.send(tcp(80, RST, by=by, sequence=1001 + by % 2))
    # Resets outside the window (RFC 5961) leave the connection that is open alone.
    for number in range(2000):
        wire.send(tcp(80, RST, by=4999, sequence=(1 << 31) + number * 65536))
    count, now_used, closed = ask(wire)
    assert (count, closed) == (1, "{'ECONNRESET': 1000}")
    assert now_used <= used + TIMERS
    wire.send(tcp(80, ACK | PSH, by=4999, sequence=1001, acknowledge=theirs, data=b"x"))
    assert wire.wait(lambda f: f[12:14] == b"\x08\0" and f[23] == TCP and len(f) > 500)
    guest.at_prompt = True
