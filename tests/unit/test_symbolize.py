# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Names for the addresses in a console log."""

from __future__ import annotations

import io
import sys

import elf_builder
import pytest

from importos import symbolize
from importos.elf import parse

BASE = elf_builder.BASE
SYMBOLS = (
    ("kmain", BASE + 0x100, 0x80),
    ("panic", BASE + 0x200, 0x40),
    ("label", BASE + 0x300, 0),
)
LOG = f"rip={BASE + 0x112:#x} rsp=0x123456789 rbx={BASE + 0x200:016x}\nat 0x{BASE + 0x190:x}\n"


def symbols() -> symbolize.Symbols:
    return symbolize.Symbols(symbolize.read_symbols(elf_builder.build(symbols=SYMBOLS)))


def test_code_addresses_get_a_name_and_others_do_not():
    assert symbols().annotate(LOG) == (
        f"rip={BASE + 0x112:#x} <kmain+0x12> rsp=0x123456789 "
        f"rbx={BASE + 0x200:016x} <panic+0x0>\nat 0x{BASE + 0x190:x}\n"
    )


def test_annotating_twice_changes_nothing():
    once = symbols().annotate(LOG)
    assert symbols().annotate(once) == once


def test_a_return_address_behind_the_last_call_belongs_to_the_caller():
    assert symbols().name(BASE + 0x180) == "kmain+0x80"
    assert symbols().name(BASE + 0x181) is None


def test_the_symbol_file_holds_all_symbols():
    found = symbolize.read_symbols(elf_builder.build(symbols=SYMBOLS))
    text = symbolize.write_symbols(found).decode()
    assert text.splitlines()[0] == f"{BASE + 0x100:x} 80 kmain"
    assert symbolize.parse_symbols(text) == found


def test_an_independent_reader_finds_the_same_symbols():
    from elftools.elf.elffile import ELFFile

    data = elf_builder.build(symbols=SYMBOLS)
    table = ELFFile(io.BytesIO(data)).get_section(2)
    found = {(s.name, s["st_value"], s["st_size"]) for s in table.iter_symbols() if s.name}
    assert found == {(s.name, s.address, s.size) for s in symbolize.read_symbols(data)}


@pytest.mark.parametrize("cut", [100, 64])
def test_a_cut_symbol_table_is_an_error_of_its_own(cut):
    data = elf_builder.build(symbols=SYMBOLS)
    parse(data)
    with pytest.raises(ValueError, match="symbol table"):
        symbolize.read_symbols(data[:-cut])


def test_the_command_reads_a_log_from_standard_input(command, folder, monkeypatch):
    root = folder({"kernel.elf": elf_builder.build(symbols=SYMBOLS)})
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LOG.encode())))
    result = command("importos", "symbolize", root / "kernel.elf")
    assert "<kmain+0x12>" in result.out


def test_an_image_is_named_by_the_symbols_of_its_kernel(command, folder, kernel_path):
    folder({"app.py": "", "log": LOG})
    path = kernel_path.with_suffix(".sym")
    path.write_bytes(symbolize.write_symbols([symbolize.Symbol(BASE + 0x100, 0x80, "kmain")]))
    try:
        command("mkimage", "-q", "app.py")
        assert "<kmain+0x12>" in command("importos", "symbolize", "app.elf", "--log", "log").out
    finally:
        path.unlink()
    assert command("importos", "symbolize", "--log", "log").code == 3
    assert "cannot be read: No such file" in command("importos", "symbolize", "no.elf").err
