# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Compressed images: a small program in front that unpacks the rest, and boots as an image does.

The image's file as it stands is packed, headers and all, so that unpacking gives the same bytes
again: `unpack()` for the tools, port/x86/unpack for the machine. Operands of calls and jumps are
made absolute first, because the same function is called from many places; then LZMA.
"""

from __future__ import annotations

import lzma
import re
import struct
from pathlib import Path

from . import elf
from .errors import EXIT_ENVIRONMENT, failure

BASE = 1 << 20  # where the program in front is loaded
HEADERS = 0xE0  # room for the ELF headers in front of it
MARK = b"ImportOZ"
# struct unpack_order: the mark, two entries; then what is filled in here: the packed data and its
# size, the target and its size, the kernel's entry, LZMA's properties, the scratch memory.
ORDER = struct.Struct("<8sIIIIIIIII")
NOTE = struct.Struct("<III4sQ")
LITERAL_BITS, LITERAL_POSITION_BITS, POSITION_BITS = 3, 0, 2
PROPERTIES = (POSITION_BITS * 5 + LITERAL_POSITION_BITS) * 9 + LITERAL_BITS
SCRATCH = 16 << 10  # struct model of unpack.c with LITERAL_BITS 3: 16,008 bytes
STACK = 1 << 10
CALL = re.compile(rb"[\xe8\xe9]")


def pack(image: bytes) -> bytes:
    """The compressed image. Raises ImageError M004 if it is too large for that."""
    kernel = elf.parse(image)
    packed = lzma.compress(_calls(image, True), lzma.FORMAT_RAW, filters=_filters(len(image)))
    front = bytearray(HEADERS) + _front()
    at = front.index(MARK)
    _, pvh_entry, entry, *_ = ORDER.unpack_from(front, at)
    # The file lies in memory as it is on the disk (_load_base), so its start goes before the code;
    # what is below, zeroed memory and stacks of the kernel, is free until it runs.
    target = _load_base(kernel)
    end = BASE + len(front) + len(packed)
    scratch = -(-(end + STACK) // 16) * 16
    if scratch + SCRATCH > target:
        raise failure(
            "M004",
            "the image is too large to be compressed: "
            f"{len(packed)} bytes do not fit below the kernel",
            hints=("leave --compress out, or put less into the image",),
        )
    (kernel_entry,) = struct.unpack_from("<Q", image, 24)
    ORDER.pack_into(front, at, MARK, pvh_entry, entry, BASE + len(front), len(packed), target,
                    len(image), kernel_entry, PROPERTIES, scratch)  # fmt: skip
    struct.pack_into("<II", front, at - 12, end, target + len(image))  # load_end, bss_end
    size = len(front) + len(packed)
    memory = target + len(image) - BASE
    note = HEADERS - NOTE.size
    headers = elf.EHDR.pack(elf.MAGIC, 2, 1, 1, 0, 2, elf.EM_X86_64, 1, entry, elf.EHDR.size, 0, 0,
                            elf.EHDR.size, elf.PHENTSIZE, 2, 0, 0, 0)  # fmt: skip
    headers += elf.PHDR.pack(elf.PT_LOAD, 7, 0, BASE, BASE, size, memory, elf.PAGE)
    headers += elf.PHDR.pack(
        elf.PT_NOTE, 4, note, BASE + note, BASE + note, NOTE.size, NOTE.size, 4
    )
    front[: len(headers)] = headers
    NOTE.pack_into(front, note, 4, 8, elf.XEN_ELFNOTE_PHYS32_ENTRY, b"Xen\0", pvh_entry)
    return bytes(front) + packed


def unpack(image: bytes) -> bytes:
    """What pack() was given; an image that is not compressed as it is. Raises ElfError."""
    at = image.find(MARK, HEADERS, 2 * elf.PAGE)
    if at < 0 or image[:4] != elf.MAGIC:
        return image
    try:
        _, _, _, packed, packed_size, _, size, _, _, _ = ORDER.unpack_from(image, at)
        data = image[packed - BASE : packed - BASE + packed_size]
        if len(data) != packed_size:
            raise elf.ElfError("it is cut off")
        plain = lzma.decompress(data, lzma.FORMAT_RAW, filters=_filters(size))
    except (struct.error, lzma.LZMAError) as error:
        raise elf.ElfError(f"its compressed part is damaged: {error}") from None
    if len(plain) != size:
        raise elf.ElfError("its compressed part is damaged")
    return _calls(plain, False)


def _filters(size: int) -> list[dict]:
    return [
        {
            "id": lzma.FILTER_LZMA1,
            "dict_size": max(1 << 16, 1 << (size - 1).bit_length()),
            "lc": LITERAL_BITS,
            "lp": LITERAL_POSITION_BITS,
            "pb": POSITION_BITS,
            "mode": lzma.MODE_NORMAL,
            "nice_len": 273,
            "mf": lzma.MF_BT4,
            "depth": 1000,
        }
    ]


def _calls(data: bytes, absolute: bool) -> bytes:
    """The operands behind E8 and E9 that lead into the data made absolute, or relative again."""
    out = bytearray(data)
    size, at = len(out), 0
    while (found := CALL.search(out, at)) and found.start() + 5 <= size:
        at = found.start()
        (value,) = struct.unpack_from("<i", out, at + 1)
        if absolute and -at <= value < size:
            value += at if value < size - at else -size
        elif not absolute and -at <= value < size:
            value += -at if value >= 0 else size
        struct.pack_into("<i", out, at + 1, value)
        at += 5
    return bytes(out)


def _load_base(kernel: elf.Kernel) -> int:
    """The address of the file's first byte, were it loaded in one piece."""
    bases = {s.paddr - s.offset for s in kernel.loads if s.filesz}
    if len(bases) != 1:
        raise elf.ElfError("its segments do not lie in memory as in the file")
    return bases.pop()


def _front() -> bytes:
    where = Path(__file__).parent / "data/unpack.bin"
    try:
        return where.read_bytes()
    except OSError as error:
        raise failure(
            "M302",
            f"the program that unpacks images cannot be read: {error.strerror}",
            file=str(where),
            exit_code=EXIT_ENVIRONMENT,
        ) from None
