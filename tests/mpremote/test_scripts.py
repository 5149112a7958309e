# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""mpremote's own test scripts, of MicroPython's source, pass unchanged with its own mpremote."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UPSTREAM = Path(os.environ.get("MICROPY_DIR") or ROOT / "build/upstream/micropython").resolve()
MPREMOTE = UPSTREAM / "tools/mpremote"
# The scripts name no device, so mpremote takes the first serial port, among which no pty is.
PROGRAM = """\
import sys, types
import serial.tools.list_ports
port = types.SimpleNamespace(device={port!r}, vid=1, pid=1, serial_number="guest")
serial.tools.list_ports.comports = lambda: [port]
sys.path.insert(0, {directory!r})
from mpremote import main
sys.exit(main.main())
"""
SCRIPTS = sorted(path.name for path in (MPREMOTE / "tests").glob("test_*.sh"))


def test_there_are_scripts():
    assert len(SCRIPTS) >= 8


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_passes(board, tmp_path, script):
    program = tmp_path / "mpremote.py"
    program.write_text(PROGRAM.format(port=board.serial, directory=str(MPREMOTE)))
    work = tmp_path / "work"
    work.mkdir()
    # Their order of lines is that of streams with a buffer.
    environment = {name: v for name, v in os.environ.items() if name != "PYTHONUNBUFFERED"}
    result = subprocess.run(
        ["bash", MPREMOTE / "tests" / script],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        timeout=240,
        cwd=tmp_path,
        env={**environment, "MPREMOTE": f"{sys.executable} {program}", "TMP": str(work)},
    )
    out = result.stdout.replace(b"\r", b"").decode().replace(str(work), "${TMP}")
    assert out == (MPREMOTE / "tests" / f"{script}.exp").read_text(encoding="utf-8")
    assert result.returncode == 0
