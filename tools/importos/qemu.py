# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""The only place where a QEMU command line is built; and where QEMU and ports are looked for.

    command(Machine(kernel=Path("app.elf"), machine="microvm"), qemu="qemu-system-x86_64")

runner.py starts it; the tests and the Makefile use the same function.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import EXIT_ENVIRONMENT, failure

PROGRAM = "qemu-system-x86_64"
MACHINES = ("pc", "q35", "microvm")
ACCELERATORS = ("auto", "kvm", "hvf", "whpx", "tcg")
MINIMUM = (5, 0)
DEBUG_EXIT = "isa-debug-exit,iobase=0xf4,iosize=0x04"
APPEND_MAX = 2047
# The firmware of microvm, which comes with QEMU. It starts pc and q35 too, 20 to 30 ms sooner
# than SeaBIOS; it gives the PCI devices no addresses, so the kernel does (port/x86/pci.c).
QBOOT = "qboot.rom"


@dataclass(frozen=True, slots=True)
class Port:
    """A forwarded port: connections to host:(host_port) reach the guest's (guest_port)."""

    guest_port: int
    host_port: int
    host: str = "127.0.0.1"
    protocol: str = "tcp"

    @property
    def rule(self) -> str:
        """As QEMU's hostfwd= wants it."""
        return f"{self.protocol}:{self.host}:{self.host_port}-:{self.guest_port}"


