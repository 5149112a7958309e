# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""One booted machine, as a test sees it.

QEMU is started stopped, with its console and its QMP monitor on sockets of a directory of its
own, and let go when both are connected: no byte and no event is lost. Every wait has a limit, and
ends at once when the console shows something that is never right (a panic, a second boot, a
traceback that the test did not ask for). The guest leaves by itself: stopping one that still runs
at the end is the fixture's work, and `status()` tells how it left.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import queue
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pexpect
from pexpect import fdpexpect

from importos import qemu

# A wait that takes so long is a hang, not slowness: generous, because the machine may be busy.
TIMEOUT = 30.0
PROMPT = "\r\n>>> "
BANNER = r"MicroPython \S+ on [^;]*; ImportOS x86_64"
# What ends every wait, unless the test allows it.
BAD = {
    "panic": r"panic: [^\r\n]*",
    "traceback": r"Traceback \(most recent call last\):",
}
# Echo is awaited after so many characters: about what the receive ring of a 16550 holds twice.
PIECE = 32


class GuestError(AssertionError):
    """The guest did what it must not do, or did not do in time what it must."""


class PythonError(AssertionError):
    """Code that a test ran in the guest raised; the message is the guest's traceback."""


@dataclass(frozen=True)
class Status:
    """How a guest left."""

    code: int  # what the program ended with: 0 after a plain power-off
    reason: str  # QMP's SHUTDOWN reason: guest-shutdown, guest-reset, guest-panic, host-signal ...


def guest_status(returned: int) -> int:
    """The guest's status in QEMU's: isa-debug-exit makes (status << 1 | 1) of it."""
    return returned >> 1 if returned & 1 else returned


