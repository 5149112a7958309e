# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Disk images and discs start by the PC's BIOS, from every kind of drive that it knows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support import run_tool

APP = "import os, sys\nprint('started', os.getenv('COLOUR'), sys.argv[1:])\nsys.exit(9)\n"
DRIVES = {
    "disc": ("iso", ("ide-cd,drive=b",)),
    "disc as a disk": ("iso", ("virtio-blk-pci,drive=b,bootindex=0",)),
    "disc as a stick": ("iso", ("qemu-xhci", "usb-storage,drive=b")),
    "ide or ahci": ("raw", ("ide-hd,drive=b",)),
    "virtio-blk": ("raw", ("virtio-blk-pci,drive=b,bootindex=0",)),
    "virtio-scsi": ("raw", ("virtio-scsi-pci", "scsi-hd,drive=b")),
    "nvme": ("raw", ("nvme,drive=b,serial=1",)),
    "stick": ("raw", ("qemu-xhci", "usb-storage,drive=b")),
}


def from_drive(file: Path, devices: tuple[str, ...]) -> Callable[[list[str]], list[str]]:
    """What makes a command line that boots a kernel boot the (file)."""
    options = ["-drive", f"file={file},format=raw,if=none,id=b,snapshot=on"]
    for device in devices:
        options += ["-device", device]

    def edit(command: list[str]) -> list[str]:
        at = command.index("-kernel")
        return [*command[:at], *options, *command[at + 2 :]]

    return edit


@pytest.mark.parametrize("kind", ["pc", "q35"])
@pytest.mark.parametrize("drive", DRIVES)
def test_a_bios_starts_it(boot, build_image, tmp_path, drive, kind):
    format_, devices = DRIVES[drive]
    file = tmp_path / f"app.{format_}"
    image = build_image(APP, "--env", "COLOUR=deep blue", "--output", file)
    guest = boot(image, machine=kind, edit=from_drive(file, devices))
    guest.expect_text("started deep blue []\r\n")
    guest.expect_exit(9)


@pytest.mark.parametrize("options", [("--flavour", "small"), ("--compress",)])
@pytest.mark.parametrize("megabytes", [6, 6000])
def test_any_image_and_any_memory(boot, build_image, tmp_path, options, megabytes):
    file = tmp_path / "app.iso"
    image = build_image(APP, *options, "--memory", "6M", "--output", file)
    edit = from_drive(file, ("ide-cd,drive=b",))
    guest = boot(image, machine="pc", megabytes=megabytes, edit=edit)
    guest.expect_text("started None []\r\n")
    guest.expect_exit(9)


def test_a_disk_that_is_cut_off_is_told(boot, build_image, tmp_path):
    file = tmp_path / "app.img"
    image = build_image(APP, "--output", file)
    file.write_bytes(file.read_bytes()[: 600 << 10])
    guest = boot(image, machine="pc", edit=from_drive(file, ("ide-hd,drive=b",)))
    with guest.allow("panic"):
        guest.expect_text("panic: boot: the drive cannot be read\r\n")
        guest.expect_exit(125)


@pytest.mark.parametrize("name", ["app.img", "app.iso"])
def test_run_boots_it_as_it_is(tmp_path, name):
    app = tmp_path / "app.py"
    app.write_text(APP)
    file = tmp_path / name
    common = ("--accel", "tcg", "--timeout", "60s", "--env", "COLOUR=deep, blue")
    made = run_tool("build", app, "--output", file, "--run", *common)
    assert "started deep, blue []\n" in made.stdout
    assert made.returncode == 9, made.stderr
    again = run_tool("run", file, *common, "--env", "COLOUR=", "--", "one", "two words")
    assert "started  ['one', 'two words']\n" in again.stdout
    assert again.returncode == 9, again.stderr