@dataclass(frozen=True, slots=True)
class Share:
    """A folder of the host that the guest mounts at (mount_point)."""

    folder: Path
    mount_point: str = "/host"
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine to be started. (memory) is in bytes; (machine) may have QEMU's options behind a
    comma, such as "microvm,pcie=on".

    (serial) is "stdio", "pty", "null", "unix:PATH" or "tcp:HOST:PORT". With "stdio" Ctrl-A X ends
    QEMU, Ctrl-A C reaches its monitor, and Ctrl-C goes to the guest. (qmp) is the path of a unix
    socket that somebody listens at; (paused) starts nothing until QMP's `cont`. (bios) is a file
    of QEMU's or a path; "" leaves it to QEMU, which takes SeaBIOS, and QBOOT for microvm.
    """

    kernel: Path
    machine: str = "q35"
    memory: int = 64 << 20
    accel: str = "tcg"
    bios: str = ""
    cpu: str = ""
    smp: int = 1
    append: str = ""
    ports: tuple[Port, ...] = ()
    network: bool = True
    disks: tuple[Path, ...] = ()
    shares: tuple[Share, ...] = ()
    serial: str = "stdio"
    gdb: str = ""
    qmp: str = ""
    paused: bool = False
    medium: str = ""  # what (kernel) is: "" an ELF file, "raw" a disk, "iso" a disc
    extra: tuple[str, ...] = ()


def command(machine: Machine, qemu: str = PROGRAM) -> list[str]:
    """The argument list that starts (machine)."""
    mmio = machine.machine.startswith("microvm") and "pcie=on" not in machine.machine
    bus = "device" if mmio else "pci"
    args = [qemu, "-M", machine.machine, "-accel", machine.accel]
    if machine.bios:
        args += ["-bios", machine.bios]
    if machine.cpu:
        args += ["-cpu", machine.cpu]
    args += ["-m", _size(machine.memory)]
    if machine.smp != 1:
        args += ["-smp", str(machine.smp)]
    args += ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    if mmio:
        args += ["-global", "virtio-mmio.force-legacy=false"]
    args += _serial(machine.serial)
    args += ["-device", DEBUG_EXIT, "-device", f"virtio-rng-{bus}"]
    if machine.network:
        rules = [f"hostfwd={port.rule}" for port in machine.ports]
        args += ["-netdev", ",".join(["user", "id=n0", *rules])]
        # No iPXE option ROM; virtio-mmio has none anyway.
        rom = "" if bus == "device" else ",romfile="
        args += ["-device", f"virtio-net-{bus},netdev=n0{rom}"]
    args += _storage(machine, bus)
    if machine.gdb:
        args += ["-gdb", machine.gdb, "-S"]
    if machine.qmp:
        args += ["-chardev", f"socket,id=qmp,path={_escape(machine.qmp)}"]
        args += ["-mon", "chardev=qmp,mode=control"]
    if machine.paused and not machine.gdb:
        args += ["-S"]
    args += _boot_medium(machine) if machine.medium else ["-kernel", str(machine.kernel)]
    if machine.append and not machine.medium:
        args += ["-append", machine.append]
    return args + list(machine.extra)


def _boot_medium(machine: Machine) -> list[str]:
    """A disk or disc on a controller that the kernel does not look at: the others keep their
    numbers. There is no command line then: its words are items of fw_cfg."""
    kind = "ide-cd" if machine.medium == "iso" else "ide-hd"
    drive = f"file={_escape(str(machine.kernel))},format=raw,if=none,id=boot,snapshot=on"
    args = ["-drive", drive, "-device", f"{kind},drive=boot,bootindex=0"]
    options, _, arguments = f" {machine.append} ".partition(" -- ")
    words = [word.partition("=") for word in shlex.split(options)]
    items = [(key, value) for key, _, value in words]
    if arguments.strip():
        items.append(("args", arguments.strip()))
    for key, value in items:
        # QEMU takes no empty string.
        content = f"string={_escape(value)}" if value else f"file={os.devnull}"
        args += ["-fw_cfg", f"name=opt/importos/{key},{content}"]
    return args


def _storage(machine: Machine, bus: str) -> list[str]:
    args = []
    for index, disk in enumerate(machine.disks):
        drive = f"file={_escape(str(disk))},format={disk_format(disk)},if=none,id=d{index}"
        args += ["-drive", f"{drive},discard=unmap"]
        # report: the guest hears of a full host, instead of being stopped.
        args += ["-device", f"virtio-blk-{bus},drive=d{index},werror=report,rerror=report"]
    for index, share in enumerate(machine.shares):
        access = ",readonly=on" if share.read_only else ""
        path = _escape(str(share.folder))
        args += ["-fsdev", f"local,id=s{index},path={path},security_model=none{access}"]
        tag = _escape(share.mount_point)
        args += ["-device", f"virtio-9p-{bus},fsdev=s{index},mount_tag={tag}"]
    return args


def disk_format(path: Path) -> str:
    """What QEMU calls the format of a disk image. Only what says so is not raw."""
    try:
        with path.open("rb") as file:
            return "qcow2" if file.read(4) == b"QFI\xfb" else "raw"
    except OSError:
        return "raw"


def check_files(disks: Sequence[Path], shares: Sequence[Share]) -> None:
    """Raise ImageError M306 if a disk or a folder is not there, or cannot be used."""
    for disk in disks:
        _check_disk(disk)
    for share in shares:
        if not share.folder.is_dir():
            raise failure("M306", "no such folder to share", file=str(share.folder))


def _check_disk(disk: Path) -> None:
    if not disk.exists():
        hint = f"importos disk create {disk}"
        raise failure("M306", "no such disk image", file=str(disk), hints=(hint,))
    if disk.is_dir():
        hint = f"--share {disk} gives the guest a folder"
        raise failure("M306", "the disk image is a folder", file=str(disk), hints=(hint,))
    if not os.access(disk, os.R_OK | os.W_OK):
        raise failure(
            "M306",
            "you may not read and write the disk image",
            file=str(disk),
            exit_code=EXIT_ENVIRONMENT,
        )
    if disk.is_file() and not disk.stat().st_size:
        hint = f"rm {disk}; importos disk create {disk}"
        raise failure("M306", "the disk image has no bytes", file=str(disk), hints=(hint,))


def _serial(where: str) -> list[str]:
    if where == "stdio":
        # signal=off: Ctrl-C is a character for the guest, not a signal for QEMU.
        return [
            *("-chardev", "stdio,id=con,mux=on,signal=off"),
            *("-serial", "chardev:con"),
            *("-mon", "chardev=con,mode=readline"),
        ]
    if where.startswith("unix:"):
        path = _escape(where.removeprefix("unix:"))
        return ["-chardev", f"socket,id=con,path={path},server=on,wait=off", *_SERIAL_CON]
    if where.startswith("tcp:"):
        host, _, port = where.removeprefix("tcp:").rpartition(":")
        options = f"host={host or '127.0.0.1'},port={port},server=on,wait=off,nodelay=on"
        return ["-chardev", f"socket,id=con,{options}", *_SERIAL_CON]
    return ["-chardev", f"{where},id=con", *_SERIAL_CON]


_SERIAL_CON = ("-serial", "chardev:con")


def _escape(value: str) -> str:
    return value.replace(",", ",,")


def _size(memory: int) -> str:
    return f"{memory >> 20}M" if memory % (1 << 20) == 0 else f"{memory >> 10}K"


def find_qemu() -> str:
    """QEMU's program: IMPORTOS_QEMU, the PATH, or where installers put it. Raises M301."""
    import shutil

    given = os.environ.get("IMPORTOS_QEMU")
    if given:
        if shutil.which(given):
            return given
        raise failure(
            "M301",
            f"IMPORTOS_QEMU names `{given}`, which cannot be run",
            exit_code=EXIT_ENVIRONMENT,
        )
    if found := shutil.which(PROGRAM):
        return PROGRAM if os.name != "nt" else found
    for folder in (r"C:\Program Files\qemu", "/opt/homebrew/bin", "/usr/local/bin"):
        for name in (PROGRAM, PROGRAM + ".exe"):
            if (path := Path(folder) / name).is_file():
                return str(path)
    raise failure(
        "M301",
        f"QEMU was not found: there is no `{PROGRAM}`",
        hints=(install_hint(),),
        exit_code=EXIT_ENVIRONMENT,
    )


def choose_bios(machine: str) -> str:
    """QBOOT for (machine), if it lies where this QEMU looks; "" leaves the choice to QEMU."""
    import shutil

    if machine == "microvm":
        return ""
    program = shutil.which(os.environ.get("IMPORTOS_QEMU") or PROGRAM) or PROGRAM
    place = Path(program).resolve().parent
    folders = (place.parent / "share/qemu", place / "share", place)
    return QBOOT if any((folder / QBOOT).is_file() for folder in folders) else ""


