# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""mpremote from PyPI works unchanged, over a pty and over socket://."""

from __future__ import annotations

import subprocess
import sys

import pexpect
import pytest


@pytest.fixture(params=["pty", "tcp"])
def board(request, boot, repl_image):
    """A booted guest whose console is free for mpremote."""
    guest = boot(repl_image, console=request.param)
    guest.at_prompt = True
    return guest


@pytest.fixture
def pty_board(boot, repl_image):
    guest = boot(repl_image, console="pty")
    guest.at_prompt = True
    return guest


def mpremote(guest, *arguments: str, cwd=None) -> str:
    command = [sys.executable, "-m", "mpremote", "connect", guest.serial, *arguments]
    result = subprocess.run(
        command, check=False, text=True, capture_output=True, timeout=60, cwd=cwd
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout.replace("\r\n", "\n")


def test_exec_prints_what_the_guest_prints(board):
    assert mpremote(board, "exec", "import sys; print(sys.platform)") == "x86\n"


def test_run_runs_a_file_of_the_host(board, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("for i in range(3):\n    print(i * i)\n")
    assert mpremote(board, "run", str(script)) == "0\n1\n4\n"


def test_fs_copies_there_and_back(board, tmp_path):
    data = bytes(range(256)) * 20
    (tmp_path / "there").write_bytes(data)
    mpremote(board, "fs", "cp", str(tmp_path / "there"), ":file.bin")
    assert "5120 file.bin" in mpremote(board, "fs", "ls")
    mpremote(board, "fs", "cp", ":file.bin", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == data
    mpremote(board, "fs", "mkdir", "d")
    mpremote(board, "fs", "rm", ":file.bin")
    listing = mpremote(board, "fs", "ls")
    assert "file.bin" not in listing
    assert "d/" in listing


def test_mount_imports_from_the_host(board, tmp_path):
    (tmp_path / "onhost.py").write_text("print('imported from the host')\n")
    out = mpremote(board, "mount", str(tmp_path), "exec", "import onhost")
    assert "imported from the host" in out


def test_romfs_is_shown(board):
    assert "ROMFS0 partition has size" in mpremote(board, "romfs", "query")


def test_soft_reset_forgets_variables(board):
    mpremote(board, "exec", "x = 1")
    mpremote(board, "resume", "exec", "print(x)")
    mpremote(board, "soft-reset")
    assert mpremote(board, "resume", "exec", "print('x' in globals())") == "False\n"


def test_repl_talks(pty_board):
    child = pexpect.spawn(
        sys.executable,
        ["-m", "mpremote", "connect", pty_board.serial, "repl"],
        encoding="utf-8",
        timeout=60,
    )
    child.expect("Use Ctrl-] or Ctrl-x to exit this shell")
    child.send("\r")
    child.expect(">>> ")
    child.send("6 * 7\r")
    child.expect("42\r\n>>> ")
    child.send("\x1d")
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == 0
