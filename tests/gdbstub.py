# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""QEMU's gdb stub: stop a guest, read and change its memory and registers, let it go on.

The remote serial protocol, as "Debugging with GDB", appendix E, describes it; only the packets
that the tests need. Writing ignores page protection, as a debugger must.
"""

from __future__ import annotations

import socket

# The first registers of the g packet for x86-64, in its order.
REGISTERS = (
    *("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"),
    *("r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip"),
)


class GdbStub:
    """A connection to the stub. The guest stands still from connecting until resume()."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(30)
        self.socket.connect(path)
        self.input = self.socket.makefile("rb")
        self.ask("?")

    def __enter__(self) -> GdbStub:
        return self

    def __exit__(self, *exception: object) -> None:
        self.resume()

    def ask(self, text: str) -> str:
        """Send one packet, return the answer's text."""
        self.send(text)
        answer = self._receive()
        while answer.startswith("T") and text != "?":
            answer = self._receive()  # that was the news that the guest has stopped
        return answer

    def _receive(self) -> str:
        while self.input.read(1) != b"$":
            pass
        answer = b""
        while not answer.endswith(b"#"):
            answer += self.input.read(1)
        self.input.read(2)
        self.socket.sendall(b"+")
        return answer[:-1].decode()

    def send(self, text: str) -> None:
        self.socket.sendall(f"${text}#{sum(text.encode()) & 255:02x}".encode())

    def write(self, address: int, data: bytes) -> None:
        """Write (data) at the virtual address (address)."""
        answer = self.ask(f"M{address:x},{len(data):x}:{data.hex()}")
        if answer != "OK":
            raise AssertionError(f"the gdb stub could not write {address:#x}: {answer}")

    def read(self, address: int, size: int) -> bytes:
        """Read (size) bytes at the virtual address (address)."""
        return bytes.fromhex(self.ask(f"m{address:x},{size:x}"))

    def registers(self) -> dict[str, int]:
        """The general registers and rip."""
        data = bytes.fromhex(self.ask("g")[: 16 * len(REGISTERS)])
        values = (data[i : i + 8] for i in range(0, len(data), 8))
        return {n: int.from_bytes(v, "little") for n, v in zip(REGISTERS, values, strict=True)}

    def resume(self) -> None:
        """Let the guest go on and leave it."""
        self.ask("D")
        self.input.close()
        self.socket.close()
