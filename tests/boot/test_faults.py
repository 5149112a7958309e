# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Every exception of the CPU ends in a report and a failing status: no hang, no silent reset.

The faulting instructions are put into a built-in function from outside, through QEMU's gdb stub,
and Python calls it: the kernel needs no code for tests. Two exceptions cannot happen to code in
ring 0 of long mode: #TS (no task switch, no change of ring) and #AC (only checked in ring 3).
"""

from __future__ import annotations

import re

import pytest
from gdbstub import GdbStub

PANIC_STATUS = 125
NON_CANONICAL = "0000000000000080"  # little-endian immediate: 0x8000000000000000
VICTIM = "gc.isenabled"


def victim_address(guest) -> int:
    """The address of the code behind the built-in VICTIM."""
    return int(guest.exec(f"import gc, machine\nprint(machine.mem32[id({VICTIM}) + 8])"))


def call_code(guest, code: str) -> None:
    """Let Python call a function that consists of the instructions (code), in hex."""
    address = victim_address(guest)
    guest.exec(f"def inner():\n    {VICTIM}()\n\ndef outer():\n    inner()\n")
    with GdbStub(guest.gdb_path) as gdb:
        gdb.write(address, bytes.fromhex(code))
    guest.send("outer()\r")


def assert_report(guest, reason: str, *, python: bool = True) -> str:
    """The guest reports (reason), a regular expression, and leaves; returns the report."""
    status = guest.status()
    log = guest.log_text()
    at = log.find("panic: ")
    assert at >= 0, f"no panic; left with {status}"
    report = log[at:].replace("\r\n", "\n")
    assert re.match(f"panic: {reason}", report), report
    assert re.search(r"^  rax [0-9a-f]{16} ", report, re.MULTILINE), report
    assert "called from: 0x" in report, report
    if python:
        assert re.search(r'File "<stdin>", line 2, in inner', report), report
        assert re.search(r'File "<stdin>", line 5, in outer', report), report
    assert status.code == PANIC_STATUS
    assert status.reason != "guest-reset"
    return report


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        pytest.param(r"divide error \(#DE\)", "31c9 f7f1", id="DE"),
        # Set the trap flag; the instruction behind the next one is not reached.
        pytest.param(r"debug \(#DB\)", "9c 48810c2400010000 9d 90 90", id="DB"),
        pytest.param(r"breakpoint \(#BP\)", "cc", id="BP"),
        pytest.param(r"overflow \(#OF\)", "cd04", id="OF"),
        pytest.param(r"bound range exceeded \(#BR\)", "cd05", id="BR"),
        pytest.param(r"invalid opcode \(#UD\)", "0f0b", id="UD"),
        # Set CR0.TS, then use the x87.
        pytest.param(r"device not available \(#NM\)", "0f20c0 83c808 0f22c0 d9ee", id="NM"),
        pytest.param(r"general protection \(#GP\)", f"48b8 {NON_CANONICAL} 8a00", id="GP"),
        # Unmask the division by zero, divide 1 by 0, wait.
        pytest.param(
            r"x87 floating point \(#MF\)", "dbe3 687b030000 d92c24 d9e8 d9ee def9 9b", id="MF"
        ),
        pytest.param(r"SIMD floating point \(#XM\)", "cd13", id="XM"),
        # xor eax, eax; call rax
        pytest.param(r"page fault \(#PF\) executing 0x0 .*null", "31c0 ffd0", id="PF-exec"),
        # push rax; jmp back to it
        pytest.param(r"page fault \(#PF\) writing .*main stack overflow", "50 ebfd", id="stack"),
    ],
)
def test_an_exception_is_reported(guest, reason, code):
    call_code(guest, code)
    assert_report(guest, reason)


@pytest.mark.parametrize(
    ("reason", "load"),
    [
        pytest.param(r"segment not present \(#NP\)", "8ee0", id="NP"),  # mov fs, eax
        pytest.param(r"stack fault \(#SS\)", "8ed0", id="SS"),  # mov ss, eax
    ],
)
def test_a_segment_that_is_not_present_is_reported(guest, reason, load):
    gdt = table_base(guest, "GDT")
    address = victim_address(guest)
    guest.exec(f"def inner():\n    {VICTIM}()\n\ndef outer():\n    inner()\n")
    with GdbStub(guest.gdb_path) as gdb:
        # The upper half of the task state's descriptor is not read again: make a data segment of
        # it that is not present, then load a register with its selector.
        gdb.write(gdt + 0x20, (0x00CF12000000FFFF).to_bytes(8, "little"))
        gdb.write(address, bytes.fromhex("b820000000" + load))
    guest.send("outer()\r")
    assert_report(guest, reason)


def test_a_double_fault_is_reported(guest):
    # A general protection fault whose own entry is not present: the second fault is #DF.
    idt = table_base(guest, "IDT")
    address = victim_address(guest)
    guest.exec(f"def inner():\n    {VICTIM}()\n\ndef outer():\n    inner()\n")
    with GdbStub(guest.gdb_path) as gdb:
        gdb.write(idt + 13 * 16 + 5, b"\x0e")
        gdb.write(address, bytes.fromhex(f"48b8 {NON_CANONICAL} 8a00"))
    guest.send("outer()\r")
    assert_report(guest, r"double fault \(#DF\)")


def table_base(guest, name: str) -> int:
    return int(re.search(rf"{name}=\s*([0-9a-f]+)", guest.monitor("info registers"))[1], 16)


def test_a_non_maskable_interrupt_is_reported(guest):
    guest.monitor("nmi")
    assert_report(guest, r"non-maskable interrupt \(NMI\)", python=False)


def test_a_machine_check_is_reported(guest):
    # Bank 0; valid, uncorrected, enabled, context corrupt; machine check in progress.
    guest.monitor("mce 0 0 0xb200000000000000 0x4 0x0 0x0")
    assert_report(guest, r"machine check \(#MC\)", python=False)


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        (r"page fault \(#PF\) reading 0x0 \(not mapped\): null pointer", "machine.mem8[0]"),
        (r"page fault \(#PF\) writing 0x8 \(not mapped\): null", "machine.mem8[8] = 1"),
        (
            r"page fault \(#PF\) writing 0x[0-9a-f]+ \(not allowed\)",
            "machine.mem8[machine.mem32[id(gc.isenabled) + 8]] = 1",
        ),
        (r"page fault \(#PF\) writing", "machine.mem8[id(gc.isenabled)] = 1"),
        (r"page fault \(#PF\) reading 0x[0-9a-f]+ \(not mapped\)", "machine.mem8[1 << 46]"),
        (r"general protection \(#GP\)", "machine.mem8[1 << 62]"),
    ],
    ids=["null-read", "null-write", "text-write", "rodata-write", "unmapped", "non-canonical"],
)
def test_a_wrong_address_from_python_is_reported(guest, reason, line):
    guest.exec(f"import gc, machine\ndef inner():\n    {line}\n\ndef outer():\n    inner()\n")
    guest.send("outer()\r")
    report = assert_report(guest, reason, python=False)
    assert re.search(r'File "<stdin>", line 3, in inner', report), report


def test_the_heap_is_not_executable(guest):
    address = int(
        guest.exec("import uctypes\nb = bytearray(b'\\xc3' * 64)\nprint(uctypes.addressof(b))")
    )
    call_code(guest, f"48b8 {address.to_bytes(8, 'little').hex()} ffe0")
    assert_report(
        guest, rf"page fault \(#PF\) executing {address:#x} \(not allowed\)", python=False
    )


def test_a_fault_in_the_report_does_not_hang(guest):
    # The report reads the stack: with a wild stack pointer it must still end.
    call_code(guest, f"48bc {NON_CANONICAL} 0f0b")
    assert_report(guest, r"invalid opcode \(#UD\)", python=False)
