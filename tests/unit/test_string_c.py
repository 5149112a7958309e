# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""The kernel's own memory and string functions, compiled here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not shutil.which("gcc"), reason="no C compiler")


@pytest.mark.parametrize("level", ["-O1", "-O2"])
def test_they_do_what_a_loop_over_bytes_does(tmp_path: Path, level: str) -> None:
    binary = tmp_path / "string_model"
    command = ["gcc", level, "-fno-builtin", "-fno-tree-loop-distribute-patterns"]
    command += ["-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'port/x86'}", "-o", str(binary)]
    subprocess.run([*command, str(ROOT / "tests/unit/c/string_model.c")], check=True)
    done = subprocess.run([binary], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
