# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""The same input makes the same bytes."""

from __future__ import annotations

import os
import shutil

from support import ROOT, run_tool


def test_two_builds_of_an_image_are_the_same(tmp_path):
    images = []
    for name, umask in (("one", 0o022), ("a/second/place", 0o077)):
        directory = tmp_path / name
        directory.mkdir(parents=True)
        app = directory / "app.py"
        shutil.copy(ROOT / "examples/hello.py", app)
        os.utime(app, (1_000_000_000 + umask, 1_000_000_000 + umask))
        before = os.umask(umask)
        try:
            result = run_tool("build", app, cwd=directory)
        finally:
            os.umask(before)
        assert result.returncode == 0, result.stderr
        images.append((directory / "app.elf").read_bytes())
    assert images[0] == images[1]


def test_the_kernel_names_no_directory_of_this_machine():
    data = (ROOT / "tools/importos/data/kernel.elf").read_bytes()
    assert str(ROOT).encode() not in data
