# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""A serial line to the guest, and its far end."""

from __future__ import annotations

import socket
from pathlib import Path


class Line:
    """The far end of the guest's second serial port."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.arguments = (
            *("-chardev", f"socket,id=com2,path={path},server=on,wait=off"),
            *("-serial", "chardev:com2"),
        )
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(60)

    def connect(self) -> None:
        """Once QEMU runs."""
        self.socket.connect(str(self.path))

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self, size: int) -> bytes:
        """(size) bytes; fewer only at the end of the guest."""
        data = b""
        while len(data) < size and (more := self.socket.recv(size - len(data))):
            data += more
        return data
