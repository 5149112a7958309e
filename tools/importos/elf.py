# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""The kernel's ELF64 file: checks it, cuts it, appends the payload, finds the payload again.

ELF-64 Object File Format 1.5, Multiboot 0.6.96 section 3.1, Xen's PVH boot ABI. Read with
`struct`, because this is on the way of every build; symbols are symbolize.py's.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise

PAGE = 4096
MAGIC = b"\x7fELF"
EM_X86_64 = 62
PT_LOAD = 1
PT_NOTE = 4
PHENTSIZE = 56
PHNUM_MAX = 64
EHDR = struct.Struct("<4sBBBB8xHHIQQQIHHHHHH")  # 64 bytes
PHDR = struct.Struct("<IIQQQQQQ")  # 56 bytes
ADDRESS_MAX = 1 << 32  # 32-bit entry: everything is loaded below 4 GiB

MULTIBOOT_MAGIC = 0x1BADB002
MULTIBOOT_ADDRESSES = 1 << 16  # the header's address fields are valid
MULTIBOOT_SEARCH = 8192  # the header is within the first bytes of the file
MULTIBOOT = struct.Struct("<IIIIIIII")
XEN_ELFNOTE_PHYS32_ENTRY = 18

MARK = b"ImportOS"  # the payload's magic, which the kernel compares with


class ElfError(ValueError):
    """The file is not a kernel we can use; the text says why."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A program header. Offsets and sizes are in bytes; (index) is its place in the table."""

    index: int
    type: int
    flags: int
    offset: int
    vaddr: int
    paddr: int
    filesz: int
    memsz: int
    align: int


