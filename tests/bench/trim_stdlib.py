# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Copy what servers and benchmarks use of a CPython's library: trim_stdlib.py FROM TO

That is ROOTS and what they import, extension modules likewise. Runs in the CPython whose library
it is, so the standard library only, and nothing of this package.
"""

from __future__ import annotations

import ast
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

ROOTS = (
    "asyncio socket select selectors time sys os gc json struct random math re collections array "
    "hashlib heapq io binascii errno encodings encodings.utf_8 encodings.ascii encodings.latin_1 "
    "encodings.aliases encodings.idna _strptime compileall site runpy argparse cmath string "
    "importlib.machinery importlib.util importlib._bootstrap_external zipimport resource"
)
SKIPPED = (
    "ssl _ssl tkinter test unittest doctest pdb pydoc distutils multiprocessing xml email http "
    "urllib ctypes curses lib2to3 pydoc_data sqlite3 idlelib ensurepip venv turtle antigravity "
    "_pyrepl readline rlcompleter pyrepl asyncio.__main__"
)


def find(library: Path, name: str) -> Path | None:
    """The file of the module (name), if it is not built in."""
    path = library.joinpath(*name.split("."))
    for candidate in (path / "__init__.py", path.with_name(path.name + ".py")):
        if candidate.is_file():
            return candidate
    found = sorted((library / "lib-dynload").glob(f"{name}.*")) if "." not in name else []
    return found[0] if found else None


def imports(path: Path, name: str) -> Iterator[str]:
    """The modules that the module (name) may import; "from a import b" gives a and a.b."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                parts = parts[: len(parts) - (node.level - 1)]
                base = ".".join(parts + ([node.module] if node.module else []))
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def closure(library: Path) -> set[Path]:
    """The files of ROOTS and of everything that they import."""
    waiting, skipped = ROOTS.split(), SKIPPED.split()
    done: dict[str, Path | None] = {"": None}
    while waiting:
        name = waiting.pop()
        if name in done or name in skipped or name.partition(".")[0] in skipped:
            continue
        waiting.append(name.rpartition(".")[0])
        path = done[name] = find(library, name)
        if path and path.suffix == ".py":
            waiting += imports(path, name)
    return {path for path in done.values() if path}


def main() -> None:
    library, destination = Path(sys.argv[1]), Path(sys.argv[2])
    for path in sorted(closure(library)):
        copy = destination / path.relative_to(library)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)


if __name__ == "__main__":
    main()
