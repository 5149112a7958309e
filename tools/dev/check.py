#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Every check that needs no machine to boot: `make check` runs all, `check.py NAME...` some.

format, lint, spelling, C format and complexity by their tools; heads and sizes of files, and the
messages of the commits, by the functions below. Prints nothing for a check that passes.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import check_commit

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
FILE_LINES = 500
FUNCTION_LINES = 70
COMPLEXITY = 15
UNCRUSTIFY_CFG = ROOT / "build/upstream/micropython/tools/uncrustify.cfg"
CODE = {".c", ".h", ".S", ".ld", ".py", ".pyi", ".sh", ".mk", ".toml", ".yaml"}
NOT_C = {"qstrdefsport.h"}  # a list of Q(/path) that only looks like C
# Files whose form is given from elsewhere, or that hold a user's program as a user writes it.
HEADLESS = ("examples/", "tests/apps/", "tests/bench/apps/", "tests/target/", "tests/unit/data/")


def tracked(*suffixes: str) -> list[Path]:
    """The files of the repository that end so, without those that git ignores."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    out = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = (ROOT / line for line in out.splitlines())
    return [p for p in paths if p.is_file() and (not suffixes or p.suffix in suffixes)]


def tool(*command: str) -> Iterator[str]:
    """The output of a tool of the virtual environment, when it fails."""
    argv = [str(BIN / command[0]), *command[1:]]
    result = subprocess.run(argv, cwd=ROOT, text=True, capture_output=True)
    if result.returncode != 0:
        yield from (result.stdout + result.stderr).strip().splitlines()


def check_format() -> Iterator[str]:
    yield from tool("ruff", "format", "--check", "--quiet", "--diff", ".")


def check_lint() -> Iterator[str]:
    yield from tool("ruff", "check", "--quiet", ".")


def check_spelling() -> Iterator[str]:
    yield from tool("codespell", *(str(path.relative_to(ROOT)) for path in tracked()))


def check_complexity() -> Iterator[str]:
    sources = [str(path.relative_to(ROOT)) for path in tracked(".c")]
    yield from tool(
        "lizard", "-l", "c", "-L", str(FUNCTION_LINES), "-C", str(COMPLEXITY), "-w", *sources
    )


def check_c_format() -> Iterator[str]:
    """MicroPython's formatter with MicroPython's settings changes nothing."""
    config = UNCRUSTIFY_CFG
    if not config.is_file():
        yield f"{config.relative_to(ROOT)} is not there: run `make kernel` first"
        return
    for path in tracked(".c", ".h"):
        if path.name in NOT_C:
            continue
        argv = [str(BIN / "uncrustify"), "-q", "-c", str(config), "-l", "C", "-f", str(path)]
        result = subprocess.run(argv, text=True, capture_output=True)
        if result.returncode != 0 or result.stdout != path.read_text("utf-8"):
            yield f"{path.relative_to(ROOT)}: uncrustify -c {config.relative_to(ROOT)} changes it"
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if len(line) > 99:
                yield f"{path.relative_to(ROOT)}:{number}: {len(line)} columns, 99 are the limit"


def check_heads() -> Iterator[str]:
    """Each file begins with its licence and its owner."""
    for path in tracked():
        name = str(path.relative_to(ROOT))
        if name.startswith(HEADLESS) or not (path.suffix in CODE or path.name == "Makefile"):
            continue
        head = path.read_text("utf-8").split("\n", 5)[:5]
        for tag in ("SPDX-License-Identifier: MIT", "SPDX-FileCopyrightText: "):
            if not any(tag in line for line in head):
                yield f"{name}: no {tag} in the first lines"


def check_sizes() -> Iterator[str]:
    for path in tracked():
        if path.suffix in CODE or path.name == "Makefile":
            lines = path.read_text("utf-8").count("\n")
            if lines > FILE_LINES:
                yield f"{path.relative_to(ROOT)}: {lines} lines, {FILE_LINES} are the limit"


def check_commits() -> Iterator[str]:
    """The commits that main does not have yet: those can still be put right."""
    command = ["git", "for-each-ref", "--format=^%(refname)", "refs/heads/main", "refs/remotes"]
    merged = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name, message in check_commit.log(f"HEAD {' '.join(merged.split())}"):
        for problem in check_commit.problems(message):
            yield f"{name}: {problem}"


CHECKS: dict[str, Callable[[], Iterator[str]]] = {
    "format": check_format,
    "lint": check_lint,
    "spelling": check_spelling,
    "complexity": check_complexity,
    "c-format": check_c_format,
    "heads": check_heads,
    "sizes": check_sizes,
    "commits": check_commits,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        print(f"no check called {unknown[0]}; there are: {' '.join(CHECKS)}", file=sys.stderr)
        return 2
    failed = 0
    for name in names or CHECKS:
        problems = list(CHECKS[name]())
        for problem in problems:
            print(f"{name}: {problem}")
        failed |= bool(problems)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
