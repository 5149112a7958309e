# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Memory protection, seen from outside: nothing is writable and executable, guards are absent."""

from __future__ import annotations

import pagetable
import pytest
from elftools.elf.elffile import ELFFile
from support import KERNEL

STACKS = ("main", "irq", "fault", "double_fault", "nmi")


@pytest.fixture(scope="module")
def symbols() -> dict[str, int]:
    with KERNEL.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        return {symbol.name: symbol["st_value"] for symbol in table.iter_symbols()}


@pytest.fixture
def mapped(guest) -> list[pagetable.Page]:
    """The mappings after native code has run, which needs executable memory."""
    guest.exec(
        "import micropython\n@micropython.native\ndef f(x):\n    return x + 1\n"
        "assert f(1) == 2\n"
        "@micropython.viper\ndef g(x: int) -> int:\n    return x + 2\nassert g(1) == 3\n"
    )
    return pagetable.pages(guest)


def test_no_page_is_writable_and_executable(mapped):
    assert len(mapped) > 10
    assert [page for page in mapped if page.write and page.execute] == []


def test_no_writable_page_is_executable_at_another_address_but_the_native_pool(mapped, symbols):
    writable = [p for p in mapped if p.write]
    doubly = {
        x.physical
        for x in mapped
        if x.execute
        for w in writable
        if w.physical < x.physical + x.size and x.physical < w.physical + w.size
    }
    text = range(symbols["text_start"], symbols["text_end"])
    assert not [address for address in doubly if address in text]


def test_page_0_is_absent(mapped):
    assert pagetable.at(mapped, 0) is None


def test_text_is_read_only_and_data_not_executable(mapped, symbols):
    for address in range(symbols["text_start"], symbols["text_end"], 4096):
        page = pagetable.at(mapped, address)
        assert page.execute
        assert not page.write
    for address in range(symbols["text_end"], symbols["rodata_end"], 4096):
        page = pagetable.at(mapped, address)
        assert not page.execute
        assert not page.write
    assert not pagetable.at(mapped, symbols["bss_start"]).execute
    assert not pagetable.at(mapped, symbols["main_stack_top"] - 8).execute


@pytest.mark.parametrize("stack", STACKS)
def test_there_is_a_guard_page_under_each_stack(mapped, symbols, stack):
    bottom = symbols[f"{stack}_stack_bottom"]
    assert pagetable.at(mapped, bottom - 1) is None
    assert pagetable.at(mapped, bottom) is not None
    assert pagetable.at(mapped, symbols[f"{stack}_stack_top"] - 1) is not None


@pytest.mark.parametrize("cpu", ["qemu64", "max"])
def test_protection_is_switched_on(boot, repl_image, cpu):
    guest = boot(repl_image, cpu=cpu)
    guest.prompt()
    registers = pagetable.control_registers(guest)
    assert registers["CR0"] & pagetable.CR0_WP
    assert registers["EFER"] & pagetable.EFER_NXE
    guest.at_prompt = True


@pytest.mark.parametrize(
    "code",
    [
        "def f(): return f()\nf()",
        "def f():\n    yield from f()\nfor x in f(): pass",
        "a = []\nfor i in range(100000): a = [a]\nprint(a)",
        "a = []\na.append(a)\nb = []\nb.append(b)\na == b",
        "d = {}\nd[0] = d\ne = {}\ne[0] = e\nd == e",
        "x = 0\nfor i in range(100000): x = map(lambda y: y, x) if x else iter([1])\nnext(x)",
        "eval('(' * 5000 + ')' * 5000)",
    ],
    ids=["function", "generator", "repr", "list-eq", "dict-eq", "map", "parser"],
)
def test_deep_recursion_is_an_exception_not_a_crash(guest, code):
    guest.exec(
        f"try:\n exec({code!r}, {{}})\n print('no error')\n"
        "except (RuntimeError, MemoryError) as e:\n print(type(e))\n"
    )
    assert guest.run("6 * 7") == "42"


def test_a_thousand_soft_resets_leak_nothing(guest):
    def free() -> int:
        return int(guest.exec("import gc; gc.collect(); print(gc.mem_free())"))

    def reset() -> None:
        guest.send("\x04")
        guest.expect_text("soft reboot")
        guest.prompt()

    reset()
    before = free()
    for _ in range(1000):
        reset()
    assert free() == before
