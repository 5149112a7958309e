# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Upstream's tests that do not fit a board's prompt pass as the app of an image: run-tests.py
leaves one out there, and the other is not over before the machine ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = Path(os.environ.get("MICROPY_DIR") or ROOT / "build/upstream/micropython") / "tests"


@pytest.mark.parametrize("name", ["basics/exception_chain.py", "misc/sys_atexit.py"])
def test_passes_as_an_app(boot, build_image, name):
    guest = boot(build_image(TESTS / name))
    assert guest.status().code == 0
    said = guest.log_path.read_text(encoding="utf-8").replace("\r\n", "\n")
    assert said == (TESTS / f"{name}.exp").read_text(encoding="utf-8")
