# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Bad weather between two ends of a cable: loss, duplicates, reordering, delay, bit errors.

A relay of the test's own, because not every kernel has netem. Seeds are fixed; when frames come
is not.
"""

from __future__ import annotations

import fcntl
import heapq
import os
import random
import select
import struct
import threading
import time
from dataclasses import dataclass
from typing import Protocol

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 2, 0x1000
FRAME_MAX = 65536
ETHERNET_SIZE = 14
BATCH = 64  # frames of one end before the other has its turn


@dataclass(frozen=True)
class Weather:
    """Shares are of 1, times are seconds."""

    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0  # these frames come (late) after the others
    flip: float = 0.0  # one bit of these is wrong
    delay: float = 0.0
    late: float = 0.005


class End(Protocol):
    """One end of the cable."""

    def fileno(self) -> int: ...
    def send(self, frame: bytes) -> None: ...
    def read(self) -> bytes: ...
    def close(self) -> None: ...


class Tap:
    """This machine's end: a tap device that exists already. Call from inside its name space."""

    def __init__(self, name: str = "tap0") -> None:
        self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        request = struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI)
        fcntl.ioctl(self.fd, TUNSETIFF, request)

    def fileno(self) -> int:
        return self.fd

    def send(self, frame: bytes) -> None:
        os.write(self.fd, frame)

    def read(self) -> bytes:
        return os.read(self.fd, FRAME_MAX)

    def close(self) -> None:
        os.close(self.fd)


class Relay:
    """Carries frames between two ends, in a thread, until close(). `weather` may be changed."""

    def __init__(self, one: End, other: End, weather: Weather, seed: int = 1) -> None:
        self.weather = weather
        self.ways = ((one, other, random.Random(seed)), (other, one, random.Random(seed + 1)))
        self.waiting: list[tuple[float, int, bytes, End]] = []  # a heap by time
        self.count = 0
        self.counts = dict.fromkeys(("carried", "lost", "duplicated", "reordered", "flipped"), 0)
        self.stopping = False
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def close(self) -> None:
        self.stopping = True
        self.thread.join()

    def _run(self) -> None:
        while not self.stopping:
            left = self.waiting[0][0] - time.monotonic() if self.waiting else 0.1
            ready = select.select([way[0] for way in self.ways], [], [], max(0.0, min(left, 0.1)))
            for source, target, rng in self.ways:
                if source in ready[0]:
                    self._take(source, target, rng)
            while self.waiting and self.waiting[0][0] <= time.monotonic():
                _, _, frame, target = heapq.heappop(self.waiting)
                target.send(frame)

    def _take(self, source: End, target: End, rng: random.Random) -> None:
        for _ in range(BATCH):
            try:
                frame = source.read()
            except BlockingIOError:
                return
            self._carry(frame, target, rng)

    def _carry(self, frame: bytes, target: End, rng: random.Random) -> None:
        weather = self.weather
        self.counts["carried"] += 1
        if rng.random() < weather.loss:
            self.counts["lost"] += 1
            return
        # Only what has a checksum of its own: a wrong bit in an ARP answer is another station.
        if rng.random() < weather.flip and frame[12:14] == b"\x08\0":
            frame = flip(frame, rng)
            self.counts["flipped"] += 1
        self._send(frame, target, rng)
        if rng.random() < weather.duplicate:
            self._send(frame, target, rng)
            self.counts["duplicated"] += 1

    def _send(self, frame: bytes, target: End, rng: random.Random) -> None:
        delay = self.weather.delay
        if rng.random() < self.weather.reorder:
            delay += self.weather.late
            self.counts["reordered"] += 1
        if delay == 0:
            target.send(frame)
            return
        self.count += 1
        heapq.heappush(self.waiting, (time.monotonic() + delay, self.count, frame, target))


def flip(frame: bytes, rng: random.Random) -> bytes:
    """(frame) with one bit behind its Ethernet header wrong."""
    bit = rng.randrange(8 * ETHERNET_SIZE, 8 * len(frame))
    changed = bytearray(frame)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)
