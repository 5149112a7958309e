# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Disk images for tests: partition tables around given contents, and file systems."""

from __future__ import annotations

import struct
import uuid
import zlib
from pathlib import Path

SECTOR = 512
LINUX = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")


def mbr(disk_size: int, partitions: list[tuple[int, int, int]], unit: int = SECTOR) -> bytearray:
    """A disk with a master boot record: (type, start, size) in blocks of (unit)."""
    image = bytearray(disk_size)
    for index, (kind, start, size) in enumerate(partitions):
        entry = struct.pack("<B3sB3sII", 0, b"\0\0\0", kind, b"\0\0\0", start, size)
        image[446 + 16 * index : 462 + 16 * index] = entry
    image[510:512] = b"\x55\xaa"
    return image


def logical(disk_size: int, extended: tuple[int, int], parts: list[tuple[int, int]]) -> bytearray:
    """A disk with one extended partition and logical ones: (start, size) in sectors."""
    image = mbr(disk_size, [(0x0F, *extended)])
    for index, (start, size) in enumerate(parts):
        record = start - 1
        follow = parts[index + 1] if index + 1 < len(parts) else None
        table = struct.pack("<B3sB3sII", 0, b"", 0x83, b"", 1, size)
        if follow:
            table += struct.pack(
                "<B3sB3sII", 0, b"", 0x05, b"", follow[0] - 1 - extended[0], follow[1] + 1
            )
        at = record * SECTOR
        image[at + 446 : at + 446 + len(table)] = table
        image[at + 510 : at + 512] = b"\x55\xaa"
    return image


def gpt(
    disk_size: int, partitions: list[tuple[str, int, int]], unit: int = SECTOR, spoil: str = ""
) -> bytearray:
    """A disk with a GPT: (name, first, last) in blocks of (unit). (spoil): "first", "both"."""
    image = mbr(disk_size, [(0xEE, 1, disk_size // unit - 1)])
    entries = bytearray(128 * 128)
    for index, (name, first, last) in enumerate(partitions):
        entry = LINUX.bytes_le + uuid.UUID(int=index + 1).bytes_le
        entry += struct.pack("<QQQ", first, last, 0) + name.encode("utf-16-le")
        entries[128 * index : 128 * index + len(entry)] = entry
    last_block = disk_size // unit - 1
    table_blocks = (len(entries) + unit - 1) // unit
    for own, other, table in (
        (1, last_block, 2),
        (last_block, 1, last_block - table_blocks),
    ):
        header = struct.pack(
            "<8sIIIIQQQQ16sQIII",
            *(b"EFI PART", 0x10000, 92, 0, 0, own, other, 2 + table_blocks),
            *(last_block - table_blocks - 1, uuid.UUID(int=99).bytes_le, table, 128, 128),
            zlib.crc32(entries),
        )
        header = header[:16] + struct.pack("<I", zlib.crc32(header)) + header[20:]
        if spoil == "both" or (spoil == "first" and own == 1):
            header = header[:40] + b"\xff" + header[41:]
        image[own * unit : own * unit + len(header)] = header
        image[table * unit : table * unit + len(entries)] = entries
    return image


def littlefs(
    size: int, files: dict[str, bytes] | None = None, block_size: int = 4096
) -> bytearray:
    """A littlefs image."""
    from littlefs import LittleFS

    fs = LittleFS(block_size=block_size, block_count=size // block_size)
    for name, content in (files or {}).items():
        with fs.open(name, "wb") as file:
            file.write(content)
    return bytearray(fs.context.buffer)


def write(path: Path, image: bytes) -> Path:
    """Put an image into a file."""
    path.write_bytes(image)
    return path
