# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""FAT in an image, by the package fatfs-ng. Used through disk.py."""

from __future__ import annotations

import errno
import os
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from fatfs import Partition, PartitionExtended
from fatfs.diskio import Disk

from .disk import SECTOR, Entry, Files


class ImageDisk(Disk):
    """The image as FatFs's disk."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self.file = file
        file.seek(0, 2)
        self.sectors = file.tell() // SECTOR

    def ioctl_get_sector_count(self) -> int:
        """Sectors of the disk."""
        return self.sectors

    def ioctl_get_sector_size(self) -> int:
        """Bytes of a sector."""
        return SECTOR

    def ioctl_get_block_size(self) -> int:
        """Sectors that are erased at once: a disk has no such thing."""
        return 1

    def read(self, sector: int, count: int) -> bytes:
        """Read sectors."""
        self.file.seek(sector * SECTOR)
        return self.file.read(count * SECTOR)

    def write(self, sector: int, count: int, buff: bytes) -> None:
        """Write sectors."""
        self.file.seek(sector * SECTOR)
        self.file.write(bytes(buff)[: count * SECTOR])


class FatFiles(Files):
    """The files of a FAT image."""

    def __init__(self, image: Path, file: BinaryIO, make: bool) -> None:
        super().__init__(image, file)
        self.partition: Any = Partition(ImageDisk(file))
        if make:
            self.partition.mkfs()
        self.partition.mount()
        self.more = PartitionExtended(self.partition)

    def entries(self, folder: str) -> list[Entry]:
        """See Files."""
        paths = [f"{folder.rstrip('/')}/{name}" for name in self.more.listdir(folder)]
        return [self._entry(path) for path in sorted(paths)]

    def _entry(self, path: str) -> Entry:
        stat = self.more.stat(path)
        return Entry(path, stat["size"], bool(stat["is_dir"]))

    def find(self, path: str) -> Entry | None:
        """See Files."""
        if path == "/":
            return Entry("/", 0, True)
        names = self.more.listdir(str(PurePosixPath(path).parent)) if self._parent(path) else []
        name = PurePosixPath(path).name.lower()
        return self._entry(path) if name in (n.lower() for n in names) else None

    def _parent(self, path: str) -> bool:
        parent = self.find(str(PurePosixPath(path).parent))
        return parent is not None and parent.is_folder

    def read(self, path: str) -> bytes:
        """See Files."""
        return self.more.read_file(path)

    def write(self, path: str, data: bytes, changed: float | None = None) -> None:
        """See Files. FatFs stamps files with the time of now."""
        self.more.write_file(path, data)
        if self.more.stat(path)["size"] != len(data):
            self.more.remove(path)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def make_folder(self, path: str) -> None:
        """See Files."""
        self.partition.mkdir(path)

    def close(self) -> None:
        """See Files."""
        self.partition.unmount()
        self.file.flush()
