# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""One guest that runs, with a stop watch on it.

tests/guest.py is for tests: it starts a guest stopped, on sockets. This one is started as a user
would start it, because the time to the first line is what counts, and knows both kinds of guest.
"""

from __future__ import annotations

import mmap
import re
import select
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from importos import qemu

from . import host, targets
from .network import Network
from .targets import Target

READY = re.compile(rb"READY")
# With RDRAND the pool of random numbers is ready at once: CPython waits a second for it otherwise.
CPU = "qemu64,+rdrand"
ICOUNT = ("-icount", "shift=0,sleep=off", "-rtc", "base=2020-01-01,clock=vm")


@dataclass
class Settings:
    """What all measurements of one run share. (memory) is in bytes, times are in seconds. (bios)
    is QEMU's -bios for every guest on pc and q35; None: what `importos run` takes."""

    targets: list[Target] = field(default_factory=list)
    machines: list[str] = field(default_factory=lambda: ["pc"])
    runs: int = 3
    memory: int = 256 << 20
    bios: str | None = None
    network: str = "user"
    timeout: float = 60.0
    seconds: float = 4.0
    quiet: float = 0.0
    verbose: bool = False

    @cached_property
    def temporary(self) -> tempfile.TemporaryDirectory:
        return tempfile.TemporaryDirectory(prefix="bench-")

    @property
    def directory(self) -> Path:
        return Path(self.temporary.name)

    @cached_property
    def tsc_khz(self) -> int:
        return host.tsc_khz()

    def wire(self, *ports: int | str) -> Network:
        return Network(self.network, ports)


class GuestError(Exception):
    """The guest did not print what was awaited; the message holds the end of its console."""


class Guest:
    """A started guest; use it in `with`. (count) counts instructions: "" not, "blocks" for a
    translated block at a time, "exact" for each one; or the blocks that are "translated". (extra)
    are further arguments of QEMU, (properties) of its network card, such as ",csum=off"."""

    def __init__(
        self,
        settings: Settings,
        target: Target,
        source: str,
        *,
        machine: str = "pc",
        wire: Network | None = None,
        memory: int = 0,
        count: str = "",
        icount: bool = False,
        heap: str = "",
        files: dict[str, bytes] | None = None,
        extra: list[str] | None = None,
        properties: str = "",
    ) -> None:
        self.name = target.name
        self.settings = settings
        self.output = b""
        self.counter: mmap.mmap | None = None
        prepared = targets.prepare(
            target, source, machine, settings.directory,
            wire=wire, icount=icount, tsc_khz=settings.tsc_khz, heap=heap, files=files,
        )  # fmt: skip
        extra = [*prepared.extra, *(extra or [])]
        if wire:
            device = "device" if machine == "microvm" else "pci,romfile="
            card = f"virtio-net-{device},netdev=n0{properties}"
            extra += ["-netdev", wire.netdev(), "-device", card]
        if icount:
            extra += ICOUNT
        if count:
            extra += self._count(count)
        command = qemu.command(
            qemu.Machine(
                kernel=prepared.kernel,
                machine=machine,
                bios=self._bios(machine),
                memory=memory or settings.memory,
                cpu=CPU,
                append=prepared.append,
                network=False,
                serial="stdio,signal=off",
                extra=tuple(extra),
            ),
            targets.find_qemu(),
        )
        command = (wire.prefix() if wire else []) + command
        if settings.verbose:
            print("+", *command, file=sys.stderr)
        self.start = time.perf_counter()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        host.live.add(self.process.pid)

    def _bios(self, machine: str) -> str:
        if self.settings.bios is None or machine == "microvm":
            return qemu.choose_bios(machine)
        return self.settings.bios

    def _count(self, how: str) -> list[str]:
        path = self.settings.directory / "count"
        path.write_bytes(bytes(4096))
        with path.open("r+b") as file:
            self.counter = mmap.mmap(file.fileno(), 4096)
        option = "" if how == "blocks" else f",{how}=on"
        plugin = targets.plugin(self.settings.directory)
        return ["-plugin", f"{plugin},count={path}{option}"]

    def instructions(self) -> int:
        """Guest instructions executed so far, or blocks translated, as (count) said. 0: not
        counted."""
        return struct.unpack_from("<Q", self.counter)[0] if self.counter else 0

    def cpu(self) -> float:
        """CPU seconds of QEMU so far."""
        return host.cpu_seconds(self.process.pid)

    def memory_mib(self) -> float:
        """QEMU's resident memory at its highest, in MiB."""
        found = host.memory_mib(self.process.pid)
        return found[1] if found else 0.0

    def wait(self, pattern: re.Pattern[bytes] = READY, timeout: float = 0.0) -> float:
        """Seconds from the start until the console shows (pattern). Raises GuestError."""
        end = time.perf_counter() + (timeout or self.settings.timeout)
        while not pattern.search(self.output):
            if not self._read(end):
                time.sleep(0.05)  # one that ends closes its console first
                ended = "it ended" if self.process.poll() is not None else "it still runs"
                tail = self.output[-1500:].decode("utf-8", "replace")
                raise GuestError(f"{self.name}: no {pattern.pattern!r}, {ended}:\n{tail}")
        return time.perf_counter() - self.start

    def wait_end(self, timeout: float = 0.0) -> str:
        """Wait until the guest has ended; returns all that it printed. Raises GuestError."""
        end = time.perf_counter() + (timeout or self.settings.timeout)
        while self._read(end):
            pass
        if time.perf_counter() >= end:
            raise GuestError(f"{self.name}: still runs")
        self.process.wait(timeout=30)
        return self.output.decode("utf-8", "replace").replace("\r", "")

    def _read(self, end: float) -> bool:
        """Take what the console has. False at the end of the time or of the guest."""
        stream = self.process.stdout
        left = end - time.perf_counter()
        if left <= 0 or not select.select([stream], [], [], left)[0]:
            return False
        data = stream.read1(65536)
        self.output += data
        return bool(data)

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        host.live.discard(self.process.pid)