def install_hint(platform: str = sys.platform) -> str:
    """How to get QEMU on this system."""
    import shutil

    if platform == "darwin":
        return "brew install qemu"
    if platform == "win32":
        return "winget install SoftwareFreedomConservancy.QEMU"
    for tool, line in (
        ("apt-get", "sudo apt install qemu-system-x86"),
        ("dnf", "sudo dnf install qemu-system-x86"),
        ("pacman", "sudo pacman -S qemu-system-x86"),
        ("zypper", "sudo zypper install qemu-x86"),
        ("apk", "apk add qemu-system-x86_64"),
    ):
        if shutil.which(tool):
            return line
    return "install your system's package of qemu-system-x86"


def check_version(qemu: str) -> tuple[int, int]:
    """QEMU's version. Raises ImageError M301 if it is too old, does not tell or does not start."""
    try:
        done = subprocess.run(
            [qemu, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=20,
        )
        told = done.stdout
    except subprocess.TimeoutExpired:
        told = "no answer within 20 s"
    except OSError as error:
        told = error.strerror or str(error)
    match = re.search(r"version (\d+)\.(\d+)", told)
    if not match:
        raise failure(
            "M301",
            "QEMU does not tell its version",
            file=qemu,
            notes=tuple(told.strip().splitlines()[-5:]),
            hints=(install_hint(),),
            exit_code=EXIT_ENVIRONMENT,
        )
    version = int(match[1]), int(match[2])
    if version < MINIMUM:
        raise failure(
            "M301",
            f"QEMU {version[0]}.{version[1]} is too old: {MINIMUM[0]}.{MINIMUM[1]} or newer is "
            "needed",
            file=qemu,
            hints=(install_hint(),),
            exit_code=EXIT_ENVIRONMENT,
        )
    return version


def choose_accel(wanted: str = "auto") -> tuple[str, str]:
    """(accelerator, why it is not a faster one). IMPORTOS_ACCEL stands in for auto."""
    if wanted == "auto":
        wanted = os.environ.get("IMPORTOS_ACCEL", "auto")
    if wanted != "auto":
        return wanted, ""
    if sys.platform == "linux":
        why = _no_kvm()
        return ("tcg", f"no KVM: {why}") if why else ("kvm", "")
    machine = os.uname().machine if hasattr(os, "uname") else "x86_64"
    if sys.platform == "darwin" and machine == "x86_64":
        return "hvf", ""
    return "tcg", ""


def _no_kvm() -> str:
    """Why KVM cannot be used, "" if it can.

    A /dev/kvm without the processor's vmx or svm is a hypervisor's substitute: it opens, and then
    fails at the first SSE instruction.
    """
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
        flags = Path("/proc/cpuinfo").read_text()
    except FileNotFoundError:
        return "there is no /dev/kvm"
    except OSError as error:
        return f"/dev/kvm cannot be opened: {error.strerror}"
    if re.search(r"\b(vmx|svm)\b", flags):
        return ""
    return "the processor offers neither vmx nor svm"


def check_ports(ports: Sequence[Port]) -> None:
    """Raise ImageError M301 if a port on the host cannot be bound."""
    import socket

    for port in ports:
        kind = socket.SOCK_STREAM if port.protocol == "tcp" else socket.SOCK_DGRAM
        with socket.socket(socket.AF_INET, kind) as probe:
            if port.protocol == "tcp" and os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((port.host, port.host_port))
                if port.protocol == "tcp":
                    probe.listen(1)
            except OSError as error:
                raise _port_error(port, error) from None


def _port_error(port: Port, error: OSError) -> Exception:
    if isinstance(error, PermissionError):
        message = f"port {port.host_port} needs more rights than you have"
        hint = f"-p {8000 + port.guest_port}:{port.guest_port} takes a port that anyone may use"
    else:
        owner = port_owner(port)
        message = f"port {port.host_port} is in use" + (f" by {owner}" if owner else "")
        if not isinstance(error, OSError) or error.errno not in (48, 98, 10048):
            message = f"port {port.host_port} on {port.host} cannot be used: {error.strerror}"
        hint = f"-p {port.host_port + 1}:{port.guest_port} takes another one"
    return failure("M301", message, hints=(hint,), exit_code=EXIT_ENVIRONMENT)


def port_owner(port: Port) -> str:
    """ "PID 4711 (python3)" for who has the port, "" if that cannot be told (Linux only)."""
    inodes = set()
    for table in (port.protocol, port.protocol + "6"):
        try:
            lines = Path("/proc/net", table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            listens = port.protocol == "udp" or fields[3] == "0A"
            if listens and int(fields[1].rpartition(":")[2], 16) == port.host_port:
                inodes.add(f"socket:[{fields[9]}]")
    if not inodes:
        return ""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(fd) in inodes for fd in (process / "fd").iterdir()):
                return f"PID {process.name} ({(process / 'comm').read_text().strip()})"
        except OSError:
            continue
    return ""
