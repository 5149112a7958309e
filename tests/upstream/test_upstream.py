# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""MicroPython's own tests pass, but for those that exclusions.txt gives a reason for."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from importos import kernel

from . import exclusions, runner, suites

ROOT = Path(__file__).resolve().parents[2]
UPSTREAM = Path(os.environ.get("MICROPY_DIR") or ROOT / "build/upstream/micropython").resolve()
SETUP = runner.Setup(UPSTREAM, kernel.DATA / "kernel.elf", ROOT / "build/tests/upstream/pytest")
CHUNKS = suites.choose(SETUP, everything=False, only=[], tests=[])


@pytest.mark.timeout(900)
@pytest.mark.parametrize("chunk", CHUNKS, ids=lambda chunk: chunk.name)
def test_upstream_tests(chunk: runner.Chunk) -> None:
    (SETUP.work / "logs").mkdir(parents=True, exist_ok=True)
    tree = SETUP.work / chunk.name
    shutil.rmtree(SETUP.work / "results" / chunk.name, ignore_errors=True)
    runner.make_tree(UPSTREAM, tree)
    outcome = suites.run(SETUP, tree, chunk)
    shutil.rmtree(tree)
    wrong = exclusions.judge(exclusions.read(), {chunk.suite.name: outcome.results})
    assert not wrong, "\n".join([*outcome.remarks, *wrong])
    assert set(outcome.results) == set(chunk.tests)


def test_there_are_tests() -> None:
    assert sum(len(chunk.tests) for chunk in CHUNKS) > 900


def test_exclusions_name_tests_that_exist() -> None:
    for exclusion in exclusions.read():
        names = UPSTREAM.glob(f"tests/{exclusion.pattern}")
        assert any(names), f"there is no {exclusion.pattern}"


def test_the_judge_finds_what_is_wrong() -> None:
    listed = exclusions.parse("skip * a/x.py no x\nfail native a/*.py no y\n")
    good = {"bytecode": {"a/x.py": "skip", "a/y.py": "pass"}, "native": {"a/y.py": "fail"}}
    assert exclusions.judge(listed, good) == []
    for suite, test, status in (
        ("bytecode", "a/x.py", "pass"),
        ("bytecode", "a/x.py", "fail"),
        ("bytecode", "a/y.py", "fail"),
        ("bytecode", "a/y.py", "skip"),
        ("native", "a/y.py", "pass"),
    ):
        assert len(exclusions.judge(listed, {suite: {test: status}})) == 1


@pytest.mark.parametrize("text", ["skip * a/x.py", "pass * a/x.py because", "because"])
def test_exclusions_without_a_reason_are_refused(text: str) -> None:
    with pytest.raises(exclusions.ExclusionError):
        exclusions.parse(text)
