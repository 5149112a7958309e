# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Looks into finished images, and at this installation: info, ls, tree, cat, doctor."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import __version__, compress, disk_boot, elf, freeze, kernel, mkimage, payload, qemu, romfs
from .errors import EXIT_ENVIRONMENT, ImageError, failure
from .modules import display, read_source
from .symbolize import Symbols, parse_symbols, read_symbols

IMAGE_MAX = 4 << 30
FORMATS = {
    "elf": "ELF64 for Multiboot 1 and PVH",
    "raw": "a disk that a BIOS boots",
    "iso": "a disc or stick that a BIOS boots",
}


@dataclass(frozen=True, slots=True)
class OpenImage:
    """An image that was read and checked; (data) is not compressed."""

    path: Path
    data: bytes
    kernel: elf.Kernel
    payload: payload.Payload
    files: dict[str, bytes]
    file: bytes  # as it is, (data) unless it is compressed

    @property
    def memory(self) -> int:
        """Bytes of memory that its maker gave the machine."""
        memory = self.payload.record.get("memory")
        return memory if isinstance(memory, int) else mkimage.MEMORY_DEFAULT

    def check_memory(self, memory: int) -> None:
        """Raise ImageError M301 if a machine with (memory) bytes is too small."""
        least = self.payload.record.get("memory_min")
        mkimage.check_memory(
            self.kernel, memory, least if isinstance(least, int) else kernel.MEMORY_MIN
        )


def open_image(path: Path) -> OpenImage:
    """Read an image. Raises ImageError M001 or M303."""
    shown = display(path)
    try:
        if path.stat().st_size > IMAGE_MAX:
            raise failure("M303", "the file is too large for an image", file=shown)
        data = path.read_bytes()
    except FileNotFoundError:
        raise failure("M001", f'image "{shown}" does not exist') from None
    except OSError as error:
        raise failure(
            "M003",
            f"the image cannot be read: {error.strerror}",
            file=shown,
            exit_code=EXIT_ENVIRONMENT,
        ) from None
    try:
        plain = compress.unpack(disk_boot.unwrap(data))
        parsed, content = payload.read(plain)
        files = romfs.read(content.romfs) if content.romfs else {}
    except (elf.ElfError, payload.PayloadError, romfs.RomfsError) as error:
        raise failure(
            "M303",
            f"this is not a whole ImportOS image: {error}",
            file=shown,
            hints=("make it again with mkimage",),
        ) from None
    return OpenImage(path, plain, parsed, content, files, data)


def describe(image: OpenImage) -> dict:
    """What `importos info` tells, as plain data."""
    offset = image.payload.offset
    kernel_bytes = elf.kernel_part(image.data, offset)
    record = image.payload.record
    return {
        "schema": 1,
        "image": {
            "path": str(image.path),
            "format": disk_boot.format_of(image.path),
            "arch": "x86_64",
            "size": len(image.file),
            "sha256": hashlib.sha256(image.file).hexdigest(),
            "memory_end": image.kernel.memory_end,
        },
        "kernel": {
            **record.get("kernel", {}),
            "size": offset,
            "sha256": hashlib.sha256(kernel_bytes).hexdigest(),
        },
        "payload": {
            "size": image.payload.size,
            "sha256": hashlib.sha256(image.data[offset:]).hexdigest(),
            "options": image.payload.options,
            "files": len(image.files),
        },
        "tools": record.get("tools", ""),
        "entry": record.get("entry", ""),
        "memory": image.memory,
        "packages": record.get("packages", []),
    }


def info_json(path: Path) -> str:
    """`importos info --json`."""
    return json.dumps(describe(open_image(path)), indent=1)


def info_text(path: Path) -> str:
    """`importos info`."""
    told = describe(open_image(path))
    image, kern, load = told["image"], told["kernel"], told["payload"]
    stated = told["kernel"].get("version", "unknown")
    rows = [
        ("image", f"{image['path']}: {image['size']} bytes, {FORMATS[image['format']]}"),
        ("sha256", image["sha256"]),
        ("kernel", f"ImportOS {stated} {kern.get('commit', '')}".rstrip()),
        (
            "",
            f"MicroPython {kern.get('micropython', 'unknown')}, "
            f"flavour {kern.get('flavour', 'unknown')}, {kern['size']} bytes",
        ),
        ("sha256", kern["sha256"]),
    ]
    for item in kern.get("upstream", []):
        digest = f" sha256 {item['sha256']}" if item.get("sha256") else ""
        rows.append(("upstream", f"{item.get('name')} {item.get('version')}{digest}"))
    rows += [
        ("payload", f"{load['size']} bytes, {load['files']} files"),
        ("sha256", load["sha256"]),
        ("entry", told["entry"] or "none: the prompt"),
        ("packages", ", ".join(told["packages"]) or "none"),
        ("options", load["options"] or "none"),
        (
            "memory",
            f"{told['memory'] >> 20} MiB; loaded up to {image['memory_end'] / (1 << 20):.1f}",
        ),
        ("made by", f"importos {told['tools']}"),
    ]
    return "\n".join(f"{name:>9}  {value}" for name, value in rows)


