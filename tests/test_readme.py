# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""What README.md shows is what happens."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from support import ROOT

pytestmark = pytest.mark.timeout(900)  # detects a hang; alone each takes seconds

README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
SESSIONS = [block for block in BLOCKS if block.startswith("$ ")]


def environment(**changes: str) -> dict[str, str]:
    """This process's environment, without what a make above it left there."""
    kept = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    return kept | changes


def commands(session: str) -> list[tuple[str, str]]:
    """(command, output) of each "$ " line."""
    parts = re.split(r"^\$ (.*)\n", session, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def masked(text: str) -> list[str]:
    """The lines of (text) without what differs from run to run: numbers, and why TCG is used."""
    text = re.sub(r"\b(TCG|KVM)\b.*", "ACCELERATOR", text.replace("\r", ""))
    return [re.sub(r"[\d.]+", "N", line).rstrip() for line in text.strip().splitlines()]


@pytest.mark.parametrize("session", SESSIONS, ids=lambda s: s.splitlines()[0][2:])
def test_a_session_goes_as_shown(session):
    for command, shown in commands(session):
        result = subprocess.run(
            command,
            check=False,
            shell=True,
            cwd=ROOT,
            env=environment(PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}"),
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=600,
        )
        assert masked(result.stdout) == masked(shown)


def test_there_is_a_session():
    assert len(SESSIONS) >= 1


def test_every_folder_and_file_that_is_named_exists():
    names = re.findall(r"`((?:port|modules|frozen|tools|examples|tests)/[\w./-]*)`", README)
    assert len(names) > 5
    assert [name for name in names if not (ROOT / name).exists()] == []


def test_the_reading_order_names_files():
    order = README[README.index("## Reading order") :]
    places = ("port/x86", "tools/importos")
    names = re.findall(r"`([\w]+\.(?:c|S|ld|py))`", order)
    assert len(names) > 10
    assert [n for n in names if not any((ROOT / p / n).is_file() for p in places)] == []


def test_the_wheel_is_all_that_a_user_needs(tmp_path):
    wheels = tmp_path / "wheels"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", wheels, ROOT], check=True)
    venv.create(tmp_path / "venv", with_pip=True)
    binaries = tmp_path / "venv/bin"
    pip[0] = str(binaries / "python")
    subprocess.run([*pip, "install", *wheels.glob("*.whl")], check=True)
    (tmp_path / "app.py").write_text("print('from a wheel')\n")
    block = next(block for block in BLOCKS if "pip install importos-*.whl" in block)
    output = ""
    for line in block.splitlines()[2:]:
        command = line.partition("#")[0].split()
        command[0] = str(binaries / command[0])
        result = subprocess.run(
            command,
            check=False,
            cwd=tmp_path,
            env=environment(IMPORTOS_ACCEL="tcg"),
            text=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=300,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        output += result.stdout
    assert "from a wheel" in output


def test_the_web_server_answers(tmp_path):
    line = next(line for block in BLOCKS for line in block.splitlines() if "-p 8080:80" in line)
    command, _, curl = (part.strip() for part in line.partition("#"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = command.replace('8080:80"', f'{port}:80 --timeout 60s"')
    assert "--timeout" in command
    with subprocess.Popen(
        command,
        shell=True,
        cwd=ROOT,
        env=environment(IMPORTOS_ACCEL="tcg"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as server:
        retry = ["--silent", "--retry", "40", "--retry-all-errors", "--retry-delay", "1"]
        got = subprocess.run(
            [*curl.replace("8080", port).split(), *retry, "--max-time", "3"],
            capture_output=True,
            text=True,
            timeout=120,
        )
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)
    assert got.stdout == "Hello from Python on bare metal!\n"
