# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Boots an image in QEMU with its console here, and tells how the guest ended.

Every plain way out of QEMU gives status 0, a triple fault too. So three witnesses are heard: the
reason in QMP's SHUTDOWN event, QEMU's own status (isa-debug-exit makes it value << 1 | 1), and
the line "importos: exit status N" that the guest prints.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from . import qemu
from .errors import EXIT_ENVIRONMENT, failure

STATUS_TIMEOUT = 124
STATUS_PANIC = 125
STATUS_INTERRUPTED = 130
TAIL_LINES = 20
TAIL_BYTES = 64 << 10
SENTINEL = re.compile(rb"importos: exit status (\d{1,3})\r?\n")
PANIC = re.compile(rb"^panic: .*$", re.MULTILINE)
TERMINATED = b"QEMU: Terminated"
STOPPED = "stopped"
STOP_INTERVAL_S = 0.1


@dataclass(slots=True)
class Outcome:
    """How a run ended: the status to leave with, and why in words."""

    status: int
    reason: str
    tail: list[str] = field(default_factory=list)
    argv: list[str] = field(default_factory=list)  # of QEMU
    unmet: bool = False  # an expected text did not appear

    @property
    def crashed(self) -> bool:
        """Whether something went wrong; a status that the app chose is its own business."""
        if self.unmet:
            return True
        if self.status == 1:
            return any(line.startswith("Traceback (most recent call last)") for line in self.tail)
        return self.status in (STATUS_TIMEOUT, STATUS_PANIC)


@dataclass(slots=True)
class Evidence:
    """What was seen of a run that is over. (shutdown) is QMP's reason, "" if none came."""

    returncode: int
    shutdown: str
    console: bytes
    started: bool
    reset_wanted: bool = False


def judge(seen: Evidence) -> Outcome:
    """The outcome that the evidence proves; success only if all of it agrees."""
    sentinels = SENTINEL.findall(seen.console)
    told = int(sentinels[-1]) if sentinels else None
    if seen.returncode < 0:
        name = signal.Signals(-seen.returncode).name
        return Outcome(STATUS_PANIC, f"QEMU was ended by {name}")
    if panic := PANIC.search(seen.console):
        return Outcome(STATUS_PANIC, panic[0].decode("utf-8", "replace").strip())
    if seen.returncode & 1:
        status = seen.returncode >> 1
        if told is not None and (told << 1 | 1) & 0xFF == seen.returncode:
            status = told
        return Outcome(status, f"exit status {status}")
    if seen.returncode:
        return Outcome(STATUS_PANIC, f"QEMU ended with status {seen.returncode}")
    return _judge_plain_end(seen, told)


def _judge_plain_end(seen: Evidence, told: int | None) -> Outcome:
    """QEMU left with status 0, which a triple fault does too."""
    if TERMINATED in seen.console[-200:] or seen.shutdown.startswith("host-"):
        return Outcome(STATUS_INTERRUPTED, "ended from the console")
    if told:
        return Outcome(told, f"exit status {told}")
    if seen.shutdown == "guest-shutdown":
        return Outcome(0, "powered off")
    if seen.shutdown == "guest-reset":
        if seen.reset_wanted:
            return Outcome(0, "reset")
        why = "a triple fault, a watchdog, or machine.reset()"
        return Outcome(STATUS_PANIC, f"the machine was reset: {why}")
    if seen.shutdown == "guest-panic":
        return Outcome(STATUS_PANIC, "the guest reported a panic")
    return Outcome(STATUS_PANIC, "QEMU ended and did not say why")


