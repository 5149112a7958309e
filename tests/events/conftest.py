# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Guests for the tests of events: in virtual time, and with a second serial port."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from guest import Guest

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


class Line:
    """The far end of the guest's second serial port."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.arguments = (
            *("-chardev", f"socket,id=com2,path={path},server=on,wait=off"),
            *("-serial", "chardev:com2"),
        )
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(60)

    def connect(self) -> None:
        """Once QEMU runs."""
        self.socket.connect(str(self.path))

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self, size: int) -> bytes:
        """(size) bytes; fewer only at the end of the guest."""
        data = b""
        while len(data) < size and (more := self.socket.recv(size - len(data))):
            data += more
        return data


@pytest.fixture
def com2(tmp_path: Path) -> Iterator[Line]:
    """A second serial port: boot with `extra=com2.arguments` on pc or q35, then connect()."""
    line = Line(tmp_path / "com2")
    yield line
    line.socket.close()
