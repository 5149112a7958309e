# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""The older MicroPython, which Debian's stable suite has, also builds and boots."""

from __future__ import annotations

import os
import subprocess

import pytest
from support import ROOT

TREE = ROOT / "build/upstream/micropython-fallback"


@pytest.mark.skipif(not TREE.is_dir(), reason=f"{TREE.relative_to(ROOT)} was not fetched")
@pytest.mark.timeout(600)
def test_the_fallback_builds_and_boots(boot, tmp_path):
    build = tmp_path / "kernel"
    command = [
        "make", "-C", "port/x86", "-j2", f"BUILD={build}", f"MICROPY_DIR={TREE}",
        f"LWIP_DIR={ROOT}/build/upstream/lwip", f"MBEDTLS_DIR={ROOT}/build/upstream/mbedtls",
    ]  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    result = subprocess.run(
        command, check=False, cwd=ROOT, text=True, capture_output=True, env=environment
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    guest = boot(build / "kernel.elf")
    guest.expect(r"MicroPython v1\.25\.0 ")
    guest.expect_text("\r\n>>> ")
    assert guest.run("2 ** 100") == str(2**100)
    guest.at_prompt = True
