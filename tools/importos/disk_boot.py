# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Disk images (.img) and discs (.iso) that a PC's BIOS boots: a loader, and the image's ELF file.

The loader, port/x86/bios, is at the start of both. A disc is an ISO 9660 file system (ECMA-119)
whose one file is the image, with a boot catalog (El Torito 1.0); it may also be written to a disk
or stick, where the loader at its start boots it. Nothing depends on the time.
"""

from __future__ import annotations

import struct
from pathlib import Path

from . import elf
from .errors import EXIT_ENVIRONMENT, failure

FORMATS = ("raw", "iso")
SECTOR = 512
BLOCK = 2048  # of a disc; the size of the loader too
CHUNK = 32 << 10  # what the loader reads at once: the file is filled up to that
DISK_MIN = 1 << 20  # less than a cylinder, 504 KiB, and SeaBIOS finds no first sector
MARK = b"ImportOD"
ORDER = struct.Struct("<8sIIII")  # the mark, offset, size, target, entry: load.S
PARTITIONS = 446  # where a boot sector has its table
PARTITION = struct.Struct("<B3sB3sII")
NOT_A_FILE_SYSTEM = 0xDA
BIG_ADDRESS = b"\xfe\xff\xff"  # cylinder, head and sector: beyond what they can tell

# Blocks of a disc, from 16 on as ECMA-119 has it.
VOLUME, BOOT_RECORD, TERMINATOR, PATHS_LITTLE, PATHS_BIG, ROOT, CATALOG, LOADER, FILE = range(
    16, 25
)
FILE_NAME = b"APP.ELF;1"


def make(image: bytes, format_: str) -> bytes:
    """A "raw" disk image or an "iso" with the (image), an ELF file. Raises ImageError M302."""
    offset = BLOCK if format_ == "raw" else FILE * BLOCK
    content = image + bytes(-len(image) % CHUNK)
    start = bytearray(_loader())
    at = start.index(MARK)
    ORDER.pack_into(start, at, MARK, offset, len(image), *_target(image))
    first, count = offset // SECTOR, len(content) // SECTOR
    PARTITION.pack_into(
        start, PARTITIONS, 0x80, BIG_ADDRESS, NOT_A_FILE_SYSTEM, BIG_ADDRESS, first, count
    )
    if format_ == "raw":
        return (bytes(start) + content).ljust(DISK_MIN, b"\0")
    blocks = FILE + len(content) // BLOCK
    head = bytearray(FILE * BLOCK)
    for block, data in (
        (0, start),
        (VOLUME, _volume(blocks)),
        (BOOT_RECORD, _descriptor(0, b"EL TORITO SPECIFICATION".ljust(64, b"\0"), _u32(CATALOG))),
        (TERMINATOR, _descriptor(255)),
        (PATHS_LITTLE, struct.pack("<BBIHBx", 1, 0, ROOT, 1, 0)),
        (PATHS_BIG, struct.pack(">BBIHBx", 1, 0, ROOT, 1, 0)),
        (ROOT, _folder(len(image))),
        (CATALOG, _catalog()),
        (LOADER, start),
    ):
        head[block * BLOCK : block * BLOCK + len(data)] = data
    return bytes(head) + content


def unwrap(data: bytes) -> bytes:
    """The ELF file in a disk image or disc of ours; other data as they are. Raises ElfError."""
    at = data.find(MARK, 0, BLOCK)
    if at < 0 or data[:4] == elf.MAGIC:
        return data
    _, offset, size, _, _ = ORDER.unpack_from(data, at)
    if offset + size > len(data):
        raise elf.ElfError(f"it is cut off: {offset + size - len(data)} bytes are missing")
    return data[offset : offset + size]


def format_of(path: Path) -> str:
    """What a file is by its start: "elf", "raw", "iso", or "" if it is none of ours."""
    try:
        with path.open("rb") as file:
            start = file.read(BLOCK)
    except OSError:
        return ""
    if start[:4] == elf.MAGIC:
        return "elf"
    at = start.find(MARK)
    if at < 0 or at + ORDER.size > BLOCK:
        return ""
    return "raw" if ORDER.unpack_from(start, at)[1] == BLOCK else "iso"


def _target(image: bytes) -> tuple[int, int]:
    """Where the first byte of the file goes, and where it is entered: by its Multiboot header."""
    at = elf.find_multiboot(image)
    fields = elf.MULTIBOOT.unpack_from(image, at)
    header, load, _, _, entry = fields[3:]
    return load - (at - (header - load)), entry


def _loader() -> bytes:
    where = Path(__file__).parent / "data/load.bin"
    try:
        return where.read_bytes()
    except OSError as error:
        raise failure(
            "M302",
            f"the program that loads images from disks cannot be read: {error.strerror}",
            file=str(where),
            exit_code=EXIT_ENVIRONMENT,
        ) from None


def _u32(value: int) -> bytes:
    return struct.pack("<I", value)


def _both16(value: int) -> bytes:
    """ECMA-119, 7.2.3: in both byte orders."""
    return struct.pack("<H", value) + struct.pack(">H", value)


def _both32(value: int) -> bytes:
    """ECMA-119, 7.3.3: in both byte orders."""
    return struct.pack("<I", value) + struct.pack(">I", value)


def _descriptor(kind: int, *fields: bytes) -> bytes:
    """A volume descriptor (ECMA-119, 8.1)."""
    return struct.pack("<B5sB", kind, b"CD001", 1) + b"".join(fields)


def _volume(blocks: int) -> bytes:
    """The primary volume descriptor (ECMA-119, 8.4) of a disc with so many (blocks)."""
    paths = _both32(10) + _u32(PATHS_LITTLE) + _u32(0) + struct.pack(">II", PATHS_BIG, 0)
    never = b"0" * 16 + b"\0"
    return _descriptor(
        1,
        b"\0" + b" " * 32 + b"IMPORTOS".ljust(32) + bytes(8) + _both32(blocks) + bytes(32),
        _both16(1) + _both16(1) + _both16(BLOCK) + paths,
        _record(b"\0", ROOT, BLOCK, folder=True),
        b" " * (4 * 128 + 3 * 37) + never * 4 + b"\1",
    )


def _record(name: bytes, block: int, size: int, folder: bool = False) -> bytes:
    """A directory record (ECMA-119, 9.1) without a date."""
    length = 33 + len(name) + (len(name) + 1) % 2
    record = struct.pack("<BB", length, 0) + _both32(block) + _both32(size) + bytes(7)
    record += struct.pack("<BBB", 2 * folder, 0, 0) + _both16(1)
    return (record + bytes([len(name)]) + name).ljust(length, b"\0")


def _folder(size: int) -> bytes:
    itself, parent = (_record(name, ROOT, BLOCK, folder=True) for name in (b"\0", b"\1"))
    return itself + parent + _record(FILE_NAME, FILE, size)


def _catalog() -> bytes:
    """El Torito: the validation entry, whose words add up to 0, and the default entry."""
    words = struct.pack("<BBH24s", 1, 0, 0, b"ImportOS"), b"\x55\xaa"
    total = sum(struct.unpack("<15H", b"".join(words)))
    entry = struct.pack("<BBHBBHI", 0x88, 0, 0, 0, 0, BLOCK // SECTOR, LOADER)
    return words[0] + struct.pack("<H", -total & 0xFFFF) + words[1] + entry
