# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Files on a disk: littlefs beside ext4, FAT on both; what a disk costs in memory and at boot."""

from __future__ import annotations

import subprocess
from pathlib import Path

from importos import disk as images

from . import targets
from .measure import Measure, Row, Samples, interleaved
from .running import Guest, GuestError, Settings
from .targets import BenchError, Target

MODULES = ("virtio_blk", "fat", "vfat", "nls_cp437", "nls_ascii", "nls_utf8")
SIZE = 64 << 20
BOOTS = 9
BLOCKS_BOOTS = 4
WORK = {
    "appends": ("synced appends of 64 bytes", "1/s"),
    "write": ("write, 32 KiB at once, synced", "MB/s"),
    "read": ("read, 32 KiB at once", "MB/s"),
    "random-read": ("read, 4 KiB at random", "1/s"),
    "random-write": ("write, 4 KiB at random, synced", "1/s"),
}
NATIVE, FAT = "littlefs or ext4", "FAT"
BOOT = Measure("boot time that a disk adds", "ms")
BOOT_CPU = Measure("boot, CPU of QEMU that a disk adds", "ms")
BOOT_COUNT = Measure("boot instructions that a disk adds", "million")
BOOT_BLOCKS = Measure("boot, blocks of code that a disk adds", "blocks")
MEMORY = Measure("memory kept for a disk", "KiB")
BOOT_APP = "print('READY')\n"
MEMORY_APP = "from machine import Disk\nprint('KEPT', Disk(0).info().memory)\n"


def disk(settings: Settings) -> list[Row]:
    """Each work on each file system in turns, with QEMU's own options for a disk."""

    def take(target: Target, machine: str) -> Samples:
        samples: Samples = {}
        for kind in (NATIVE, FAT):
            for name, value in work(settings, target, machine, kind).items():
                text, unit = WORK[name]
                samples[Measure(f"{text}, {kind}", unit, lower_is_better=False)] = value
        return samples

    def costs(target: Target, machine: str) -> Samples:
        # The least of some boots in turns: what else the machine does only adds to one.
        boots = [
            [boot_times(settings, target, machine, with_disk) for with_disk in (True, False)]
            for _ in range(BOOTS)
        ]
        wall, cpu = (
            min(pair[0][n] for pair in boots) - min(pair[1][n] for pair in boots) for n in (0, 1)
        )
        return {BOOT: wall, BOOT_CPU: cpu}

    def once(target: Target, machine: str) -> Samples:
        with_disk = boot_count(settings, target, machine, True)
        plain = boot_count(settings, target, machine, False)
        return {
            BOOT_COUNT: (with_disk - plain) / 1e6,
            BOOT_BLOCKS: boot_blocks(settings, target, machine),
            MEMORY: memory_kept(settings, target, machine) / 1024,
        }

    settings.targets = [t for t in settings.targets if t.name in ("importos", "linux-mpy")]
    rows = interleaved(settings, take)
    settings.targets = [t for t in settings.targets if not t.linux]
    return rows + interleaved(settings, costs, settings.runs) + interleaved(settings, once, 1)


def work(settings: Settings, target: Target, machine: str, kind: str) -> dict[str, float]:
    """What apps/disk.py prints."""
    path = make_disk(settings, target, kind)
    with Guest(
        settings,
        target,
        target.source("disk"),
        machine=machine,
        files=linux_files(target, kind) if target.linux else None,
        extra=attach(path, machine),
    ) as guest:
        lines = guest.wait_end(settings.timeout * 4).split("\n")
    words = [line.split() for line in lines]
    values = {word[0]: float(word[1]) for word in words if len(word) == 2 and word[0] in WORK}
    if "END" not in lines or values.keys() != WORK.keys():
        raise GuestError(f"{target.name}: no END:\n" + "\n".join(lines[-20:]))
    return values


def make_disk(settings: Settings, target: Target, kind: str) -> Path:
    """A fresh disk with the file system (kind) of (target)."""
    path = settings.directory / "disk.img"
    path.unlink(missing_ok=True)
    if target.linux and kind == NATIVE:
        with path.open("wb") as file:
            file.truncate(SIZE)
        subprocess.run(["/usr/sbin/mke2fs", "-q", "-t", "ext4", path], check=True)
    else:
        images.create(path, SIZE, "fat" if kind == FAT else "littlefs")
    return path


def attach(path: Path, machine: str) -> list[str]:
    """As `importos run --disk` attaches it."""
    bus = "device" if machine == "microvm" else "pci"
    return [
        *("-drive", f"file={path},format=raw,if=none,id=d0,discard=unmap"),
        *("-device", f"virtio-blk-{bus},drive=d0,werror=report,rerror=report"),
    ]


def linux_files(target: Target, kind: str) -> dict[str, bytes]:
    """/app of a Linux guest: the script, and what mounts the disk before it."""
    folder = targets.GUESTS / "modules"
    if not folder.is_dir():
        raise BenchError("the Linux guests have no modules for disks; type: make bench-guests")
    lines = [f"$b insmod /app/{name}.ko" for name in MODULES]
    how = "vfat" if kind == FAT else "ext4"
    lines += ["$b mkdir /data", f"$b mount -t {how} /dev/vda /data"]
    lines += ["/usr/bin/micropython -X heapsize=16M main.py", "$b umount /data", ""]
    modules = {f"{name}.ko": (folder / f"{name}.ko").read_bytes() for name in MODULES}
    script = target.source("disk").encode()
    return {"main.py": script, "run.sh": "\n".join(lines).encode(), **modules}


def small_disk(settings: Settings, with_disk: bool, machine: str) -> list[str]:
    path = settings.directory / "boot.img"
    if not path.is_file():
        images.create(path, SIZE, "littlefs")
    return attach(path, machine) if with_disk else []


def boot_times(
    settings: Settings, target: Target, machine: str, with_disk: bool
) -> tuple[float, float]:
    """Exec of QEMU to the first line: milliseconds of wall time, and of QEMU's CPU."""
    extra = small_disk(settings, with_disk, machine)
    with Guest(settings, target, BOOT_APP, machine=machine, extra=extra) as guest:
        wall = guest.wait()
        return wall * 1e3, guest.cpu() * 1e3


def boot_count(settings: Settings, target: Target, machine: str, with_disk: bool) -> int:
    """The life of an app that prints a line; with a disk it is mounted before."""
    extra = small_disk(settings, with_disk, machine)
    with Guest(settings, target, BOOT_APP, machine=machine, extra=extra, count="exact") as guest:
        guest.wait_end(settings.timeout * 2)
        return guest.instructions()


def boot_blocks(settings: Settings, target: Target, machine: str) -> int:
    """The blocks of code that QEMU translates for a disk, from its mounting to its last sync.

    Under -icount, and the least of some boots: a disk that is slow to answer adds some.
    """
    least = []
    for with_disk in (True, False):
        extra = small_disk(settings, with_disk, machine)
        counts = []
        for _ in range(BLOCKS_BOOTS):
            with Guest(
                settings, target, BOOT_APP, machine=machine, extra=extra, count="translated",
                icount=True,
            ) as guest:  # fmt: skip
                guest.wait_end(settings.timeout * 2)
                counts.append(guest.instructions())
        least.append(min(counts))
    return least[0] - least[1]


def memory_kept(settings: Settings, target: Target, machine: str) -> int:
    """Bytes of cache and queue, as the disk itself tells."""
    extra = small_disk(settings, True, machine)
    with Guest(settings, target, MEMORY_APP, machine=machine, extra=extra) as guest:
        return int(guest.wait_end().partition("KEPT ")[2].split()[0])
