# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""cpio archives in the form that Linux takes as an initramfs (newc; buffer-format.rst in the
kernel's documentation): everything belongs to root and has no date, so the same tree gives the
same bytes."""

from __future__ import annotations

import stat
from pathlib import Path


class Cpio:
    """An archive that grows; finish() gives its bytes."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.inode = 0

    def add(self, name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)):
        self.inode += 1
        encoded = name.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0)
        self.data += b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        self._pad(4)
        self.data += data
        self._pad(4)

    def _pad(self, size: int) -> None:
        self.data += bytes(-len(self.data) % size)

    def file(self, name: str, data: bytes, mode: int = 0o644) -> None:
        self.add(name, stat.S_IFREG | mode, data)

    def directory(self, name: str) -> None:
        self.add(name, stat.S_IFDIR | 0o755)

    def node(self, name: str, mode: int, major: int, minor: int) -> None:
        """A character device."""
        self.add(name, stat.S_IFCHR | mode, device=(major, minor))

    def tree(self, top: Path) -> None:
        """Everything below (top): folders, plain files and links."""
        for path in sorted(top.rglob("*")):
            name = str(path.relative_to(top))
            if path.is_symlink():
                self.add(name, stat.S_IFLNK | 0o777, str(path.readlink()).encode())
            elif path.is_dir():
                self.directory(name)
            else:
                mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
                self.file(name, path.read_bytes(), mode)

    def finish(self) -> bytes:
        self.add("TRAILER!!!", 0)
        self._pad(512)
        return bytes(self.data)
