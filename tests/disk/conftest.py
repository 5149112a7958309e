# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Disks for guests."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import disk_images
import pytest

MIB = 1 << 20
MakeDisk = Callable[..., Path]


@pytest.fixture
def make_disk(tmp_path: Path) -> MakeDisk:
    """make_disk(size=, image=) -> a raw disk, empty or with (image) at its start."""
    numbers = itertools.count()

    def make(size: int = 4 * MIB, image: bytes = b"") -> Path:
        path = tmp_path / f"disk{next(numbers)}.img"
        path.write_bytes(image)
        with path.open("r+b") as file:
            file.truncate(max(size, len(image)))
        return path

    return make


@pytest.fixture
def littlefs_disk(make_disk: MakeDisk) -> Path:
    """A disk of 4 MiB with littlefs and one file, hello.txt."""
    return make_disk(image=disk_images.littlefs(4 * MIB, {"hello.txt": b"hello\n"}))


def attach(
    *paths: Path, machine: str = "microvm", drive: str = "", device: str = ""
) -> tuple[str, ...]:
    """QEMU's options for disks; (drive) and (device) are further properties of each."""
    bus = "device" if machine == "microvm" else "pci"
    options: list[str] = []
    for number, path in enumerate(paths):
        options += ["-drive", f"file={path},format=raw,if=none,id=d{number}{drive}"]
        options += ["-device", f"virtio-blk-{bus},drive=d{number},id=blk{number}{device}"]
    return tuple(options)
