# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""What the guest's TCP sends to a peer of the test's own, segment by segment."""

from __future__ import annotations

import itertools
import struct
import time
from dataclasses import dataclass

import pytest
from wire import ACK, FIN, PSH, SYN, TCP, Wire, tcp

APP = """
import net

@net.listen(80)
def server(connection):
    @connection.on_data
    def ask(data):
        connection.end(bytes(int(data)))

print("serving")
"""
MSS = 1460
MSS_OPTION = struct.pack("!BBH", 2, 4, MSS)
SACK_OPTION = b"\1\1\4\2"
BURST = 10  # packets in the first window (RFC 6928)
AT_ONCE = 0.25  # seconds; less than the shortest time-out


@dataclass
class Segment:
    """Of the guest; (at) counts bytes of the stream, from 0."""

    at: int
    flags: int
    size: int
    time: float


class Peer:
    """One connection to port 80."""

    def __init__(self, wire: Wire, by: int, window: int = 65535, options: bytes = b"") -> None:
        self.wire, self.by = wire, by
        self.begun = 0
        self.ours = 1001
        for _ in range(10):
            wire.send(tcp(80, SYN, by=by, window=window, options=MSS_OPTION + options))
            answer = wire.wait(lambda f: self._segment(f) is not None, 0.5)
            if answer is not None and answer[47] & SYN:
                self.begun = struct.unpack("!I", answer[38:42])[0] + 1
                return
        raise AssertionError("no connection")

    def _segment(self, frame: bytes) -> Segment | None:
        if frame[12:14] != b"\x08\0" or frame[23] != TCP:
            return None
        if frame[36:38] != struct.pack("!H", self.by):
            return None
        total, header = struct.unpack("!H", frame[16:18])[0], 20 + (frame[46] >> 4) * 4
        at = (struct.unpack("!I", frame[38:42])[0] - self.begun) & 0xFFFFFFFF
        return Segment(at, frame[47], total - header, time.monotonic())

    def ask(self, size: int, window: int = 65535) -> None:
        """For (size) bytes and the end."""
        data = b"%d" % size
        self.acknowledge(0, window, data)
        self.ours += len(data)

    def acknowledge(
        self, to: int, window: int = 65535, data: bytes = b"", options: bytes = b""
    ) -> None:
        self.wire.send(
            tcp(
                *(80, ACK | PSH if data else ACK),
                by=self.by,
                sequence=self.ours,
                acknowledge=self.begun + to,
                data=data,
                options=options,
                window=window,
            )
        )

    def acknowledge_some(self, to: int, *ranges: tuple[int, int]) -> None:
        """With what came behind a hole, from byte to byte (RFC 2018)."""
        edges = [self.begun + edge for pair in ranges for edge in pair]
        data = struct.pack(f"!{len(edges)}I", *(edge & 0xFFFFFFFF for edge in edges))
        self.acknowledge(to, options=b"\1\1\5" + bytes((2 + len(data),)) + data)

    def segments(self, count: int, seconds: float = 5.0) -> list[Segment]:
        """The next (count) that hold data or the end, or as many as come within (seconds)."""
        found: list[Segment] = []
        for frame in self.wire.frames(seconds):
            segment = self._segment(frame)
            if segment is not None and (segment.size or segment.flags & FIN):
                found.append(segment)
                if len(found) == count:
                    break
        return found


@pytest.fixture
def server(wired, build_image):
    guest = wired(build_image(APP))
    guest.expect_text("serving\r\n")
    yield guest
    guest.at_prompt = True


def test_the_end_stays_behind_data_that_is_cut(server, wire):
    peer = Peer(wire, 5000)
    peer.ask(4000, 3000)
    assert [s.size for s in peer.segments(2)] == [MSS, MSS]
    peer.acknowledge(2 * MSS, 500)  # the last segment has 1080 bytes
    (part,) = peer.segments(1)
    assert (part.at, part.size, part.flags & FIN) == (2 * MSS, 500, 0)
    peer.acknowledge(2 * MSS + 500)
    (rest,) = peer.segments(1)
    assert (rest.at, rest.size, rest.flags & FIN) == (2 * MSS + 500, 580, FIN)


def begin(wire: Wire, options: bytes = b"") -> Peer:
    """A peer that has got the first packets of many, and acknowledged none."""
    peer = Peer(wire, 5000, options=options)
    peer.ask(100 * MSS)
    assert [s.at for s in peer.segments(BURST)] == [n * MSS for n in range(BURST)]
    return peer


def sent(peer: Peer, count: int) -> list[int]:
    """The numbers of the packets that come at once, (count) at most."""
    return [s.at // MSS for s in peer.segments(count, AT_ONCE)]


def test_duplicate_acknowledgements_bring_data_and_then_what_was_lost(server, wire):
    peer = begin(wire)
    peer.acknowledge(0)
    assert sent(peer, 1) == [BURST]  # limited transmit (RFC 3042)
    peer.acknowledge(0)
    assert sent(peer, 1) == [BURST + 1]
    peer.acknowledge(0)
    assert sent(peer, 1) == [0]
    peer.acknowledge(4 * MSS)  # a partial acknowledgement (RFC 6582): 4 is lost too
    assert sent(peer, 1) == [4]
    peer.acknowledge(7 * MSS)
    assert sent(peer, 1) == [7]
    peer.acknowledge(12 * MSS)
    assert all(number >= 12 for number in sent(peer, 9))


def test_all_holes_are_filled_within_a_round_trip(server, wire):
    peer = begin(wire, SACK_OPTION)
    # 0, 2 and 4 are lost.
    peer.acknowledge_some(0, (MSS, 2 * MSS))
    peer.acknowledge_some(0, (3 * MSS, 4 * MSS), (MSS, 2 * MSS))
    assert sent(peer, 2) == [BURST, BURST + 1]
    for end in range(6, BURST + 1):
        peer.acknowledge_some(0, (5 * MSS, end * MSS), (3 * MSS, 4 * MSS), (MSS, 2 * MSS))
    found = sent(peer, 20)
    assert found[:3] == [0, 2, 4]
    assert all(number >= BURST + 2 for number in found[3:])
    peer.acknowledge((BURST + 2) * MSS)
    assert all(number >= BURST + 2 for number in sent(peer, 9))


def test_what_the_peer_has_is_not_sent_again_after_a_time_out(server, wire):
    peer = begin(wire, SACK_OPTION)
    peer.acknowledge_some(0, (MSS, 3 * MSS))
    peer.segments(1, AT_ONCE)  # limited transmit
    (again,) = peer.segments(1, 2)
    assert again.at == 0
    peer.acknowledge(3 * MSS)
    assert sent(peer, 2) == [3, 4]


def test_two_packets_need_one_duplicate(server, wire):
    peer = Peer(wire, 5000)
    peer.ask(2 * MSS - 1)
    assert [(s.at, s.flags & FIN) for s in peer.segments(2)] == [(0, 0), (MSS, FIN)]
    peer.acknowledge(0)
    assert sent(peer, 1) == [0]  # early retransmit (RFC 5827)


def test_time_outs_double(server, wire):
    peer = Peer(wire, 5000)
    peer.ask(100)
    segments = peer.segments(4)
    assert [s.at for s in segments] == [0] * 4
    first, second, third = (b.time - a.time for a, b in itertools.pairwise(segments))
    assert 0.29 < first < 0.5
    assert 1.6 < second / first < 2.4
    assert 1.6 < third / second < 2.4
