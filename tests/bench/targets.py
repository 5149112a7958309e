# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""What is booted: an image of ours, a Linux guest, or the emptiest ELF; all run the same script.

importos          mkimage makes an image of the script
importos-net      the same with the script's twin NAME_net.py, on callbacks, where there is one
linux-mpy         Debian's cloud kernel and MicroPython (linux_guests.py made it)
linux-cpy         the same with CPython
linux-tiny-mpy    MicroPython on a kernel configured by hand (linux_guests.py --tiny)
empty             prints the first line and ends: what the emulator itself costs
"""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from importos import qemu
from importos.mkimage import BuildOptions, build_image, write_image

from . import network
from .cpio import Cpio

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
APPS = HERE / "apps"
GUESTS = ROOT / "build/bench/guests"
NAMES = (
    "importos", "importos-net", "linux-mpy", "linux-cpy", "linux-tiny-mpy", "linux-tiny-cpy",
    "empty",
)  # fmt: skip

# What an engineer who wants a fast boot tells the kernel, measured word by word.
LINUX_WORDS = "console=ttyS0 quiet panic=-1 reboot=t tsc=reliable mitigations=off no_timer_check"
LINUX_STOCK_WORDS = (
    "random.trust_cpu=on cryptomgr.notests 8250.nr_uarts=1 audit=0 lsm=capability ipv6.disable=1 "
    "nowatchdog rcupdate.rcu_expedited=1 initcall_blacklist=jent_mod_init,"
    "load_system_certificate_list,init_kprobe_trace"
)


class BenchError(Exception):
    """What went wrong and what to do about it."""


@dataclass(frozen=True)
class Target:
    """One of NAMES. (files) in the functions below are a Linux guest's /app instead of main.py.

    (flavour) is that of our kernel; "auto" is what mkimage takes by itself.
    """

    name: str
    flavour: str = "full"

    @property
    def linux(self) -> bool:
        return self.name.startswith("linux-")

    @property
    def tiny(self) -> bool:
        return self.name.startswith("linux-tiny-")

    @property
    def cpython(self) -> bool:
        return self.name.endswith("-cpy")

    def source(self, app: str) -> str:
        """The script called (app); importos-net takes its twin."""
        twin = APPS / f"{app}_net.py"
        if self.name == "importos-net" and twin.is_file():
            return twin.read_text("utf-8")
        return (APPS / f"{app}.py").read_text("utf-8")

    def runs(self, app: str) -> bool:
        """Whether (app) is this target's: importos-net runs only what has a twin."""
        return self.name != "importos-net" or (APPS / f"{app}_net.py").is_file()

    def kernel_path(self) -> Path:
        return GUESTS / ("vmlinux-tiny" if self.tiny else "vmlinux")

    def initrd_path(self) -> Path:
        return GUESTS / f"linux-{'cpy' if self.cpython else 'mpy'}.cpio"

    def check(self) -> None:
        """Raises BenchError when a Linux guest has not been made."""
        if not self.linux:
            return
        for path in (self.kernel_path(), self.initrd_path()):
            if not path.is_file():
                tiny = " TINY=1" if self.tiny else ""
                raise BenchError(f"{self.name}: no {path.name}; type: make bench-guests{tiny}")


@dataclass
class Prepared:
    """A target that is ready to be started: its part of QEMU's command line."""

    kernel: Path
    append: str = ""
    extra: list[str] = field(default_factory=list)


def prepare(
    target: Target,
    source: str,
    machine: str,
    directory: Path,
    *,
    wire: network.Network | None = None,
    icount: bool = False,
    tsc_khz: int = 0,
    heap: str = "",
    files: dict[str, bytes] | None = None,
) -> Prepared:
    """Put (source) into the target; files that this needs are made in (directory)."""
    if target.name == "empty":
        return Prepared(empty_elf(directory))
    if not target.linux:
        append = f"ip={wire.addresses[0]}/24 gateway={wire.addresses[1]}" if wire else ""
        return Prepared(image(source, directory, target.flavour), append)
    archive = Cpio()
    archive.directory("app")
    for name, data in (files or {"main.py": source.encode()}).items():
        archive.file(f"app/{name}", data)
    if heap and not target.cpython and not files:
        archive.file("app/run.sh", f"/usr/bin/micropython -X heapsize={heap} main.py\n".encode())
    initrd = directory / f"{target.name}.cpio"
    initrd.write_bytes(target.initrd_path().read_bytes() + archive.finish())
    extra = ["-initrd", str(initrd)]
    if target.tiny and machine == "microvm":
        extra += ["-machine", "acpi=off"]
    append = _linux_append(target, machine, wire, 1_000_000 if icount else tsc_khz)
    return Prepared(target.kernel_path(), append, extra)


def _linux_append(target: Target, machine: str, wire: network.Network | None, tsc_khz: int) -> str:
    words = [LINUX_WORDS] if target.tiny else [LINUX_WORDS, LINUX_STOCK_WORDS]
    if tsc_khz:
        words.append(f"tsc_early_khz={tsc_khz}")
    if wire:
        bus = "builtin" if target.tiny else "mmio" if machine == "microvm" else "pci"
        address, gateway = wire.addresses
        words.append(f"net={bus} addr={address} mask={network.MASK} gw={gateway} nofile=16384")
    return " ".join(words)


def image(source: str, directory: Path, flavour: str = "full", *, compress: bool = False) -> Path:
    """The image of a script, with that (flavour) of the kernel; made once for each."""
    name = hashlib.sha256(f"{flavour} {compress} {source}".encode()).hexdigest()[:16]
    path = directory / f"{name}.elf"
    if not path.is_file():
        script = directory / f"{name}.py"
        script.write_text(source, encoding="utf-8")
        # perf_bench's scripts import a module that they make themselves, and a mistake in a script
        # shall end the guest, not lead to the prompt.
        options = BuildOptions(
            entry=script,
            optional=("__injected",),
            boot={"on-crash": "poweroff"},
            flavour=flavour,
            compress=compress,
        )
        write_image(build_image(options), path)
    return path


@lru_cache
def empty_elf(directory: Path) -> Path:
    """The ELF that prints READY and ends."""
    path = directory / "empty.elf"
    flags = "-m32 -nostdlib -static -Wl,-n,-Ttext=0x100000,--build-id=none"
    subprocess.run(["cc", *flags.split(), "-o", path, HERE / "empty.S"], check=True)
    return path


@lru_cache
def plugin(directory: Path) -> Path:
    """The TCG plugin that counts instructions."""
    path = directory / "insncount.so"
    subprocess.run(["cc", "-O2", "-fPIC", "-shared", "-o", path, HERE / "insncount.c"], check=True)
    return path


@lru_cache
def find_qemu() -> str:
    return qemu.find_qemu()
