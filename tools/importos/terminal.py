# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""`importos console PORT`: this terminal on a guest's serial line, raw, until Ctrl-] or Ctrl-A X.

PORT is a tty (QEMU's pty, a serial adapter), unix:PATH, or tcp:HOST:PORT.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
from collections.abc import Iterator

from .errors import EXIT_ENVIRONMENT, failure

LEAVE = b"\x1d"  # Ctrl-]
PREFIX = b"\x01"  # Ctrl-A, then X or x


def talk(port: str) -> int:
    """Copy between this terminal and (port) until one of them ends. 0, or 130 when left."""
    try:
        import termios  # noqa: F401  (whether this is a system with ttys)
    except ImportError:
        raise failure(
            "M301", "`importos console` works on Linux and macOS only", exit_code=EXIT_ENVIRONMENT
        ) from None
    with contextlib.ExitStack() as stack:
        try:
            remote = stack.enter_context(_open(port))
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise failure(
                "M301", f"`{port}` cannot be opened: {why}", exit_code=EXIT_ENVIRONMENT
            ) from None
        print(f"connected to {port}; Ctrl-] leaves", file=sys.stderr)
        stack.enter_context(_raw(0))
        return _copy(remote)


def _copy(remote: int) -> int:
    prefixed = False
    sources = [0, remote]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if remote in ready:
            try:
                data = os.read(remote, 65536)
            except OSError:
                data = b""
            if not data:
                return 0
            _write_all(1, data)
        if 0 in ready:
            data = os.read(0, 4096)
            if not data:
                sources.remove(0)  # the end of a script; the guest may still talk
                continue
            if LEAVE in data or (prefixed and data[:1] in b"xX"):
                return 130
            prefixed = data.endswith(PREFIX)
            if b"\x01x" in data or b"\x01X" in data:
                return 130
            _write_all(remote, data)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


@contextlib.contextmanager
def _open(port: str) -> Iterator[int]:
    if port.startswith(("unix:", "tcp:", "socket://")):
        with _connect(port) as connection:
            yield connection.fileno()
        return
    descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY)
    try:
        with _raw(descriptor):
            yield descriptor
    finally:
        os.close(descriptor)


def _connect(port: str) -> socket.socket:
    if port.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(port.removeprefix("unix:"))
        except OSError:
            connection.close()
            raise
        return connection
    host, _, number = port.removeprefix("tcp:").removeprefix("socket://").rpartition(":")
    if not number.isdecimal():
        raise ValueError("there is no port number")
    return socket.create_connection((host or "127.0.0.1", int(number)), timeout=10)


@contextlib.contextmanager
def _raw(descriptor: int) -> Iterator[None]:
    """The tty in raw mode for a while; anything else stays as it is."""
    import termios
    import tty

    if not os.isatty(descriptor):
        yield
        return
    saved = termios.tcgetattr(descriptor)
    tty.setraw(descriptor)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # the other end of a pty may be gone
            termios.tcsetattr(descriptor, termios.TCSADRAIN, saved)
