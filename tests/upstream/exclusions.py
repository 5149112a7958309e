# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""The tests that do not pass here, each with its reason: exclusions.txt, read and applied."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("exclusions.txt")
KINDS = ("skip", "fail")


class ExclusionError(Exception):
    """exclusions.txt is not in its form."""


@dataclass(frozen=True)
class Exclusion:
    """One line: (kind) of result expected of the tests like (pattern) in suites like (suite)."""

    kind: str
    suite: str
    pattern: str
    reason: str


def parse(text: str) -> list[Exclusion]:
    """The lines of exclusions.txt. Raises ExclusionError."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split(None, 3)
        if len(words) < 4 or words[0] not in KINDS:
            raise ExclusionError(f"line {number}: not `skip|fail SUITE PATTERN REASON`: {line}")
        found.append(Exclusion(*words))
    return found


def read(path: Path = FILE) -> list[Exclusion]:
    """The exclusions of (path). Raises ExclusionError."""
    return parse(path.read_text(encoding="utf-8"))


def find(exclusions: list[Exclusion], suite: str, test: str) -> Exclusion | None:
    """The first line that names (test) in (suite)."""
    for exclusion in exclusions:
        if fnmatch.fnmatchcase(suite, exclusion.suite) and fnmatch.fnmatchcase(
            test, exclusion.pattern
        ):
            return exclusion
    return None


def judge(exclusions: list[Exclusion], results: dict[str, dict[str, str]]) -> list[str]:
    """What is wrong with (results), suite -> test -> "pass", "skip" or "fail"; one line each.

    Wrong are: a test that fails or is skipped and is not listed with that kind, and a listed test
    that passes.
    """
    wrong = []
    for suite, tests in results.items():
        for test, status in tests.items():
            exclusion = find(exclusions, suite, test)
            if exclusion is None:
                if status != "pass":
                    wrong.append(f"{suite}: {test}: {status}, and exclusions.txt has no reason")
            elif status != exclusion.kind:
                wrong.append(f"{suite}: {test}: {status}, exclusions.txt says {exclusion.kind}")
    return wrong
