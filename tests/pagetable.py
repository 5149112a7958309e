# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""The page tables of a running guest, read from outside through QEMU's monitor.

4-level paging, Intel SDM volume 3, 4.5. Nothing of the guest is asked: what this finds is what the
CPU does.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from guest import Guest

PRESENT, WRITE, LARGE, NX = 1, 1 << 1, 1 << 7, 1 << 63
ADDRESS = 0x000F_FFFF_FFFF_F000
CR0_WP, CR4_LA57, EFER_NXE = 1 << 16, 1 << 12, 1 << 11
SIZES = (1 << 39, 1 << 30, 1 << 21, 1 << 12)  # of a page at each level


@dataclass(frozen=True)
class Page:
    """One mapping. The rights are those of all levels together."""

    start: int
    size: int
    physical: int
    write: bool
    execute: bool

    @property
    def end(self) -> int:
        return self.start + self.size


def control_registers(guest: Guest) -> dict[str, int]:
    """CR0, CR3, CR4 and EFER."""
    text = guest.monitor("info registers")
    return {
        name: int(re.search(rf"\b{name}\s*=\s*([0-9a-f]+)", text)[1], 16)
        for name in ("CR0", "CR3", "CR4", "EFER")
    }


def pages(guest: Guest) -> list[Page]:
    """Every mapping, by address."""
    registers = control_registers(guest)
    assert not registers["CR4"] & CR4_LA57
    root = registers["CR3"] & ADDRESS
    return sorted(_walk(guest, root, 0, 0, True, True), key=lambda page: page.start)


def at(mappings: list[Page], address: int) -> Page | None:
    """The mapping of (address), or None."""
    return next((page for page in mappings if page.start <= address < page.end), None)


def _walk(
    guest: Guest, table: int, level: int, base: int, write: bool, execute: bool
) -> Iterator[Page]:
    for index, entry in enumerate(_read_table(guest, table)):
        if not entry & PRESENT:
            continue
        start = base + index * SIZES[level]
        if level == 0 and index >= 256:
            start |= 0xFFFF << 48
        writes = write and bool(entry & WRITE)
        executes = execute and not entry & NX
        if level == 3 or (level in (1, 2) and entry & LARGE):
            physical = entry & ADDRESS & ~(SIZES[level] - 1)
            yield Page(start, SIZES[level], physical, writes, executes)
        else:
            yield from _walk(guest, entry & ADDRESS, level + 1, start, writes, executes)


def _read_table(guest: Guest, physical: int) -> tuple[int, ...]:
    path = Path(guest.directory) / "table"
    guest.monitor(f'pmemsave {physical:#x} 4096 "{path}"')
    return struct.unpack("<512Q", path.read_bytes())
