# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""The other end of a guest's cable: Ethernet frames in the datagrams of QEMU's -netdev dgram.

A peer with an address and no stack: it answers ARP, and everything else is the test's to build.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator

GUEST_IP = "10.1.0.2"
PEER_IP = "10.1.0.1"
GUEST_MAC = bytes.fromhex("525400123456")
PEER_MAC = bytes.fromhex("525400aabbcc")
APPEND = f"ip={GUEST_IP}/24 gateway={PEER_IP} dns={PEER_IP}"
BROADCAST = b"\xff" * 6

ARP, IP4, IP6 = 0x0806, 0x0800, 0x86DD
ICMP, TCP, UDP = 1, 6, 17
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(
    payload: bytes, kind: int = IP4, to: bytes = GUEST_MAC, by: bytes = PEER_MAC
) -> bytes:
    return to + by + struct.pack("!H", kind) + payload


def ip4(payload: bytes, protocol: int, source: str = PEER_IP, to: str = GUEST_IP) -> bytes:
    fields = (0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0)
    addresses = socket.inet_aton(source) + socket.inet_aton(to)
    header = struct.pack("!BBHHHBBH", *fields) + addresses
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return header + payload


def _with_sum(segment: bytes, offset: int, protocol: int, source: str, to: str) -> bytes:
    pseudo = socket.inet_aton(source) + socket.inet_aton(to)
    pseudo += struct.pack("!BBH", 0, protocol, len(segment))
    value = struct.pack("!H", checksum(pseudo + segment) or 0xFFFF)
    return segment[:offset] + value + segment[offset + 2 :]


def udp(
    data: bytes, port: int, by: int = 4000, source: str = PEER_IP, to: str = GUEST_IP
) -> bytes:
    segment = struct.pack("!HHHH", by, port, 8 + len(data), 0) + data
    return ethernet(ip4(_with_sum(segment, 6, UDP, source, to), UDP, source, to))


def tcp(
    port: int,
    flags: int,
    *,
    by: int = 4000,
    sequence: int = 1000,
    acknowledge: int = 0,
    data: bytes = b"",
    options: bytes = b"",
    window: int = 65535,
    source: str = PEER_IP,
) -> bytes:
    words = 5 + len(options) // 4
    fields = (by, port, sequence & 0xFFFFFFFF, acknowledge & 0xFFFFFFFF)
    header = struct.pack("!HHIIBBHHH", *fields, words << 4, flags, window, 0, 0)
    segment = _with_sum(header + options + data, 16, TCP, source, GUEST_IP)
    return ethernet(ip4(segment, TCP, source))


def echo_request(number: int, data: bytes = b"0123456789abcdef", identity: int = 7) -> bytes:
    message = struct.pack("!BBHHH", 8, 0, 0, identity, number & 0xFFFF) + data
    message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
    return ethernet(ip4(message, ICMP))


class Cable:
    """Frames to and from one guest. (netdev) is QEMU's argument for the guest's end."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        self.socket.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.guest = probe.getsockname()
        local, remote = self.guest[1], self.socket.getsockname()[1]
        self.netdev = (
            f"dgram,id=n0,local.type=inet,local.host=127.0.0.1,local.port={local},"
            f"remote.type=inet,remote.host=127.0.0.1,remote.port={remote}"
        )

    def fileno(self) -> int:
        return self.socket.fileno()

    def close(self) -> None:
        self.socket.close()

    def send(self, frame: bytes) -> None:
        self.socket.sendto(frame, self.guest)

    def read(self) -> bytes:
        """One frame. Raises BlockingIOError when there is none."""
        return self.socket.recv(65536, socket.MSG_DONTWAIT)


class Wire(Cable):
    """The peer at the other end of a cable."""

    def frames(self, seconds: float) -> Iterator[bytes]:
        """What comes within (seconds); ARP requests for the peer are answered on the way."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                frame = self.socket.recv(65536)
            except TimeoutError:
                return
            if not self._answer_arp(frame):
                yield frame

    def _answer_arp(self, frame: bytes) -> bool:
        if frame[12:14] != struct.pack("!H", ARP) or frame[20:22] != b"\0\1":
            return False
        if frame[38:42] == socket.inet_aton(PEER_IP):
            answer = b"\0\1\x08\0\6\4\0\2" + PEER_MAC + frame[38:42] + frame[22:28] + frame[28:32]
            self.send(ethernet(answer, ARP, to=frame[6:12]))
        return True

    def wait(self, wanted: Callable[[bytes], bool], seconds: float = 5.0) -> bytes | None:
        """The first frame that is (wanted), or None."""
        return next((frame for frame in self.frames(seconds) if wanted(frame)), None)

    def ping(self, number: int = 1, seconds: float = 1.0) -> float | None:
        """Seconds until the answer, or None."""
        begun = time.monotonic()
        self.send(echo_request(number))
        wanted = struct.pack("!H", number & 0xFFFF)
        answer = self.wait(
            lambda f: (
                f[12:14] == b"\x08\0" and f[23] == ICMP and f[34] == 0 and f[40:42] == wanted
            ),
            seconds,
        )
        return None if answer is None else time.monotonic() - begun

    def wait_for_guest(self, seconds: float = 20.0) -> None:
        """Until it answers pings."""
        deadline = time.monotonic() + seconds
        while self.ping(0, 0.15) is None:
            assert time.monotonic() < deadline, "the guest does not answer pings"
