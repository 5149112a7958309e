# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""What fixtures and tests share: where things are, and running the tools."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOGS = ROOT / "build/tests/logs"
KERNEL = ROOT / "build/kernel/kernel.elf"  # with symbols; the packaged one has none
# The long forms of tests that CI runs in part: with IMPORTOS_LONG=1 (tests/README.md).
LONG = os.environ.get("IMPORTOS_LONG", "0") not in ("", "0")
MULTIBOOT_MAGIC = (0x1BADB002).to_bytes(4, "little")
MULTIBOOT_SEARCH = 8192  # bytes from the start of a file in which the header must lie


def run_tool(*arguments: str | Path, **options) -> subprocess.CompletedProcess[str]:
    """`importos` with (arguments), as a process of its own."""
    command = [sys.executable, "-m", "importos", *map(str, arguments)]
    return subprocess.run(command, check=False, text=True, capture_output=True, **options)


def without_multiboot(image: Path) -> Path:
    """A copy of (image) beside it that can only be booted by PVH."""
    data = bytearray(image.read_bytes())
    at = data.index(MULTIBOOT_MAGIC, 0, MULTIBOOT_SEARCH)
    data[at : at + 4] = bytes(4)
    copy = image.with_suffix(".pvh.elf")
    copy.write_bytes(data)
    return copy
