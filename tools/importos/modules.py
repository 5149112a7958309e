# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""The modules of an image as plain data, and how files of the app are read and named."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from .errors import EXIT_ENVIRONMENT, EXIT_INPUT, failure


@dataclass(slots=True)
class Module:
    """A module of the image. (rom) is its path there without suffix; (source) is UTF-8.

    (origin) is "app", "path" or "site"; (imported_by) are (module name, line) pairs.
    """

    name: str
    path: Path
    rom: str
    origin: str
    shown: str
    source: bytes
    compiled: bool = False  # the source is a .mpy
    is_package: bool = False
    dist: str = ""
    version: str = ""
    folders: tuple[Path, ...] = ()  # where submodules are
    imported_by: list[tuple[str, int]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Found:
    """What a name means: a file or folder (path) with its origin, or the kernel (path None)."""

    origin: str
    path: Path | None = None
    base: Path | None = None  # the search folder


def read_source(path: Path, shown: str) -> bytes:
    """The bytes of a file of the app. Raises ImageError M003."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise failure(
            "M003",
            f"cannot be read: {error.strerror}",
            file=shown,
            exit_code=EXIT_ENVIRONMENT if isinstance(error, PermissionError) else EXIT_INPUT,
        ) from None


def display(path: Path) -> str:
    """A path as the user would type it: relative if that is shorter."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive on Windows
        return str(path)
    return relative if len(relative) < len(str(path)) else str(path)
