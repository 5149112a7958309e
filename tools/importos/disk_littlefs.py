# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""littlefs in an image, by the package littlefs-python. Used through disk.py."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

from littlefs import LittleFS, UserContext
from littlefs.errors import LittleFSError

from .disk import ATTRIBUTE_TIME, BLOCK_SIZE, Entry, Files, age

LOOKAHEAD = 8192
NO_ENTRY = -2


class ImageContext(UserContext):
    """The image as littlefs's block device. Erasing does nothing: see machine_disk.c."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def read(self, cfg: Any, block: int, off: int, size: int) -> bytearray:
        """Read (size) bytes."""
        self.file.seek(block * cfg.block_size + off)
        return bytearray(self.file.read(size).ljust(size, b"\0"))

    def prog(self, cfg: Any, block: int, off: int, data: bytes) -> int:
        """Write (data)."""
        self.file.seek(block * cfg.block_size + off)
        self.file.write(data)
        return 0

    def erase(self, cfg: Any, block: int) -> int:
        """Nothing."""
        return 0

    def sync(self, cfg: Any) -> int:
        """Hand everything to the system."""
        self.file.flush()
        return 0


class LittleFiles(Files):
    """The files of a littlefs image."""

    def __init__(self, image: Path, file: BinaryIO, make: bool) -> None:
        super().__init__(image, file)
        block_size = BLOCK_SIZE if make else _block_size(file)
        file.seek(0, 2)
        self.fs = LittleFS(
            context=ImageContext(file),
            mount=False,
            block_size=block_size,
            block_count=file.tell() // block_size if make else 0,
            cache_size=min(block_size, 4096),
            lookahead_size=LOOKAHEAD,
        )
        if make:
            self.fs.format()
        self.fs.mount()

    def entries(self, folder: str) -> list[Entry]:
        """See Files."""
        found = [_entry(folder, stat) for stat in self.fs.scandir(folder)]
        return sorted(found, key=lambda entry: entry.path)

    def find(self, path: str) -> Entry | None:
        """See Files."""
        if path == "/":
            return Entry("/", 0, True)
        try:
            stat = self.fs.stat(path)
        except LittleFSError as error:
            if error.code == NO_ENTRY:
                return None
            raise
        return Entry(path, stat.size, stat.type == 2)

    def read(self, path: str) -> bytes:
        """See Files."""
        with self.fs.open(path, "rb") as file:
            return file.read()

    def write(self, path: str, data: bytes, changed: float | None = None) -> None:
        """See Files."""
        with self.fs.open(path, "wb") as file:
            file.write(data)
        self.fs.setattr(path, ATTRIBUTE_TIME, struct.pack("<Q", age(changed)))

    def make_folder(self, path: str) -> None:
        """See Files."""
        self.fs.mkdir(path)

    def close(self) -> None:
        """See Files."""
        self.fs.unmount()


def _entry(folder: str, stat: Any) -> Entry:
    return Entry(f"{folder.rstrip('/')}/{stat.name}", stat.size, stat.type == 2)


def _block_size(file: BinaryIO) -> int:
    """What the superblock tells, in either of the first two blocks."""
    for start in (0, *(1 << n for n in range(7, 17))):
        file.seek(start)
        block = file.read(32)
        if block[8:16] == b"littlefs":
            (size,) = struct.unpack_from("<I", block, 24)
            if 128 <= size <= 1 << 20:
                return size
    return BLOCK_SIZE
