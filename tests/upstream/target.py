# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""A guest at its prompt behind a pty, for upstream's runners, which open it as a serial port."""

from __future__ import annotations

import re
import select
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

from importos import qemu

START_SECONDS = 30
MEMORY = 32 << 20  # some tests fill all of it


class TargetError(Exception):
    """The guest does not start or does not answer."""


class Target:
    """A started guest. (pty) is the path of its serial port; (process) is QEMU."""

    def __init__(
        self,
        kernel: Path,
        log: Path,
        append: str = "",
        ports: tuple[qemu.Port, ...] = (),
        network: bool = True,
        extra: tuple[str, ...] = (),
        prefix: tuple[str, ...] = (),
    ) -> None:
        """Start QEMU with the command (prefix), if any; the console goes to (log) as well."""
        machine = qemu.Machine(
            kernel=kernel,
            machine="microvm",
            memory=MEMORY,
            serial=f"pty,logfile={log},logappend=on",
            append=append,
            ports=ports,
            network=network,
            extra=extra,
        )
        self.path = log
        self.log = log.open("ab")
        self.process = subprocess.Popen(
            [*prefix, *qemu.command(machine, qemu.find_qemu())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.log,
        )
        self.pty = self._read_pty()

    def _read_pty(self) -> str:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], START_SECONDS)
        line = self.process.stdout.readline().decode() if ready else ""
        match = re.search(r"/dev/pts/\d+", line)
        if not match:
            self.close()
            raise TargetError(f"QEMU names no pty: {line!r}; see {self.log.name}")
        return match[0]

    def alive(self) -> bool:
        """False once QEMU has ended, which no test asks for."""
        return self.process.poll() is None

    def last_words(self) -> str:
        """How a guest that ended said so: the panic's line, or the last one."""
        lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        panics = [line for line in lines if line.startswith("panic:")]
        return (panics or lines or [""])[-1]

    def close(self) -> None:
        """End QEMU."""
        if self.alive():
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.log.close()

    def __enter__(self) -> Target:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def load_pyboard(upstream: Path) -> ModuleType:
    """Upstream's tools/pyboard.py, which speaks the raw REPL's protocol."""
    tools = str(upstream / "tools")
    if tools not in sys.path:
        sys.path.append(tools)
    import pyboard

    return pyboard


def execute(target: Target, upstream: Path, script: str) -> str:
    """Run (script) on the guest; what it prints. Raises TargetError if it raises or hangs."""
    pyboard = load_pyboard(upstream)
    deadline = time.monotonic() + START_SECONDS
    while True:
        board = pyboard.Pyboard(target.pty)
        try:
            board.enter_raw_repl()
            return board.exec_(script, timeout=START_SECONDS).decode(errors="replace")
        except pyboard.PyboardError as error:
            if "raw repl" not in str(error) or time.monotonic() > deadline or not target.alive():
                raise TargetError(f"the guest does not do as told: {error}") from None
        finally:
            board.close()


def copy_tree(target: Target, upstream: Path, source: Path, destination: str = "/") -> None:
    """Copy the files and directories of (source) into (destination) on the guest."""
    root = destination.rstrip("/")
    lines = ["import os"]
    for path in sorted(source.rglob("*")):
        name = f"{root}/{path.relative_to(source).as_posix()}"
        if path.is_dir():
            lines.append(f"os.mkdir({name!r})")
        else:
            lines.append(f"with open({name!r}, 'wb') as f: f.write({path.read_bytes()!r})")
    execute(target, upstream, "\n".join(lines) + "\n")
