# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""The entry of an app: which script it is, and what is said when it is none."""

from __future__ import annotations

import os
from pathlib import Path

from . import elf
from .errors import EXIT_ENVIRONMENT, ImageError, failure
from .modules import display

UIMAGE_MAGICS = (b"\x27\x05\x19\x56", b"\xd0\x0d\xfe\xed")


def find_entry(entry: Path) -> Path:
    """The script that an ENTRY means. Raises ImageError M001 or M002."""
    shown = display(entry)
    try:
        if entry.is_dir():
            names = os.listdir(entry)
            for name in ("main.py", "__main__.py", "main.mpy"):
                if name in names:
                    return entry / name
            raise failure("M001", "the folder has no main.py or __main__.py", file=shown)
        with entry.open("rb") as file:
            start = file.read(16)
    except (FileNotFoundError, NotADirectoryError):
        raise _no_entry(entry, shown) from None
    except OSError as error:
        raise failure(
            "M003",
            f"the entry cannot be read: {error.strerror}",
            file=shown,
            exit_code=EXIT_ENVIRONMENT,
        ) from None
    _check_entry_kind(entry, shown, start)
    return entry


def _no_entry(entry: Path, shown: str) -> ImageError:
    import difflib

    try:
        names = [n for n in os.listdir(entry.parent) if n.endswith(".py") or "." not in n]
    except OSError:
        names = []
    near = difflib.get_close_matches(entry.name, names, 1, 0.6)
    hints = (f"did you mean `{display(entry.parent / near[0])}`?",) if near else ()
    return failure("M001", f'entry "{shown}" does not exist', hints=hints)


def _check_entry_kind(entry: Path, shown: str, start: bytes) -> None:
    if start[:4] in UIMAGE_MAGICS:
        raise failure(
            "M002",
            "the entry is a U-Boot image",
            file=shown,
            hints=("this is ImportOS's mkimage, which takes a Python script, not U-Boot's",),
        )
    if not start and entry.suffix != ".py":
        raise failure("M002", "the entry is empty, and not named .py", file=shown)
    if start[:4] == elf.MAGIC:
        raise failure(
            "M002",
            "the entry is an ELF file, not Python",
            file=shown,
            hints=(f"an image boots with `importos run {shown}`",),
        )
    if start[2:4] == b"\r\n" and entry.suffix in (".pyc", ".pyo"):
        raise failure(
            "M002",
            "the entry is CPython's bytecode",
            file=shown,
            hints=("give the .py file; MicroPython has a bytecode of its own",),
        )
    if entry.suffix != ".mpy" and b"\0" in start:
        raise failure("M002", "the entry is not Python source", file=shown)
