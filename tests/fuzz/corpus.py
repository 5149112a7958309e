# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""What the fuzzers begin with: right conversations. Usage: python corpus.py DIRECTORY"""

from __future__ import annotations

import itertools
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "net"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import test_wire
import wire
from wire import ACK, FIN, PSH, RST, SYN, tcp, udp

# The flags of a step in fuzz_frames.c.
SUM, NUMBERS, LARGE, COPY, WAIT, LONG = 1, 2, 4, 8, 16, 32


def steps(*pairs: tuple[int, bytes], dhcp: bool = False) -> bytes:
    data = bytes((dhcp,))
    for flags, frame in pairs:
        data += struct.pack("<BH", flags, len(frame)) + frame
    return data


def segment(flags: int, sequence: int = 0, acknowledge: int = 0, **more: object) -> bytes:
    """Numbers count from what the stack wants; (acknowledge) from what it sent last."""
    return tcp(80, flags, by=4002, sequence=sequence, acknowledge=acknowledge, **more)


def session(*middle: tuple[int, bytes]) -> bytes:
    options = bytes.fromhex("020405b40402080a0000000100000000")
    syn = (SUM, tcp(80, SYN, by=4002, options=options))
    return steps(syn, (SUM | NUMBERS, segment(ACK, 0, 1)), *middle)


def conversations() -> Iterator[bytes]:
    for frame in test_wire.SEEDS:
        yield steps((SUM, frame))
        yield steps((SUM | WAIT, frame), dhcp=True)
    data = (SUM | NUMBERS, segment(ACK | PSH, 0, 0, data=b"hello"))
    hole = (SUM | NUMBERS, segment(ACK | PSH, 100, 0, data=bytes(50)))
    large = (SUM | NUMBERS | LARGE, segment(ACK | PSH, 0, 0, data=bytes(3000)))
    for middle in itertools.permutations((data, hole, large), 2):
        yield session(*middle)
    yield session(data, (SUM | NUMBERS | COPY, segment(FIN | ACK)), (SUM | LONG, segment(ACK)))
    yield session((SUM | NUMBERS, segment(RST | ACK)))
    yield session((SUM | NUMBERS, segment(SYN)))
    # So many half-open ones that the last gets a cookie.
    crowd = [(SUM, tcp(80, SYN, by=5000 + n)) for n in range(70)]
    yield steps(*crowd, (SUM | NUMBERS, tcp(80, ACK, by=5069, sequence=0, acknowledge=1)))
    # The stack's own connection to port 4001, from 4000.
    yield steps((SUM | NUMBERS, tcp(4000, SYN | ACK, by=4001, acknowledge=1)))
    whole = wire.ip4(bytes(8), wire.UDP)
    for offset in (0, 1, 185, 8191):
        header = whole[:6] + struct.pack("!H", 0x2000 | offset) + whole[8:20]
        yield steps(*((SUM, wire.ethernet(header + bytes(1480))),) * 3)
    yield steps((SUM, udp(test_wire.DNS_ANSWER, 53, by=53)), (LONG, bytes(20)))


# --- cards (fuzz_device.c) --------------------------------------------------------------------

GIVE, SENT, RECEIVE, KEEP, SEND, SEND_LARGE, INTERRUPT, FLUSH = 0, 1, 2, 0x82, 3, 0x1C, 5, 6
RAW, COOKED, TAKE_OUT = 0x8F, 0x87, 0x7F
# Lies of one completion: the number, the length, the index, the header.
BAD_ID, BAD_SIZE, BAD_INDEX, BAD_HEADER = (0x80 | n << 3 for n in (1, 2, 4, 8))
OFFSETS = (0x06, 0x10, 0x20, 0x21, 0x34, 0x41, 0x44, 0x4C, 0x84, 0x90, 0x93, 0x94, 0x95)


def card(*steps: int, config: bytes = b"", device: bytes = b"", lies: int = 0) -> bytes:
    head = bytes((len(config) // 2,)) + config + bytes((len(device) // 2,)) + device
    return head + bytes((lies, 56, 1)) + bytes(steps)


def cards() -> Iterator[bytes]:
    traffic = (GIVE, 80, 0, INTERRUPT, RECEIVE, SEND, 100, SEND_LARGE, FLUSH, SENT, FLUSH)
    yield card(*traffic * 4)
    yield card(*(GIVE, 200, 1, KEEP) * 20, *(FLUSH,) * 20, RAW, *traffic, COOKED, *traffic)
    yield card(*traffic, TAKE_OUT, *traffic)
    yield card(*traffic * 10, lies=140)
    for lie in (BAD_ID, BAD_SIZE, BAD_INDEX):
        for number in (0, 1, 0x7F, 0xFF):
            wrong = (lie, 80, 0, number, number, 0, 0, INTERRUPT, RECEIVE)
            yield card(*traffic, *wrong, *traffic)
            yield card(*traffic, SEND, 99, SENT | lie, number, 1, 0, 0, FLUSH, *traffic)
    yield card(*(BAD_HEADER, 200, 3, *range(12), RECEIVE) * 3)
    for offset in OFFSETS:
        for value in (0, 0x44, 0x80, 0xFF):
            extra = b"\xf0" if 0x10 <= offset < 0x28 else b""
            data = card(*traffic, config=bytes((offset, value)))
            yield data[:3] + extra + data[3:]
    for offset in range(12):
        yield card(*traffic, device=bytes((offset, 0xFF)))


def main() -> None:
    for name, inputs in (("frames", conversations()), ("device", cards())):
        directory = Path(sys.argv[1]) / name
        directory.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(inputs):
            (directory / f"seed{number}").write_bytes(data)


if __name__ == "__main__":
    main()
