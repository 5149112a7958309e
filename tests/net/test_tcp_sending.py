# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""What the guest's TCP sends to a peer of the test's own, segment by segment."""

from __future__ import annotations

import struct
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


@dataclass
class Segment:
    """Of the guest; (at) counts bytes of the stream, from 0."""

    at: int
    flags: int
    size: int


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
        return Segment(at, frame[47], total - header)

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
