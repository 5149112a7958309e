#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Print a compile_commands.json, which clangd and other tools read.

Reads the output of `make -nB V=1` on standard input; the argument is the directory that make ran
in. Usage: make -C port/x86 -nB V=1 | tools/dev/compile_commands.py port/x86 > FILE
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path


def entries(output: str, directory: Path) -> list[dict]:
    """One entry for each line that compiles a single C or assembly file."""
    found = []
    for line in output.replace("\\\n", " ").splitlines():
        if not re.match(r"\s*\S*(gcc|cc|clang)(-\d+)?\s", line) or " -c " not in line:
            continue
        try:
            words = shlex.split(line)
        except ValueError:
            continue
        sources = [word for word in words if word.endswith((".c", ".S"))]
        if len(sources) == 1:
            entry = {"directory": str(directory), "file": sources[0], "arguments": words}
            found.append(entry)
    return found


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    commands = entries(sys.stdin.read(), Path(sys.argv[1]).resolve())
    print(json.dumps(commands, indent=1))
    return 0 if commands else 1


if __name__ == "__main__":
    sys.exit(main())
