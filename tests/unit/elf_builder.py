# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Makes small kernels for the host tests: the form of the real one, no toolchain, no code.

The layout is port/x86/kernel.ld's: zeros at 1 MiB in a segment of their own, then one loaded
segment with the Multiboot header first, and one note with the PVH entry.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

from importos import elf, kernel

BASE = 0x200000
TEXT_OFFSET = 0x1000

MODULES = {
    "builtin": ["__main__", "builtins", "gc", "micropython", "sys", "vfs"],
    "extensible": ["array", "asyncio_", "binascii", "io", "json", "machine", "os", "random", "re",
                   "select", "socket", "struct", "time", "tls", "hashlib", "collections"],
    "frozen": ["asyncio", "asyncio.core", "asyncio.stream", "_boot"],
}  # fmt: skip


def build(
    size: int = 0x2345,
    *,
    load_end: bool = False,
    symbols: tuple[tuple[str, int, int], ...] = (),
    mark: bytes = b"ImportOS x86_64\0",
    notes: int = 1,
    multiboot_flags: int = 1 << 16,
    machine: int = elf.EM_X86_64,
) -> bytes:
    """An ELF64 kernel whose loaded segment has (size) bytes."""
    note = struct.pack("<III4sI", 4, 4, elf.XEN_ELFNOTE_PHYS32_ENTRY, b"Xen\0", BASE + 0x40)
    body = bytearray(size)
    checksum = -(elf.MULTIBOOT_MAGIC + multiboot_flags) & 0xFFFFFFFF
    end = BASE + size if load_end else 0
    struct.pack_into("<IIIIIIII", body, 0, elf.MULTIBOOT_MAGIC, multiboot_flags, checksum,
                     BASE, BASE, end, end, BASE + 0x40)  # fmt: skip
    body[0x80 : 0x80 + len(note)] = note
    body[0x100 : 0x100 + len(mark)] = mark
    headers = [
        (elf.PT_LOAD, 6, 0, 0x100000, 0x100000, 0, 0x8000, 4096),
        (elf.PT_LOAD, 7, TEXT_OFFSET, BASE, BASE, size, size, 4096),
        *[(elf.PT_NOTE, 4, TEXT_OFFSET + 0x80, BASE + 0x80, BASE + 0x80, len(note), len(note), 4)]
        * notes,
    ]
    tail, shoff, shnum = _sections(TEXT_OFFSET + size, size, symbols)
    head = elf.EHDR.pack(elf.MAGIC, 2, 1, 1, 0, 2, machine, 1, BASE + 0x40, elf.EHDR.size, shoff,
                         0, elf.EHDR.size, elf.PHENTSIZE, len(headers), 64, shnum, 0)  # fmt: skip
    out = bytearray(head + b"".join(elf.PHDR.pack(*header) for header in headers))
    out += bytes(TEXT_OFFSET - len(out)) + body + tail
    return bytes(out)


def _sections(
    offset: int, size: int, symbols: tuple[tuple[str, int, int], ...]
) -> tuple[bytes, int, int]:
    """(bytes, e_shoff, e_shnum) of a symbol table behind the loaded part."""
    names, table = bytearray(b"\0"), bytearray(24)
    for name, address, length in symbols:
        table += struct.pack("<IBBHQQ", len(names), 0x12, 0, 1, address, length)
        names += name.encode() + b"\0"
    pad = -(offset + len(names)) % 8
    table_at = offset + len(names) + pad
    rows = [
        (0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        (0, 1, 6, BASE, TEXT_OFFSET, size, 0, 0, 16, 0),
        (0, 2, 0, 0, table_at, len(table), 3, 1, 8, 24),
        (0, 3, 0, 0, offset, len(names), 0, 0, 1, 0),
    ]
    headers = b"".join(struct.pack("<IIQQQQIIQQ", *row) for row in rows)
    return bytes(names + bytes(pad) + table) + headers, table_at + len(table), len(rows)


def meta(data: bytes, **changes: object) -> dict:
    """The kernel.json of a kernel that build() made."""
    told = {
        "schema": 1,
        "version": "0.1.0",
        "commit": "0123456789ab",
        "arch": "x86_64",
        "micropython": "1.26.1",
        "mpy": {"version": 6, "sub_version": 3, "arch": "x64", "small_int_bits": 63},
        "flags": "-O2",
        "modules": MODULES,
        "upstream": [{"name": "micropython", "version": "1.26.1", "sha256": "ab" * 32}],
        "size": len(data),
        "sha256": kernel.digest(elf.parse(data)),
        "memory_min": 1 << 20,
    }
    return told | changes


def write(folder: Path, **changes: object) -> Path:
    """kernel.elf and kernel.json in (folder); the path of the ELF."""
    data = build()
    path = folder / "kernel.elf"
    path.write_bytes(data)
    path.with_suffix(".json").write_text(json.dumps(meta(data, **changes)))
    return path
