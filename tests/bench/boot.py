# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Boot to the first line of Python; the smallest memory; sizes; the time that mkimage takes."""

from __future__ import annotations

import lzma
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from . import targets
from .measure import Measure, Row, Samples, interleaved
from .running import Guest, GuestError, Settings
from .targets import Target

WALL = Measure("first line, exec to console", "ms")
CPU = Measure("first line, CPU of QEMU", "ms")
RESIDENT = Measure("QEMU's memory at the first line", "MiB")
INSTRUCTIONS = Measure("boot and power-off, guest instructions", "million")
MEMORY_MIN = Measure("smallest memory", "MiB")
SIZE = Measure("bytes to ship", "KiB")
SIZE_XZ = Measure("bytes to ship, xz", "KiB")
MKIMAGE = Measure("mkimage, cold", "ms")


def boot(settings: Settings) -> list[Row]:
    """Start QEMU; when does the first line that Python prints arrive? Our kernel is what mkimage
    chooses for the script."""

    def take(target: Target, machine: str) -> Samples:
        with Guest(settings, target, target.source("hello"), machine=machine) as guest:
            wall = guest.wait()
            return {WALL: wall * 1e3, CPU: guest.cpu() * 1e3, RESIDENT: guest.memory_mib()}

    def count(target: Target, machine: str) -> Samples:
        return {INSTRUCTIONS: boot_instructions(settings, target, machine) / 1e6}

    left_out = "importos-net", "empty"
    settings.targets = [
        replace(t, flavour="auto") for t in settings.targets if t.name not in left_out
    ]
    settings.targets.append(Target("empty"))
    return interleaved(settings, take, 3 * settings.runs) + interleaved(settings, count, 1)


def boot_instructions(settings: Settings, target: Target, machine: str, app: str = "hello") -> int:
    """Guest instructions of a whole life: reset, (app), power-off. The same in every run for an
    image of ours: time is counted in instructions too, and the console takes none."""
    source = target.source(app)
    with Guest(settings, target, source, machine=machine, count="exact", icount=True) as guest:
        guest.wait_end(settings.timeout * 8)
        return guest.instructions()


def mem(settings: Settings) -> list[Row]:
    """The smallest memory, in whole MiB, with which hello and the DNS server start."""
    rows = []
    for chosen in settings.targets:
        target = replace(chosen, flavour="auto")
        for machine in settings.machines:
            for app in ("hello", "dns_server"):
                if target.runs(app):
                    smallest = float(smallest_memory(settings, target, machine, app))
                    measure = Measure(f"{MEMORY_MIN.name}, {app}", MEMORY_MIN.unit)
                    rows.append(Row(measure, machine, target.name, smallest, [smallest]))
    return rows


def smallest_memory(settings: Settings, target: Target, machine: str, app: str) -> int:
    """In MiB, found by halving."""

    def works(mebibytes: int) -> bool:
        wire = settings.wire("udp5353") if app != "hello" else None
        try:
            with Guest(
                settings,
                target,
                target.source(app),
                machine=machine,
                wire=wire,
                memory=mebibytes << 20,
            ) as guest:
                guest.wait(timeout=15)
                return True
        except GuestError:
            return False
        finally:
            if wire:
                wire.close()

    low, high = 0, 256
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(middle) else (middle, high)
    return high


def size(settings: Settings) -> list[Row]:
    """What has to be shipped: kernel and initramfs, or our one file, with the DNS server."""
    rows = []
    for target in settings.targets:
        if target.linux:
            initrd = target.initrd_path()
            compressed = targets.GUESTS / f"vmlinuz{'-tiny' if target.tiny else ''}"
            parts = [compressed, initrd]
        elif target.name == "importos":
            # Its own style, as IncludeOS's server is in its own.
            source = Target("importos-net").source("dns_server")
            parts = [targets.image(source, settings.directory, "auto", compress=True)]
        else:
            continue
        data = [part.read_bytes() for part in parts]
        plain = sum(map(len, data)) / 1024
        packed = sum(len(lzma.compress(d, preset=6)) for d in data) / 1024
        rows.append(Row(SIZE, "-", target.name, plain, [plain]))
        rows.append(Row(SIZE_XZ, "-", target.name, packed, [packed]))
    return rows


def mkimage(settings: Settings) -> list[Row]:
    """The time of `mkimage hello.py`, a process of its own."""
    script = Path(settings.directory) / "mkimage_hello.py"
    script.write_text(Target("importos").source("hello"), encoding="utf-8")
    command = [sys.executable, "-m", "importos", "build", str(script), "--output", f"{script}.elf"]
    times = []
    for _ in range(max(settings.runs, 5)):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append((time.perf_counter() - start) * 1e3)
    return [Row(MKIMAGE, "-", "importos", sorted(times)[len(times) // 2], times)]