@dataclass(frozen=True, slots=True)
class Kernel:
    """A checked kernel file. (data) is whole; (last) is the highest PT_LOAD."""

    data: bytes
    phoff: int
    segments: tuple[Segment, ...]
    last: Segment
    multiboot: int  # file offset of the Multiboot header

    @property
    def loads(self) -> list[Segment]:
        """The segments that take memory."""
        return [s for s in self.segments if s.type == PT_LOAD and s.memsz]

    @property
    def payload_offset(self) -> int:
        """Where in the file a payload begins: the first page boundary behind the last byte."""
        end = self.last.paddr + self.last.filesz
        return self.last.offset + (-(-end // PAGE) * PAGE - self.last.paddr)

    @property
    def memory_end(self) -> int:
        """The first physical address that the loaded file does not take."""
        return max(s.paddr + s.memsz for s in self.loads)

    @property
    def size(self) -> int:
        """Bytes of the file that belong to the kernel once it is cut."""
        return self.last.offset + self.last.filesz


def parse(data: bytes) -> Kernel:
    """Check that (data) is a kernel of ours and tell where things are. Raises ElfError."""
    phoff, phnum = _check_header(data)
    segments = tuple(_segments(data, phoff, phnum))
    loads = [s for s in segments if s.type == PT_LOAD and s.memsz]
    if not loads:
        raise ElfError("it has no loadable segment")
    last = max(loads, key=lambda s: s.paddr)
    _check_loads(loads, last)
    _check_pvh(data, segments)
    multiboot = find_multiboot(data)
    if MARK not in data:
        raise ElfError("it is a bootable kernel, but not ImportOS: it would not find the app")
    return Kernel(data, phoff, segments, last, multiboot)


def _check_header(data: bytes) -> tuple[int, int]:
    if data[:4] != MAGIC:
        raise ElfError("it is not an ELF file")
    if len(data) < EHDR.size:
        raise ElfError(f"it is cut off: {len(data)} bytes are less than an ELF header")
    fields = EHDR.unpack_from(data)
    elf_class, byte_order = fields[1], fields[2]
    if elf_class != 2 or byte_order != 1:
        raise ElfError("it is not a 64-bit little-endian ELF file")
    kind, machine = fields[5], fields[6]
    if machine != EM_X86_64:
        raise ElfError(f"it is for machine {machine}, not for x86-64 ({EM_X86_64})")
    if kind != 2:
        raise ElfError("it is not a statically linked executable")
    phoff, phentsize, phnum = fields[9], fields[13], fields[14]
    if phentsize != PHENTSIZE or not 0 < phnum <= PHNUM_MAX:
        raise ElfError(f"its program headers are odd: {phnum} of {phentsize} bytes")
    if phoff < EHDR.size or phoff + phnum * PHENTSIZE > len(data):
        raise ElfError("its program headers lie outside the file")
    return phoff, phnum


def _segments(data: bytes, phoff: int, phnum: int) -> list[Segment]:
    out = []
    for index in range(phnum):
        kind, flags, offset, vaddr, paddr, filesz, memsz, align = PHDR.unpack_from(
            data, phoff + index * PHENTSIZE
        )
        segment = Segment(index, kind, flags, offset, vaddr, paddr, filesz, memsz, align)
        if kind in (PT_LOAD, PT_NOTE) and offset + filesz > len(data):
            missing = offset + filesz - len(data)
            raise ElfError(f"it is cut off: segment {index} misses {missing} bytes")
        out.append(segment)
    return out


def _check_loads(loads: list[Segment], last: Segment) -> None:
    for segment in loads:
        if segment.filesz > segment.memsz:
            raise ElfError(f"segment {segment.index} is larger in the file than in memory")
        if segment.paddr < 0x100000 or segment.paddr + segment.memsz > ADDRESS_MAX:
            raise ElfError(f"segment {segment.index} is not between 1 MiB and 4 GiB")
    ordered = sorted(loads, key=lambda s: s.paddr)
    for lower, upper in pairwise(ordered):
        if lower.paddr + lower.memsz > upper.paddr:
            raise ElfError(f"segments {lower.index} and {upper.index} overlap")
    if last.filesz != last.memsz:
        raise ElfError("its highest segment ends in zeros: nothing can be appended to it")
    if any(s.offset + s.filesz > last.offset + last.filesz for s in loads if s.filesz):
        raise ElfError("its highest segment is not the last one in the file")


def _check_pvh(data: bytes, segments: tuple[Segment, ...]) -> None:
    notes = [s for s in segments if s.type == PT_NOTE]
    if len(notes) != 1:
        raise ElfError(f"it has {len(notes)} PT_NOTE segments; PVH wants exactly one")
    note = notes[0]
    if note.filesz < 16:
        raise ElfError("its note is too short for a PVH entry")
    namesz, _, kind = struct.unpack_from("<III", data, note.offset)
    if kind != XEN_ELFNOTE_PHYS32_ENTRY or namesz != 4 or data[note.offset + 12 :][:4] != b"Xen\0":
        raise ElfError("its note is not a PVH entry")


def find_multiboot(data: bytes) -> int:
    """File offset of the Multiboot header, which must carry address fields."""
    limit = min(MULTIBOOT_SEARCH, len(data) - MULTIBOOT.size + 1)
    for offset in range(0, limit, 4):
        magic, flags, checksum = struct.unpack_from("<III", data, offset)
        if magic == MULTIBOOT_MAGIC and (magic + flags + checksum) & 0xFFFFFFFF == 0:
            if not flags & MULTIBOOT_ADDRESSES:
                raise ElfError("its Multiboot header has no address fields")
            return offset
    raise ElfError("it has no Multiboot header in its first 8 KiB")


def append(kernel: Kernel, payload: bytes) -> bytes:
    """The bootable file: the kernel cut behind its last segment, padded to a page, (payload).

    The last segment grows over the payload, the section headers are gone, and the Multiboot
    header's load end grows too, if it names one. An empty payload gives the bare, cut kernel.
    """
    start = kernel.payload_offset
    out = bytearray(kernel.data[: kernel.size])
    out += bytes(start - len(out))
    out += payload
    size = len(out) - kernel.last.offset
    if kernel.last.paddr + size > ADDRESS_MAX:
        raise ElfError("the image would end above 4 GiB")
    at = kernel.phoff + kernel.last.index * PHENTSIZE
    struct.pack_into("<QQ", out, at + 32, size, size)
    struct.pack_into("<Q", out, 40, 0)  # e_shoff
    struct.pack_into("<HH", out, 60, 0, 0)  # e_shnum, e_shstrndx
    end = kernel.last.paddr + size
    load_end, bss_end = struct.unpack_from("<II", out, kernel.multiboot + 20)
    if load_end:
        struct.pack_into("<I", out, kernel.multiboot + 20, end)
    if bss_end:
        struct.pack_into("<I", out, kernel.multiboot + 24, max(bss_end, end))
    return bytes(out)


def split(image: bytes) -> tuple[Kernel, int]:
    """The kernel half of an image, and the offset of its payload. Raises ElfError.

    The payload's magic is looked for at page boundaries of the last segment, from its end: the
    size that its header states must reach exactly to the end of the segment.
    """
    kernel = parse(image)
    last = kernel.last
    end = last.offset + last.filesz
    first = last.offset + (-last.paddr % PAGE)
    for offset in range(first + (end - first) // PAGE * PAGE, first - 1, -PAGE):
        if image[offset : offset + len(MARK)] == MARK and offset + 24 <= end:
            (size,) = struct.unpack_from("<Q", image, offset + 16)
            if offset + size == end:
                return kernel, offset
    raise ElfError("it has no payload: it is a bare kernel, or it was cut off or changed")


def kernel_part(image: bytes, payload_offset: int) -> bytes:
    """The cut, padded kernel of an image, the same bytes whatever was appended to it."""
    kernel = parse(image)
    last = kernel.last
    cut = bytearray(image[:payload_offset])
    size = payload_offset - last.offset
    at = kernel.phoff + last.index * PHENTSIZE
    struct.pack_into("<QQ", cut, at + 32, size, size)
    load_end, bss_end = struct.unpack_from("<II", cut, kernel.multiboot + 20)
    for at, value in ((20, load_end), (24, bss_end)):
        if value and value == load_end:
            struct.pack_into("<I", cut, kernel.multiboot + at, last.paddr + size)
    return bytes(cut)
