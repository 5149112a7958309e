# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""A disk, and a source of entropy, that can lie: vhost-user backends of an unmodified QEMU.

(QEMU docs/interop/vhost-user.rst; virtio 1.1, 5.2 and 5.4.)
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from net.lying_device import PROTOCOL_FEATURES, VERSION_1, LyingDevice, Ring

GET_FEATURES, GET_PROTOCOL_FEATURES, GET_CONFIG = 1, 15, 24
PROTOCOL_CONFIG = 1 << 9
SEG_MAX, BLK_SIZE, FLUSH = 1 << 2, 1 << 6, 1 << 9
READ, WRITE = 0, 1
OK, IO_ERROR = 0, 1
SECTOR = 512


@dataclass
class Answer:
    """What the device is about to say of a request; a lie changes it."""

    kind: int
    status: int | None  # None: no status is written
    told: int  # bytes written, as the used ring tells
    head: int  # which request it is, as the used ring tells
    times: int = 1  # that it is put into the ring; 0: there is no answer


Lie = Callable[[Answer], None]


@dataclass
class LyingQueue(LyingDevice):
    """One queue, whose requests answer() carries out when they come."""

    rings: list[Ring] = field(default_factory=lambda: [Ring()])
    lie: Lie | None = None
    device = ""

    def arguments(self, megabytes: int) -> list[str]:
        return [
            *("-object", f"memory-backend-memfd,id=m,size={megabytes}M,share=on"),
            *("-chardev", f"socket,id=vhost,path={self.path}"),
            *("-device", self.device),
        ]

    def _take_sent(self) -> None:
        ring = self.rings[0]
        while ring.ready and (taken := self._take(ring)) is not None:
            answer = self.carry_out(*taken)
            for _ in range(answer.times):
                self.complete(ring, answer.head, answer.told)
            self.interrupt(ring)

    def carry_out(self, head: int, pieces: list[tuple[int, int]]) -> Answer:
        raise NotImplementedError

    def load(self, address: int, size: int) -> bytes:
        memory, offset = self._find(address, user=False)
        return memory[offset : offset + size]

    def store(self, address: int, data: bytes) -> None:
        memory, offset = self._find(address, user=False)
        memory[offset : offset + len(data)] = data


@dataclass
class LyingDisk(LyingQueue):
    contents: bytearray = field(default_factory=lambda: bytearray(1 << 20))
    capacity: int = 2048  # sectors
    block_size: int = SECTOR
    pieces_max: int = 64
    device = "vhost-user-blk-pci,chardev=vhost,num-queues=1,queue-size=128,vectors=0"

    def _handle(self, request: int, body: bytes, files: list[int]) -> bytes | None:
        if request == GET_FEATURES:
            return struct.pack(
                "<Q", VERSION_1 | PROTOCOL_FEATURES | SEG_MAX | BLK_SIZE | FLUSH | self.features
            )
        if request == GET_PROTOCOL_FEATURES:
            return struct.pack("<Q", PROTOCOL_CONFIG)
        if request == GET_CONFIG:
            offset, size, flags = struct.unpack_from("<III", body)
            config = struct.pack(
                "<QIIIII", self.capacity, 0, self.pieces_max, 0, self.block_size, 0
            ).ljust(256, b"\0")
            return struct.pack("<III", offset, size, flags) + config[offset : offset + size]
        return super()._handle(request, body, files)

    def carry_out(self, head: int, pieces: list[tuple[int, int]]) -> Answer:
        kind, _, sector = struct.unpack("<IIQ", self.load(*pieces[0]))
        at, done = sector * SECTOR, 0
        for address, size in pieces[1:-1]:
            if kind == READ:
                self.store(address, bytes(self.contents[at : at + size]))
                done += size
            elif kind == WRITE:
                self.contents[at : at + size] = self.load(address, size)
            at += size
        answer = Answer(kind, OK, done + 1, head)
        if self.lie is not None:
            self.lie(answer)
        if answer.status is not None:
            self.store(pieces[-1][0], bytes((answer.status,)))
        return answer


@dataclass
class LyingEntropy(LyingQueue):
    device = "vhost-user-rng-pci,chardev=vhost,vectors=0"

    def carry_out(self, head: int, pieces: list[tuple[int, int]]) -> Answer:
        address, size = pieces[0]
        self.store(address, bytes(range(size)))
        answer = Answer(0, None, size, head)
        if self.lie is not None:
            self.lie(answer)
        return answer
