#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Check commit messages: `path: Sentence with a capital and a full stop.`, then why.

Usage: check_commit.py FILE (a hook at stage commit-msg), or check_commit.py --log [RANGE].
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

SUBJECT = re.compile(r"^[\w./*{},+-]+(, [\w./*{},+-]+)*: [A-Z`\"'<_\d].*\.$")
SUBJECT_LENGTH = 72
BODY_LENGTH = 76


def problems(message: str) -> list[str]:
    """What is wrong with a commit message; empty when nothing is."""
    lines = [line for line in message.rstrip().splitlines() if not line.startswith("#")]
    if not lines:
        return ["the message is empty"]
    subject, body = lines[0], lines[1:]
    if subject.startswith(("Merge ", "Revert ", "fixup! ", "squash! ")):
        return []
    found = []
    if len(subject) > SUBJECT_LENGTH:
        found.append(f"the subject has {len(subject)} characters, {SUBJECT_LENGTH} are the limit")
    if not SUBJECT.match(subject):
        found.append("the subject is not `path: Sentence with a capital and a full stop.`")
    if body and body[0]:
        found.append("no empty line below the subject")
    for line in body:
        # Figures in tables and addresses cannot be wrapped.
        if len(line) > BODY_LENGTH and " " in line.strip() and not line.startswith("    "):
            found.append(f"a line of the body has {len(line)} characters: {line[:40]}...")
    return found


def log(revisions: str) -> list[tuple[str, str]]:
    """(hash, message) of every commit in (revisions)."""
    command = ["git", "log", "--format=%h%x00%B%x01", *revisions.split()]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    entries = (entry.strip() for entry in text.split("\x01"))
    return [tuple(entry.split("\0", 1)) for entry in entries if entry]


def main(arguments: list[str]) -> int:
    if not arguments or (arguments[0].startswith("-") and arguments[0] != "--log"):
        print(__doc__, file=sys.stderr)
        return 2
    if arguments[0] == "--log":
        messages = log(" ".join(arguments[1:]) or "-20")
    else:
        messages = [(arguments[0], Path(arguments[0]).read_text("utf-8"))]
    bad = 0
    for name, message in messages:
        for problem in problems(message):
            print(f"{name}: {problem}")
            bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
