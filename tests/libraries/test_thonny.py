# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Thonny's own back-end, the process behind its window, works with a guest."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from upstream.target import Target

from importos import kernel

VERSION = "5.0.1"
ANSWER_SECONDS = 60


@pytest.fixture(scope="session")
def thonny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the package: without what its window and its editor import."""
    directory = tmp_path_factory.mktemp("thonny")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--retries", "5", "--no-deps"]
    pip += ["--target", str(directory), f"thonny=={VERSION}"]
    subprocess.run(pip, check=True, timeout=240, stderr=subprocess.DEVNULL)
    (directory / "user").mkdir()
    return directory


class Backend:
    """Thonny's process for the board at (port)."""

    def __init__(self, package: Path, port: str) -> None:
        self.lines: queue.Queue[str] = queue.Queue()
        arguments = {"port": port, "clean": True, "interrupt_on_connect": True}
        arguments |= {"sync_time": True, "utc_clock": False, "validate_time": True}
        arguments |= {"local_rtc": True, "cwd": None, "restart_interpreter_before_run": True}
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "thonny.plugins.micropython.bare_metal_backend",
                f"{arguments}",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": str(package), "THONNY_USER_DIR": f"{package}/user"},
        )
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put("")

    def command(self, kind: str, name: str, **arguments: object) -> None:
        """Give a command in the form of thonny.common.serialize_message()."""
        assert self.process.stdin is not None
        words = ", ".join(f"{key}={value!r}" for key, value in {"name": name, **arguments}.items())
        self.process.stdin.write(f"\x021 {kind}({words})\n")
        self.process.stdin.flush()

    def answer(self, start: str) -> str:
        """The lines up to the one that has (start) in it."""
        seen = ""
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                line = self.lines.get(timeout=max(deadline - time.monotonic(), 0.1))
            except queue.Empty:
                pytest.fail(f"no {start} in {ANSWER_SECONDS} s: {seen}")
            seen += line
            assert line, f"the back-end ended: {seen}"
            assert "PROBLEM IN THONNY" not in line, seen
            if start in line:
                return seen

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.reader.join()
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def backend(thonny: Path, tmp_path: Path) -> Iterator[Backend]:
    with Target(kernel.DATA / "kernel.elf", tmp_path / "console.log") as target:
        started = Backend(thonny, target.pty)
        try:
            yield started
        finally:
            started.close()


def test_thonny_connects_runs_and_lists_files(backend: Backend) -> None:
    assert "ImportOS x86_64" in backend.answer("ToplevelResponse(")
    source = "import time; print(6 * 7, time.localtime()[0])\n"
    backend.command("ToplevelCommand", "execute_source", source=source)
    assert f"42 {time.localtime()[0]}" in backend.answer("command_name='execute_source'")
    data = b"print('saved by Thonny')\n"
    wanted = {
        "path": "/saved.py",
        "content_bytes": data,
        "make_shebang_scripts_executable": False,
        "id": 1,
    }
    backend.command("InlineCommand", "write_file", **wanted)
    backend.answer("command_name='write_file'")
    wanted = {"node_id": "root", "paths": ["/"], "include_hidden": False}
    backend.command("InlineCommand", "get_dirs_children_info", **wanted)
    assert "saved.py" in backend.answer("command_name='get_dirs_children_info'")
    backend.command("ToplevelCommand", "execute_source", source="import saved\n")
    assert "saved by Thonny" in backend.answer("command_name='execute_source'")
