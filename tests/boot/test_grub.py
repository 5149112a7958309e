# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""GRUB boots an image from a rescue disc, by Multiboot."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

NEEDED = ("grub-mkrescue", "xorriso", "mformat")
missing = [name for name in NEEDED if not shutil.which(name)]
if not Path("/usr/lib/grub/i386-pc").is_dir():
    missing.append("grub-pc-bin")
pytestmark = pytest.mark.skipif(bool(missing), reason=f"not installed: {' '.join(missing)}")

CONFIG = """\
set timeout=0
serial --unit=0
menuentry app {
    multiboot /app.elf COLOUR=blue
    boot
}
"""


def make_disc(image: Path, directory: Path) -> Path:
    grub = directory / "disc/boot/grub"
    grub.mkdir(parents=True)
    (grub / "grub.cfg").write_text(CONFIG)
    shutil.copy(image, directory / "disc/app.elf")
    disc = directory / "disc.iso"
    # Only the BIOS platform, so that it does not matter which other GRUB packages there are.
    command = ["grub-mkrescue", "-d", "/usr/lib/grub/i386-pc", "-o", disc, directory / "disc"]
    subprocess.run(command, check=True, capture_output=True)
    return disc


def test_grub_boots_an_image(boot, build_image, tmp_path):
    image = build_image("import os, sys\nprint('booted', os.getenv('COLOUR'))\nsys.exit(9)\n")
    disc = make_disc(image, tmp_path)

    def from_disc(command: list[str]) -> list[str]:
        at = command.index("-kernel")
        return [*command[:at], "-cdrom", str(disc), *command[at + 2 :]]

    guest = boot(image, machine="pc", edit=from_disc)
    guest.expect_text("booted blue\r\n")
    guest.expect_exit(9)