class Qmp:
    """The QEMU Machine Protocol over a connected socket: commands, and the events seen so far."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.events: list[dict] = []
        self.answers: queue.Queue[dict] = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.command("qmp_capabilities")

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError), self.connection.makefile("r") as lines:
            for line in lines:
                message = json.loads(line)
                if "event" in message:
                    self.events.append(message)
                elif "QMP" not in message:
                    self.answers.put(message)

    def command(self, name: str, /, **arguments: object) -> object:
        """Run one command and return its result. Raises GuestError when QEMU refuses it."""
        text = json.dumps({"execute": name, "arguments": arguments})
        self.connection.sendall(text.encode() + b"\n")
        try:
            answer = self.answers.get(timeout=TIMEOUT)
        except queue.Empty:
            raise GuestError(f"QEMU did not answer {name}") from None
        if "error" in answer:
            raise GuestError(f"QEMU refused {name}: {answer['error']['desc']}")
        return answer["return"]

    def shutdown_reason(self) -> str:
        """The reason of the SHUTDOWN event; "" when there was none."""
        self.reader.join(timeout=TIMEOUT)
        for event in self.events:
            if event["event"] == "SHUTDOWN":
                return event["data"]["reason"]
        return ""


class Console(fdpexpect.fdspawn):
    """pexpect on a connected socket (its own socket class does not decode)."""

    def read_nonblocking(self, size: int = 1, timeout: float | None = -1) -> str:
        try:
            return super().read_nonblocking(size, timeout)
        except ConnectionResetError:
            # QEMU left with input in its hands: the end all the same.
            raise pexpect.EOF("the guest left") from None


class Guest:
    """A machine that QEMU runs; start() boots it.

    (console_log) keeps all that the console printed, as it came. With (console) "pty" or "tcp" the
    console is for another program instead: `serial` is what that connects to.
    """

    def __init__(self, machine: qemu.Machine, console_log: Path, console: str = "socket") -> None:
        self.machine = machine
        self.console_kind = console
        self.log_path = console_log
        self.directory = Path(tempfile.mkdtemp(prefix="guest-"))
        self.gdb_path = str(self.directory / "gdb")
        # What a test changes in QEMU's arguments, for what no other caller needs.
        self.edit: Callable[[list[str]], list[str]] = lambda command: command
        self.allowed: set[str] = set()
        self.process: subprocess.Popen[bytes]
        self.console: pexpect.spawnbase.SpawnBase
        self.qmp: Qmp
        self.at_prompt = False  # set by a test that leaves it running on purpose

    # --- Life ---

    def start(self) -> Guest:
        """Boot. Raises GuestError with QEMU's own words when it does not start."""
        console = self.directory / "console"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.directory / "qmp"))
        listener.listen(1)
        machine = dataclasses.replace(
            self.machine,
            serial={"socket": f"unix:{console}", "tcp": "tcp:127.0.0.1:0"}.get(
                self.console_kind, self.console_kind
            ),
            qmp=str(self.directory / "qmp"),
            paused=True,
            extra=(*self.machine.extra, "-gdb", f"unix:{self.gdb_path},server=on,wait=off"),
        )
        command = self.edit(qemu.command(machine, qemu.find_qemu()))
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self.log = self.log_path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
        self.stderr = (self.directory / "stderr").open("w+b")
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.stderr, stderr=self.stderr
        )
        if self.console_kind == "socket":
            self.connection = self._connect(console)
            self.console = Console(
                self.connection,
                timeout=TIMEOUT,
                encoding="utf-8",
                codec_errors="backslashreplace",
                maxread=65536,
            )
            self.console.logfile_read = self.log
        listener.settimeout(0.1)
        self.qmp = Qmp(self._accept(listener))
        self.qmp.command("cont")
        return self

    def _accept(self, listener: socket.socket) -> socket.socket:
        with listener:
            for _ in range(int(TIMEOUT / 0.1)):
                with contextlib.suppress(TimeoutError):
                    connection = listener.accept()[0]
                    connection.setblocking(True)
                    return connection
                if self.process.poll() is not None:
                    break
        raise GuestError(f"QEMU did not start: {self.qemu_output()}")

    @property
    def serial(self) -> str:
        """What a terminal program connects to: a path, or socket://host:port."""
        chardevs = self.qmp.command("query-chardev")
        name = next(c["filename"] for c in chardevs if c["label"] == "con")
        if self.console_kind == "pty":
            return name.removeprefix("pty:")
        return "socket://" + re.search(r"127\.0\.0\.1:\d+", name)[0]

    def _connect(self, path: Path) -> socket.socket:
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.connect(str(path))
                return connection
            except OSError:
                connection.close()
            if self.process.poll() is not None:
                break
            time.sleep(0.002)
        raise GuestError(f"QEMU did not start: {self.qemu_output()}")

    def qemu_output(self) -> str:
        self.stderr.seek(0)
        return self.stderr.read().decode(errors="replace")

    def close(self) -> bool:
        """Stop the guest if it still runs, and free what it held. True if it had to be stopped."""
        running = False
        if hasattr(self, "process"):
            running = self.process.poll() is None
            if running:
                self.process.kill()
            self.process.wait()
            for name in ("connection", "log", "stderr"):
                if hasattr(self, name):
                    getattr(self, name).close()
            if hasattr(self, "qmp"):
                self.qmp.connection.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        return running

    # --- Reading ---

    @contextlib.contextmanager
    def allow(self, *names: str):
        """Inside, the bad patterns (names) do not end a wait."""
        before = set(self.allowed)
        self.allowed |= set(names)
        try:
            yield self
        finally:
            self.allowed = before

    def expect(self, pattern: str, *, timeout: float = TIMEOUT) -> str:
        """Wait for the regular expression (pattern); returns what the console showed before it.

        The match is in `self.match`. Raises GuestError at the end of the time, at the end of the
        guest, and at a bad pattern that comes first.
        """
        bad = [text for name, text in BAD.items() if name not in self.allowed]
        patterns = [re.compile(p, re.DOTALL) for p in (pattern, *bad)]
        patterns += [pexpect.EOF, pexpect.TIMEOUT]
        index = self.console.expect_list(patterns, timeout=timeout)
        if index == 0:
            self.match = self.console.match
            return self.console.before
        what = ["", *bad, "the end of the guest", f"nothing for {timeout} s"][index]
        if 0 < index <= len(bad):
            # Take what follows along, for the log: a panic ends the guest, a traceback is short.
            self.console.expect_list([pexpect.EOF, pexpect.TIMEOUT], timeout=1)
        tail = self.tail()
        raise GuestError(f"waited for {pattern!r}, got {what!r}. The console's end:\n{tail}")

    def expect_text(self, text: str, *, timeout: float = TIMEOUT) -> str:
        """expect(), for a text that is no regular expression."""
        return self.expect(re.escape(text), timeout=timeout)

    def tail(self, lines: int = 20) -> str:
        self.log.flush()
        text = self.log_path.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:]) + self.qemu_output()

    # --- Talking ---

    def send(self, text: str) -> None:
        self.console.send(text)

    def prompt(self, *, timeout: float = TIMEOUT) -> str:
        """Wait for the prompt of a fresh boot; returns what came before."""
        before = self.expect(BANNER, timeout=timeout)
        self.expect_text(PROMPT, timeout=timeout)
        return before

    def run(self, line: str, *, timeout: float = TIMEOUT) -> str:
        """Type one line at the prompt, by echo; returns what it printed before the next one."""
        for start in range(0, len(line), PIECE):
            piece = line[start : start + PIECE]
            self.send(piece)
            self.expect_text(piece, timeout=timeout)
        self.send("\r")
        self.expect_text("\r\n", timeout=timeout)
        before = self.expect(r"(?:^|\r\n)>>> ", timeout=timeout)
        return before.replace("\r\n", "\n")

    def exec(self, code: str, *, timeout: float = TIMEOUT) -> str:
        """Run (code) in raw mode from the prompt; returns what it printed.

        Raises PythonError with the traceback when it raises.
        """
        self.send("\r\x01")
        self.expect_text("raw REPL; CTRL-B to exit\r\n>", timeout=timeout)
        self.send(code)
        self.send("\x04")
        with self.allow("traceback"):
            self.expect_text("OK", timeout=timeout)
            out = self.expect_text("\x04", timeout=timeout)
            error = self.expect_text("\x04>", timeout=timeout)
        self.send("\x02")
        self.expect_text(PROMPT, timeout=timeout)
        if error:
            raise PythonError(error.replace("\r\n", "\n"))
        return out.replace("\r\n", "\n")

    def monitor(self, line: str) -> str:
        """One command of QEMU's human monitor, such as "info registers"."""
        return str(self.qmp.command("human-monitor-command", **{"command-line": line}))

    # --- The end ---

    def status(self, *, timeout: float = TIMEOUT) -> Status:
        """Wait until the guest has left; tells how."""
        with self.allow("panic", "traceback"):
            try:
                self.console.expect_list([pexpect.EOF], timeout=timeout)
            except pexpect.TIMEOUT:
                raise GuestError(
                    f"the guest still runs after {timeout} s:\n{self.tail()}"
                ) from None
        rest = self.console.before
        returned = self.process.wait(timeout=timeout)
        code = guest_status(returned)
        printed = re.findall(r"importos: exit status (\d+)", self.log_text())
        if printed and code != int(printed[-1]) & 0x7F:
            raise GuestError(f"QEMU says status {code}, the console {printed[-1]}:\n{rest}")
        return Status(code, self.qmp.shutdown_reason())

    def log_text(self) -> str:
        self.log.flush()
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def expect_exit(self, code: int = 0, *, timeout: float = TIMEOUT) -> None:
        """Wait until the guest has left, with (code) and by its own will."""
        status = self.status(timeout=timeout)
        if status.reason == "guest-reset" or status.code != code:
            raise GuestError(f"left with {status}, not {code}. The console's end:\n{self.tail()}")


Boot = Callable[..., Guest]  # the fixture `boot`
