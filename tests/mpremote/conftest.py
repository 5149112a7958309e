# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""A guest behind a pty, and mpremote from PyPI to command it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from guest import Guest

Mpremote = Callable[..., str]


@pytest.fixture
def board(boot: Callable[..., Guest], repl_image: Path) -> Guest:
    guest = boot(repl_image, console="pty")
    guest.at_prompt = True
    return guest


@pytest.fixture
def mpremote(board: Guest, tmp_path: Path) -> Mpremote:
    """mpremote(*words, status=0, **environment) -> what it prints, both streams."""

    def command(*words: str | Path, status: int = 0, **environment: str) -> str:
        result = subprocess.run(
            [sys.executable, "-m", "mpremote", "connect", board.serial, *map(str, words)],
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            timeout=120,
            cwd=tmp_path,
            env={**os.environ, **environment},
        )
        assert result.returncode == status, result.stdout
        return result.stdout.replace("\r\n", "\n")

    return command
