# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""What a user can fix: a diagnostic with a code, and the exception that carries it.

Codes and exit statuses are those of the tools' README. Anything else that is raised is a bug of
the tools and keeps its traceback.
"""

from __future__ import annotations

from dataclasses import dataclass

EXIT_INPUT = 1  # the app or another input is wrong
EXIT_USAGE = 2  # the command line is wrong
EXIT_ENVIRONMENT = 3  # QEMU, permissions, disk, a missing part of the installation
EXIT_INTERNAL = 4  # a bug of ours


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One message: what is wrong, where, why, and what to do.

    Lines and columns count from 1; ``end_col`` is the column behind the last marked character.
    ``line`` 0 means that the message is about the file as a whole.
    """

    code: str
    message: str
    level: str = "error"
    file: str | None = None
    line: int = 0
    col: int = 0
    end_col: int = 0
    source: str | None = None  # the text of the line
    label: str = ""  # said beside the carets
    notes: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()


class ImageError(Exception):
    """Something the user can fix. Holds the diagnostics and the status to leave with."""

    def __init__(self, *diagnostics: Diagnostic, exit_code: int = EXIT_INPUT) -> None:
        super().__init__("; ".join(f"{d.code}: {d.message}" for d in diagnostics))
        self.diagnostics = diagnostics
        self.exit_code = exit_code


def failure(
    code: str,
    message: str,
    *,
    file: str | None = None,
    notes: tuple[str, ...] = (),
    hints: tuple[str, ...] = (),
    exit_code: int = EXIT_INPUT,
) -> ImageError:
    """An ImageError with one diagnostic that points at no line."""
    diagnostic = Diagnostic(code, message, file=file, notes=notes, hints=hints)
    return ImageError(diagnostic, exit_code=exit_code)
