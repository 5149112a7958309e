# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""A network card that can lie: the vhost-user backend of an unmodified QEMU.

QEMU hands over the guest's memory and the rings; what stands in the used ring is then ours to
choose. (QEMU docs/interop/vhost-user.rst; virtio 1.1, 2.6.) MSI-X does not work with it under
TCG in QEMU 7.2, so the card has vectors=0.
"""

from __future__ import annotations

import array
import contextlib
import mmap
import os
import select
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

GET_FEATURES, SET_MEM_TABLE, SET_VRING_NUM, SET_VRING_ADDR = 1, 5, 8, 9
SET_VRING_BASE, GET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL = 10, 11, 12, 13
GET_PROTOCOL_FEATURES, GET_QUEUE_NUM = 15, 17
VERSION_1, PROTOCOL_FEATURES = 1 << 32, 1 << 30
CSUM, GUEST_CSUM, GUEST_TSO4, HOST_TSO4, HOST_TSO6, MERGEABLE = (
    1 << n for n in (0, 1, 7, 11, 12, 15)
)
OFFLOADS = CSUM | GUEST_CSUM | GUEST_TSO4 | HOST_TSO4 | HOST_TSO6 | MERGEABLE
NO_FD = 0x100
HEADER = 12  # bytes of struct virtio_net_hdr
OFF = (
    "mq=off,ctrl_vq=off,ctrl_rx=off,ctrl_vlan=off,ctrl_rx_extra=off,ctrl_mac_addr=off,"
    "ctrl_guest_offloads=off,guest_announce=off"
)


@dataclass
class Ring:
    size: int = 0
    desc: int = 0
    avail: int = 0
    used: int = 0
    seen: int = 0  # avail entries taken
    done: int = 0  # used entries written
    kick: int = -1
    call: int = -1
    ready: bool = False


@dataclass
class Region:
    guest: int
    size: int
    user: int
    memory: mmap.mmap
    offset: int


@dataclass
class LyingDevice:
    path: Path
    features: int = 0  # besides VERSION_1
    regions: list[Region] = field(default_factory=list)
    rings: list[Ring] = field(default_factory=lambda: [Ring(), Ring()])
    sent: list[bytes] = field(default_factory=list)  # by the guest
    headers: list[bytes] = field(default_factory=list)  # of them: struct virtio_net_hdr
    starts: int = 0  # times that the driver has started the receive queue
    files: list[int] = field(default_factory=list)
    connection: socket.socket | None = None

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(self.path))
        self.listener.listen(1)
        self.stopping = False
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def arguments(self, megabytes: int) -> list[str]:
        """QEMU's, in place of its own -netdev and -device."""
        return [
            *("-object", f"memory-backend-memfd,id=m,size={megabytes}M,share=on"),
            *("-chardev", f"socket,id=vhost,path={self.path}"),
            *("-netdev", "vhost-user,id=n0,chardev=vhost"),
            *("-device", f"virtio-net-pci,netdev=n0,romfile=,vectors=0,{OFF}"),
        ]

    def close(self) -> None:
        self.stopping = True
        self.listener.close()
        if self.connection is not None:
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
        self.thread.join(timeout=5)
        if self.connection is not None:
            self.connection.close()
        for region in self.regions:
            region.memory.close()
        for fd in self.files:
            os.close(fd)

    # --- the protocol ---

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            self.connection, _ = self.listener.accept()
            while not self.stopping:
                kicks = [ring.kick for ring in self.rings if ring.kick >= 0]
                readable, _, _ = select.select([self.connection, *kicks], [], [], 0.2)
                for fd in readable:
                    if fd is self.connection:
                        if not self._message():
                            return
                    else:
                        with contextlib.suppress(OSError):
                            os.read(fd, 8)
                with self.lock:
                    self._take_sent()

    def _message(self) -> bool:
        space = socket.CMSG_SPACE(8 * 4)
        head, ancillary, _, _ = self.connection.recvmsg(12, space)
        if len(head) < 12:
            return False
        files = array.array("i")
        for _, _, data in ancillary:
            files.frombytes(data[: len(data) - len(data) % 4])
        self.files += files
        request, _, size = struct.unpack("<III", head)
        body = b""
        while len(body) < size:
            body += self.connection.recv(size - len(body))
        with self.lock:
            answer = self._handle(request, body, list(files))
        if answer is not None:
            self.connection.sendall(struct.pack("<III", request, 5, len(answer)) + answer)
        return True

    def _handle(self, request: int, body: bytes, files: list[int]) -> bytes | None:
        if request == GET_FEATURES:
            return struct.pack("<Q", VERSION_1 | PROTOCOL_FEATURES | self.features)
        if request == GET_PROTOCOL_FEATURES:
            return struct.pack("<Q", 0)
        if request == GET_QUEUE_NUM:
            return struct.pack("<Q", 1)
        if request == SET_MEM_TABLE:
            self._map(body, files)
        elif request == GET_VRING_BASE:
            index = struct.unpack("<II", body)[0]
            self.rings[index].ready = False
            self.rings[index].kick = -1
            return struct.pack("<II", index, self.rings[index].seen)
        elif request in (SET_VRING_KICK, SET_VRING_CALL):
            self._set_file(request, struct.unpack("<Q", body)[0], files)
        else:
            self._set_ring(request, body)
        return None

    def _set_ring(self, request: int, body: bytes) -> None:
        if request == SET_VRING_NUM:
            index, number = struct.unpack("<II", body)
            self.rings[index].size = number
        elif request == SET_VRING_ADDR:
            index, _, desc, used, avail, _ = struct.unpack("<IIQQQQ", body)
            ring = self.rings[index]
            ring.desc, ring.used, ring.avail = desc, used, avail
        elif request == SET_VRING_BASE:
            index, number = struct.unpack("<II", body)
            self.rings[index].seen = self.rings[index].done = number

    def _set_file(self, request: int, word: int, files: list[int]) -> None:
        ring = self.rings[word & 0xFF]
        fd = -1 if word & NO_FD else files[0]
        if request == SET_VRING_CALL:
            ring.call = fd
        else:
            ring.kick, ring.ready = fd, True
            self.starts += (word & 0xFF) == 0

    def _map(self, body: bytes, files: list[int]) -> None:
        for region in self.regions:
            region.memory.close()
        self.regions = []
        for index, fd in enumerate(files):
            guest, size, user, offset = struct.unpack_from("<QQQQ", body, 8 + 32 * index)
            memory = mmap.mmap(fd, size + offset)
            self.regions.append(Region(guest, size, user, memory, offset))

    def _find(self, address: int, *, user: bool) -> tuple[mmap.mmap, int]:
        for region in self.regions:
            start = region.user if user else region.guest
            if start <= address < start + region.size:
                return region.memory, region.offset + address - start
        raise KeyError(hex(address))

    def _get(self, form: str, address: int) -> tuple[int, ...]:
        memory, offset = self._find(address, user=True)
        return struct.unpack_from(form, memory, offset)

    def _put(self, form: str, address: int, *values: int) -> None:
        memory, offset = self._find(address, user=True)
        struct.pack_into(form, memory, offset, *values)

    # --- the rings ---

    def _take(self, ring: Ring) -> tuple[int, list[tuple[int, int]]] | None:
        """One posted buffer: the number of its head, and (address, size) of its pieces."""
        if not ring.ready or ring.seen == self._get("<H", ring.avail + 2)[0]:
            return None
        head = self._get("<H", ring.avail + 4 + 2 * (ring.seen % ring.size))[0]
        ring.seen = (ring.seen + 1) & 0xFFFF
        pieces, index = [], head
        for _ in range(ring.size):
            address, size, flags, following = self._get("<QIHH", ring.desc + 16 * index)
            pieces.append((address, size))
            if not flags & 1:
                break
            index = following
        return head, pieces

    def complete(self, ring: Ring, head: int, size: int) -> None:
        self._put("<II", ring.used + 4 + 8 * (ring.done % ring.size), head, size)
        ring.done = (ring.done + 1) & 0xFFFF
        self._put("<H", ring.used + 2, ring.done)

    def interrupt(self, ring: Ring) -> None:
        if ring.call >= 0:
            os.write(ring.call, struct.pack("<Q", 1))

    def _take_sent(self) -> None:
        ring = self.rings[1]
        while ring.ready and (taken := self._take(ring)) is not None:
            head, pieces = taken
            data = b""
            for address, size in pieces:
                memory, offset = self._find(address, user=False)
                data += memory[offset : offset + size]
            self.headers.append(data[:HEADER])
            self.sent.append(data[HEADER:])
            self.complete(ring, head, 0)
            self.interrupt(ring)

    # --- for tests ---

    @property
    def receive_ring(self) -> Ring:
        return self.rings[0]

    @property
    def send_ring(self) -> Ring:
        return self.rings[1]

    def post(self, frame: bytes, *, size: int | None = None, head: int | None = None) -> int:
        """Hand one frame to the guest; (size) and (head) are what the used ring is told."""
        with self.lock:
            taken = self._take(self.receive_ring)
            assert taken is not None, "the guest has posted no buffer"
            data = bytes(HEADER) + frame
            address, room = taken[1][0]
            memory, offset = self._find(address, user=False)
            memory[offset : offset + len(data)] = data
            assert len(data) <= room
            told = len(data) if size is None else size
            self.complete(self.receive_ring, taken[0] if head is None else head, told)
            self.interrupt(self.receive_ring)
            return taken[0]

    def post_large(
        self, frame: bytes, header: bytes, *, told: int | None = None, used: int | None = None
    ) -> None:
        """Hand over one frame in as many buffers as it needs, (header) with that number at its
        end, or (told). (used): how many of them the used ring shows."""
        with self.lock:
            ring, left, heads = self.receive_ring, bytes(HEADER) + frame, []
            while left:
                taken = self._take(ring)
                assert taken is not None, "the guest has posted too few buffers"
                address, room = taken[1][0]
                memory, offset = self._find(address, user=False)
                memory[offset : offset + len(left[:room])] = left[:room]
                heads.append((taken[0], len(left[:room]), memory, offset))
                left = left[room:]
            _, _, memory, offset = heads[0]
            number = len(heads) if told is None else told
            memory[offset : offset + HEADER] = header[:10] + struct.pack("<H", number)
            for index, (head, size, _, _) in enumerate(heads[:used]):
                slot = (ring.done + index) % ring.size
                self._put("<II", ring.used + 4 + 8 * slot, head, size)
            ring.done = (ring.done + len(heads[:used])) & 0xFFFF
            self._put("<H", ring.used + 2, ring.done)
            self.interrupt(ring)

    def wait_ready(self, seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not (self.receive_ring.ready and self.send_ring.ready):
            assert time.monotonic() < deadline, "the driver has not started the card"
            time.sleep(0.01)
        time.sleep(0.05)

    def wait_sent(self, wanted, seconds: float = 3.0) -> bytes | None:
        """The first frame of the guest's that is (wanted), or None; the others are dropped."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with self.lock:
                frames, self.sent = self.sent, []
            for frame in frames:
                if wanted(frame):
                    return frame
            time.sleep(0.005)
        return None
