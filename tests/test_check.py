# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""`make check` finds nothing, and the check of commit messages finds what it is for."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support import ROOT

sys.path.insert(0, str(ROOT / "tools/dev"))
import check
import check_commit


@pytest.mark.parametrize("name", [name for name in check.CHECKS if name != "commits"])
def test_check_finds_nothing(name):
    if name == "c-format" and not check.UNCRUSTIFY_CFG.is_file():
        pytest.skip("MICROPY_DIR= named another tree; the formatter's settings come from ours")
    if not (ROOT / ".git").exists():
        pytest.skip("git tells which files are the repository's, and this is no clone")
    assert list(check.CHECKS[name]()) == []


@pytest.mark.parametrize(
    "message",
    [
        "tools: Check commit messages.",
        "port/x86/{irq,lapic}: Count spurious interrupts.\n\nWhy.\n",
        "README, CHANGELOG: Say so.",
    ],
)
def test_a_good_message_passes(message):
    assert check_commit.problems(message) == []


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ("bad message", "the subject is not"),
        ("tools: no capital.", "the subject is not"),
        ("tools: No full stop", "the subject is not"),
        (f"tools: {'Long ' * 20}.", "characters, 72 are the limit"),
        ("tools: Good.\nbut no empty line", "no empty line"),
        (f"tools: Good.\n\n{'word ' * 20}", "a line of the body"),
        ("", "the message is empty"),
    ],
)
def test_a_bad_message_is_refused(message, problem):
    assert any(problem in found for found in check_commit.problems(message))


def test_the_hook_returns_a_failing_status(tmp_path):
    message = tmp_path / "message"
    message.write_text("bad message\n")
    script = ROOT / "tools/dev/check_commit.py"
    assert subprocess.run([sys.executable, script, message], check=False).returncode == 1
