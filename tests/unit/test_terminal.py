# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""`importos console`, and the terminal while a guest runs, on a terminal of their own."""

from __future__ import annotations

import os
import pty
import socket
import sys
import termios
import threading
from collections.abc import Iterator

import fake_qemu
import pexpect
import pytest

from importos import terminal

TIMEOUT_S = 20


@pytest.fixture
def echo(tmp_path) -> Iterator[str]:
    """A unix socket that says hello, then sends everything back in upper case."""
    path = tmp_path / "serial"
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(1)

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"hello\r\n")
            while data := connection.recv(100):
                connection.sendall(data.upper())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield str(path)
    thread.join(timeout=TIMEOUT_S)
    server.close()


def importos(*arguments: str, **more) -> pexpect.spawn:
    argv = ["-m", "importos", *arguments]
    return pexpect.spawn(sys.executable, argv, timeout=TIMEOUT_S, encoding="utf-8", **more)


@pytest.mark.parametrize("leave", ["\x1d", "\x01x", "\x01X"])
def test_what_is_typed_goes_there_and_comes_back(echo, leave):
    with importos("console", f"unix:{echo}") as child:
        child.expect("Ctrl-] leaves")
        child.expect("hello")
        child.send("abc\x03\r")
        child.expect_exact("ABC\x03\r")
        child.send(leave)
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 130


def test_ctrl_a_and_x_may_come_one_after_the_other(echo):
    with importos("console", f"unix:{echo}") as child:
        child.expect("hello")
        child.send("\x01")
        child.expect_exact("\x01")
        child.send("x")
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 130


def test_the_other_ends_end_is_ours():
    master, slave = pty.openpty()
    with importos("console", os.ttyname(slave)) as child:
        child.expect("leaves")
        os.write(master, b"bye\r\n")
        child.expect("bye")
        os.close(slave)
        os.close(master)
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 0


@pytest.mark.parametrize(
    ("port", "why"),
    [
        ("/dev/nothing", "No such file"),
        ("unix:/nowhere", "No such file"),
        ("tcp:127.0.0.1:1", "refused"),
        ("tcp:127.0.0.1", "no port number"),
    ],
)
def test_a_port_that_cannot_be_opened_is_told(command, port, why):
    result = command("importos", "console", port)
    assert result.code == 3
    assert f"error[M301]: `{port}` cannot be opened: " in result.err
    assert why in result.err


def test_a_terminal_is_left_as_it_was():
    master, slave = pty.openpty()
    try:
        before = termios.tcgetattr(slave)
        with terminal._raw(slave):
            assert (
                termios.tcgetattr(slave)[3] & (termios.ECHO | termios.ICANON | termios.ISIG) == 0
            )
        assert termios.tcgetattr(slave) == before
    finally:
        os.close(master)
        os.close(slave)


def test_a_run_tells_how_to_leave_only_on_a_terminal(folder):
    root = folder({"app.py": ""})
    environment = os.environ | {
        "IMPORTOS_QEMU": str(fake_qemu.write(root)),
        "FAKE_QEMU_CONSOLE": "hello\n",
        "FAKE_QEMU_SHUTDOWN": "guest-shutdown",
    }
    with importos("run", "app.py", env=environment, cwd=str(root)) as child:
        child.expect("Ctrl-C interrupts Python, Ctrl-A X quits")
        child.expect("hello")
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 0
