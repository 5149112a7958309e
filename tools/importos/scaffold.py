# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""`importos new NAME`: a folder with a small app to begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .errors import EXIT_ENVIRONMENT, failure
from .modules import display

MAIN = """\
import sys
import time

print("hello from", sys.platform, "after", time.ticks_ms(), "ms")
"""

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
        raise failure("M304", "the folder is there already", file=shown) from None
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