class Qmp:
    """QEMU's control channel. QEMU connects to us, so that no event can be missed."""

    def __init__(self, path: str, resume: bool) -> None:
        self.path = path
        self.resume = resume  # the guest waits for us, not for a debugger
        self.shutdown = ""
        self.ready = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(1)
        self._connection: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        try:
            self._connection, _ = self._listener.accept()
            self._send("qmp_capabilities")
            if self.resume:
                self._send("cont")
            with self._connection.makefile("r", encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    self._event(line)
        except OSError:
            pass  # QEMU is gone, or never came

    def _event(self, line: str) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            return
        if message.get("event") == "RESUME":
            self.ready.set()
        if message.get("event") == "SHUTDOWN":
            self.shutdown = message.get("data", {}).get("reason", "")

    def _send(self, name: str) -> None:
        if self._connection:
            self._connection.sendall(json.dumps({"execute": name}).encode() + b"\n")

    def quit(self) -> None:
        """Ask QEMU to end."""
        with contextlib.suppress(OSError):
            self._send("quit")

    def close(self) -> None:
        """Wait for the last events, then let go."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=2)
        if self._connection:
            self._connection.close()


def run(
    machine: qemu.Machine,
    program: str,
    *,
    timeout: float | None = None,
    expect: Sequence[str] = (),
    reset_wanted: bool = False,
    output: BinaryIO | None = None,
    stop: Callable[[], bool] | None = None,
) -> Outcome:
    """Boot (machine) and wait for its end; the console goes to (output), standard output.

    (timeout) is in seconds. With (expect), the run ends with status 0 when all texts appeared;
    when (stop), asked several times a second, says so, it ends with the reason "stopped".
    Raises ImageError M301 when QEMU itself fails.
    """
    with tempfile.TemporaryDirectory(prefix="importos-") as folder, _terminal(), _signals():
        qmp = None
        if hasattr(socket, "AF_UNIX"):
            qmp = Qmp(str(Path(folder) / "qmp"), resume=not machine.gdb)
            machine = replace(machine, qmp=qmp.path, paused=True)
        session = _Session(qemu.command(machine, program), qmp, output or sys.stdout.buffer)
        try:
            texts = [text.encode() for text in expect]
            outcome = session.wait(timeout, texts, reset_wanted, stop)
            outcome.argv = qemu.command(replace(machine, qmp="", paused=False), program)
            return outcome
        finally:
            session.end()


@contextlib.contextmanager
def _terminal():
    """QEMU makes the terminal raw; put it back however QEMU ends."""
    try:
        import termios
    except ImportError:
        yield
        return
    saved = termios.tcgetattr(0) if sys.stdin and sys.stdin.isatty() else None
    try:
        yield
    finally:
        if saved is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, saved)
        with contextlib.suppress(OSError):
            os.set_blocking(0, True)
            os.set_blocking(1, True)


@contextlib.contextmanager
def _signals():
    """SIGTERM and SIGHUP end us in order, so that QEMU is not left behind."""

    def leave(number: int, _: object) -> None:
        sys.exit(128 + number)

    if threading.current_thread() is not threading.main_thread() or os.name != "posix":
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGHUP)
    saved = [signal.signal(number, leave) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, saved, strict=True):
            signal.signal(number, handler)


class _Session:
    """One QEMU process, its console and its end."""

    def __init__(self, argv: list[str], qmp: Qmp | None, output: BinaryIO) -> None:
        self.qmp = qmp
        self.output = output
        self.console = bytearray()
        self.chunks: queue.Queue[bytes | None] = queue.Queue()
        self.errors: deque[str] = deque(maxlen=50)
        try:
            self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except OSError as error:
            if qmp:
                qmp.close()
            raise failure(
                "M301",
                f"QEMU cannot be started: {error.strerror}",
                file=argv[0],
                exit_code=EXIT_ENVIRONMENT,
            ) from None
        self.readers = [
            threading.Thread(target=self._read_console, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self.readers:
            reader.start()

    def _read_console(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        while chunk := os.read(stream.fileno(), 65536):
            self.chunks.put(chunk)
        self.chunks.put(None)

    def _read_errors(self) -> None:
        stream = self.process.stderr
        assert stream is not None
        for line in stream:
            self.errors.append(line.decode("utf-8", "replace").rstrip())

    def wait(
        self,
        timeout: float | None,
        expect: list[bytes],
        reset_wanted: bool,
        stop: Callable[[], bool] | None,
    ) -> Outcome:
        deadline = time.monotonic() + timeout if timeout else None
        missing = list(expect)
        try:
            while True:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return self._outcome(STATUS_TIMEOUT, f"no end within {timeout:g} s")
                if stop and stop():
                    return self._outcome(0, STOPPED)
                try:
                    chunk = self.chunks.get(
                        timeout=_least(left, STOP_INTERVAL_S if stop else None)
                    )
                except queue.Empty:
                    continue
                if chunk is None:
                    break
                self._take(chunk)
                missing = [text for text in missing if text not in self.console]
                if expect and not missing:
                    if not self.console.endswith(b"\n"):
                        _write(self.output, b"\n")
                    return self._outcome(0, "the expected text appeared")
        except KeyboardInterrupt:
            return self._outcome(STATUS_INTERRUPTED, "interrupted")
        return self._over(missing, reset_wanted)

    def _take(self, chunk: bytes) -> None:
        self.console += chunk
        if len(self.console) > 2 * TAIL_BYTES:
            del self.console[:-TAIL_BYTES]
        _write(self.output, chunk)

    def _over(self, missing: list[bytes], reset_wanted: bool) -> Outcome:
        returncode = self.process.wait()
        for reader in self.readers:
            reader.join(timeout=2)
        if self.qmp:
            self.qmp.close()
        started = self.qmp is None or self.qmp.ready.is_set()
        if returncode == 1 and not started:
            raise failure(
                "M301",
                "QEMU did not start the machine",
                notes=tuple(self.errors),
                exit_code=EXIT_ENVIRONMENT,
            )
        shutdown = self.qmp.shutdown if self.qmp else "guest-shutdown"
        seen = Evidence(returncode, shutdown, bytes(self.console), started, reset_wanted)
        outcome = judge(seen)
        if returncode < 0:
            self.console += "\n".join(["", *self.errors]).encode()
        if missing and outcome.status == 0:
            text = missing[0].decode("utf-8", "replace")
            outcome = Outcome(1, f"the text {text!r} did not appear", unmet=True)
        return replace(self._outcome(outcome.status, outcome.reason), unmet=outcome.unmet)

    def _outcome(self, status: int, reason: str) -> Outcome:
        text = bytes(self.console).decode("utf-8", "replace").replace("\r", "")
        return Outcome(status, reason, text.rstrip("\n").split("\n")[-TAIL_LINES:])

    def end(self) -> None:
        """Leave no QEMU behind."""
        if self.process.poll() is None:
            if self.qmp:
                self.qmp.quit()
            try:
                self.process.wait(timeout=1)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.qmp:
            self.qmp.close()
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()


def _least(*limits: float | None) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _write(output: BinaryIO, data: bytes) -> None:
    """Write all of (data), although QEMU may have made the terminal non-blocking."""
    view = memoryview(data)
    try:
        output.flush()
        descriptor = output.fileno()
    except (OSError, ValueError, AttributeError):
        with contextlib.suppress(OSError):
            output.write(data)
        return
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            select.select([], [descriptor], [], 1)
        except BrokenPipeError:
            return