def list_lines(path: Path, folder: str) -> Iterator[str]:
    """`importos ls`: size and path, one file a line."""
    prefix = _rom_path(folder)
    image = open_image(path)
    found = {
        name: data
        for name, data in image.files.items()
        if not prefix or name == prefix or name.startswith(prefix + "/")
    }
    if not found and prefix:
        raise failure("M001", f"the image has no `{folder}`", file=display(path))
    for name, data in found.items():
        yield f"{len(data):>9}  {mkimage.ROM}/{name}"


def tree_lines(path: Path) -> Iterator[str]:
    """`importos tree`: folders and files, indented."""
    image = open_image(path)
    yield mkimage.ROM
    previous: list[str] = []
    for name, data in image.files.items():
        parts = name.split("/")
        for depth, part in enumerate(parts[:-1]):
            if previous[: depth + 1] != parts[: depth + 1]:
                yield f"{'    ' * (depth + 1)}{part}/"
        yield f"{'    ' * len(parts)}{parts[-1]}  ({len(data)})"
        previous = parts[:-1]


def file_bytes(path: Path, name: str) -> bytes:
    """`importos cat`: one file of the ROM."""
    image = open_image(path)
    try:
        return image.files[_rom_path(name)]
    except KeyError:
        raise failure(
            "M001",
            f"the image has no file `{name}`",
            file=display(path),
            hints=(f"importos ls {display(path)}",),
        ) from None


def _rom_path(name: str) -> str:
    return name.removeprefix(mkimage.ROM).strip("/") if name.startswith("/") else name.strip("/")


def symbols_for(path: Path | None) -> Symbols:
    """The symbols of an ELF, of the packaged kernel in an image, or of the packaged kernel."""
    name: str | None = "full"
    if path is not None:
        try:
            found = read_symbols(read_source(path, display(path)))
        except ValueError as error:
            raise failure("M303", f"cannot be read: {error}", file=display(path)) from None
        if found:
            return Symbols(found)
        digest = describe(open_image(path))["kernel"]["sha256"]
        name = next((n for n, m in kernel.flavours().items() if m.sha256 == digest), None)
        if name is None:
            raise failure(
                "M303",
                "the image's kernel is not the one that came with these tools",
                file=display(path),
                hints=("give the kernel's ELF file that has the symbols",),
            )
    where = kernel.load(None, name).path.with_suffix(".sym")
    try:
        return Symbols(parse_symbols(where.read_text()))
    except (OSError, ValueError) as error:
        raise failure(
            "M302", f"the kernel's symbols cannot be read: {error}", file=str(where), exit_code=3
        ) from None


def doctor(kernel_path: Path | None) -> tuple[list[str], bool]:
    """Lines that tell the state of this installation, and whether an app can be built and run."""
    checks = (
        ("tools", lambda: f"importos {__version__}, Python {sys.version.split()[0]}"),
        ("kernel", lambda: _doctor_kernel(kernel_path)),
        ("mpy-cross", lambda: _doctor_mpy_cross(kernel_path)),
        ("qemu", _doctor_qemu),
        ("speed", _doctor_speed),
        ("output", _doctor_output),
    )
    lines, healthy = [], True
    for name, check in checks:
        try:
            lines.append(f"  ok  {name:<10} {check()}")
        except ImageError as error:
            healthy = False
            for diagnostic in error.diagnostics:
                lines.append(f"FAIL  {name:<10} {diagnostic.message}")
                lines += [f"      {'':<10} {text}" for text in diagnostic.notes + diagnostic.hints]
    return lines, healthy


def _doctor_kernel(path: Path | None) -> str:
    loaded = kernel.load(path)
    meta = loaded.meta
    return (
        f"ImportOS {meta.version} {meta.commit}, MicroPython {meta.micropython}, "
        f"{loaded.elf.size >> 10} KiB, {len(meta.names)} modules, "
        f"flavours {', '.join(kernel.flavours(path))}"
    )


def _doctor_mpy_cross(path: Path | None) -> str:
    try:
        mpy = kernel.load(path).meta.mpy
    except ImageError:  # which another line tells
        return f"{freeze.find_mpy_cross().name}; whether it fits, the kernel would say"
    unit = freeze.Unit("check.py", "check.py", b"x = 1\n")
    result = freeze.compile_units([unit], 2, mpy)[0]
    return f".mpy v{result.mpy[1]}, as the kernel wants ({freeze.find_mpy_cross().name})"


def _doctor_qemu() -> str:
    program = qemu.find_qemu()
    major, minor = qemu.check_version(program)
    return f"{program} {major}.{minor}"


def _doctor_speed() -> str:
    accel, why = qemu.choose_accel()
    return accel + (f" ({why})" if why else "")


def _doctor_output() -> str:
    if not os.access(".", os.W_OK):
        raise failure("M304", "this folder cannot be written to", exit_code=EXIT_ENVIRONMENT)
    return "this folder can be written to"
