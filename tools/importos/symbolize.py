# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Adds <function+offset> to the code addresses in a console log.

Symbols come from an ELF with a symbol table, or from `kernel.sym`: text, one symbol a line,
"address size name" with both numbers in hex, sorted by address.
"""

from __future__ import annotations

import bisect
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass

SHT_SYMTAB = 2
SECTION = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")
STT_CODE = (0, 2)  # NOTYPE (labels of boot.S) and FUNC
SHF_EXECINSTR = 4
ADDRESS = re.compile(r"\b0x([0-9a-fA-F]{5,16})\b(?! <)|\b([0-9a-f]{16})\b(?! <)")


@dataclass(frozen=True, slots=True, order=True)
class Symbol:
    """A function: its address, its size in bytes (0: unknown), its name."""

    address: int
    size: int
    name: str


class Symbols:
    """Functions by address."""

    def __init__(self, symbols: Iterable[Symbol]) -> None:
        self._symbols = sorted(symbols)
        self._addresses = [s.address for s in self._symbols]
        ends = [s.address + s.size for s in self._symbols]
        self._end = max(ends, default=0)

    def __len__(self) -> int:
        return len(self._symbols)

    def name(self, address: int) -> str | None:
        """ "function+0x12" for an address inside of a function, else None."""
        index = bisect.bisect_right(self._addresses, address) - 1
        if index < 0 or address > self._end:
            return None
        symbol = self._symbols[index]
        if symbol.size and address > symbol.address + symbol.size:  # a return address may be ==
            return None
        return f"{symbol.name}+{address - symbol.address:#x}"

    def annotate(self, text: str) -> str:
        """The text with <function+offset> behind every address that is one of code."""
        return ADDRESS.sub(self._annotate_match, text)

    def _annotate_match(self, match: re.Match) -> str:
        name = self.name(int(match[1] or match[2], 16))
        return f"{match[0]} <{name}>" if name else match[0]


def read_symbols(data: bytes) -> list[Symbol]:
    """The functions in an ELF64's symbol table, [] if it has none. Raises ValueError."""
    try:
        (shoff,) = struct.unpack_from("<Q", data, 40)
        shentsize, shnum, _ = struct.unpack_from("<HHH", data, 58)
        if not shoff or not shnum:
            return []
        if shentsize != SECTION.size:
            raise ValueError("odd section headers")
        sections = [SECTION.unpack_from(data, shoff + i * shentsize) for i in range(shnum)]
        return sorted(_symbols(data, sections))
    except (struct.error, IndexError) as error:
        raise ValueError(f"the symbol table cannot be read: {error}") from None


def _symbols(data: bytes, sections: list[tuple]) -> set[Symbol]:
    out = set()
    for _, kind, _, _, offset, size, link, _, _, _ in sections:
        if kind != SHT_SYMTAB:
            continue
        strings = sections[link][4]
        for at in range(offset, offset + size, SYMBOL.size):
            name, info, _, index, value, length = SYMBOL.unpack_from(data, at)
            if info & 15 not in STT_CODE or not name or not 0 < index < len(sections):
                continue
            if not sections[index][2] & SHF_EXECINSTR:
                continue
            end = data.index(b"\0", strings + name)
            out.add(Symbol(value, length, data[strings + name : end].decode("ascii", "replace")))
    return out


def write_symbols(symbols: Iterable[Symbol]) -> bytes:
    """The text of a kernel.sym."""
    lines = [f"{s.address:x} {s.size:x} {s.name}\n" for s in sorted(symbols)]
    return "".join(lines).encode()


def parse_symbols(text: str) -> list[Symbol]:
    """The symbols of a kernel.sym. Raises ValueError."""
    out = []
    for line in text.splitlines():
        address, size, name = line.split(None, 2)
        out.append(Symbol(int(address, 16), int(size, 16), name))
    return out
