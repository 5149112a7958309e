# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Guests for the tests of events: in virtual time, and with a second serial port."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from guest import Guest
from serial_line import Line

# Virtual time goes with the instructions, one nanosecond each, and jumps over every halt: the same
# program takes the same time in every run, and an hour of sleep none at all.
VIRTUAL = ("-icount", "shift=0,sleep=off")


@pytest.fixture
def virtual(boot: Callable[..., Guest], repl_image: Path) -> Iterator[Guest]:
    """A guest in virtual time at its prompt; it must still answer at the end."""
    booted = boot(repl_image, extra=VIRTUAL)
    booted.prompt()
    yield booted
    assert booted.run("print(6 * 7)") == "42"
    booted.at_prompt = True


@pytest.fixture
def com2(tmp_path: Path) -> Iterator[Line]:
    """A second serial port: boot with `extra=com2.arguments` on pc or q35, then connect()."""
    line = Line(tmp_path / "com2")
    yield line
    line.socket.close()
