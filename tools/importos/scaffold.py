# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""`importos new NAME`: a folder with a small app to begin with; `importos stubs`: what editors and
type checkers want to know."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from .errors import EXIT_ENVIRONMENT, failure
from .modules import display

MAIN = """\
import sys
import time

print("hello from", sys.platform, "after", time.ticks_ms(), "ms")
"""

STUBS = Path(__file__).parent / "stubs"

CONFIG = """\
# What `mkimage` makes of this folder; options on the command line win.
entry = "main.py"
memory = "64M"
at-exit = "poweroff"
"""


def create(folder: Path) -> Iterator[str]:
    """Make the folder; yields what to say. Raises ImageError if it is there already."""
    shown = display(folder)
    try:
        folder.mkdir(parents=True)
        (folder / "main.py").write_text(MAIN)
        (folder / "mkimage.toml").write_text(CONFIG)
    except FileExistsError:
        raise failure("M304", "there is something of that name already", file=shown) from None
    except OSError as error:
        raise failure(
            "M304",
            f"the folder cannot be made: {error.strerror}",
            file=shown,
            exit_code=EXIT_ENVIRONMENT,
        ) from None
    yield f"{shown}/main.py        the app"
    yield f"{shown}/mkimage.toml   how it becomes an image"
    yield ""
    yield f"importos run {shown}"


def copy_stubs(folder: Path) -> Iterator[str]:
    """Copy the stubs of the guest's modules into (folder); what is there is overwritten."""
    shown = display(folder)
    try:
        shutil.copytree(STUBS, folder, dirs_exist_ok=True)
    except (OSError, shutil.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise failure(
            "M304",
            f"the stubs cannot be written: {reason}",
            file=shown,
            exit_code=EXIT_ENVIRONMENT,
        ) from None
    names = sorted(path.name.removesuffix(".pyi") for path in STUBS.iterdir())
    yield f"{shown}: {', '.join(names)}"
    yield ""
    yield "Pylance and Pyright look into `typings` by themselves; for mypy:"
    yield f'mypy_path = "{shown}"'
