# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Disk images and discs: what stands where, and that the tools find the image in them again."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import elf_builder
import pytest

from importos import disk_boot, elf, qemu

ORDER_AT = 600
START = bytes(510) + b"\x55\xaa" + bytes(ORDER_AT - 512) + disk_boot.MARK
LOADER = START.ljust(disk_boot.BLOCK, b"\0")


@pytest.fixture(autouse=True)
def loader(monkeypatch):
    monkeypatch.setattr(disk_boot, "_loader", lambda: LOADER)


def image(size: int = 70_000) -> bytes:
    return elf.append(elf.parse(elf_builder.build()), bytes(range(256)) * (size // 256))


@pytest.mark.parametrize("format_", disk_boot.FORMATS)
@pytest.mark.parametrize("size", [0, 70_000, 2 << 20])
def test_the_image_is_found_again(format_, size):
    plain = image(size)
    made = disk_boot.make(plain, format_)
    assert disk_boot.unwrap(made) == plain
    assert disk_boot.make(plain, format_) == made
    assert len(made) % disk_boot.BLOCK == 0
    assert disk_boot.unwrap(plain) == plain


@pytest.mark.parametrize("format_", disk_boot.FORMATS)
def test_the_loader_is_told_where_everything_is(format_):
    plain = image()
    made = disk_boot.make(plain, format_)
    _, offset, size, target, entry = disk_boot.ORDER.unpack_from(made, ORDER_AT)
    assert made[offset : offset + size] == plain
    # What is read goes beyond the file's end by less than a chunk, and is there.
    assert len(made) >= offset + -(-size // disk_boot.CHUNK) * disk_boot.CHUNK
    kernel = elf.parse(plain)
    assert {s.paddr - s.offset for s in kernel.loads if s.filesz} == {target}
    assert target < entry < target + size


def test_a_disk_has_a_partition_for_the_image_and_a_whole_cylinder():
    made = disk_boot.make(image(), "raw")
    assert made[510:512] == b"\x55\xaa"
    active, _, kind, _, first, count = disk_boot.PARTITION.unpack_from(made, 446)
    assert (active, kind, first) == (0x80, 0xDA, 4)
    assert (first + count) * 512 <= len(made) == 1 << 20


def test_a_disc_is_an_iso_9660_file_system():
    plain = image()
    made = disk_boot.make(plain, "iso")
    block = lambda n: made[n * 2048 : (n + 1) * 2048]  # noqa: E731 as short as it is clear
    volume = block(16)
    assert volume[:7] == b"\1CD001\1"
    assert struct.unpack("<I", volume[80:84])[0] * 2048 == len(made)
    assert volume[156] == 34, "the root's record is complete"
    root = block(struct.unpack("<I", volume[158:162])[0])
    at = root[0] + root[root[0]]
    record = root[at : at + root[at]]
    place, size = struct.unpack("<I", record[2:6])[0], struct.unpack("<I", record[10:14])[0]
    assert record[33 : 33 + record[32]] == b"APP.ELF;1"
    assert made[place * 2048 : place * 2048 + size] == plain


def test_a_disc_has_a_boot_catalog():
    made = disk_boot.make(image(), "iso")
    assert made[17 * 2048 + 7 :].startswith(b"EL TORITO SPECIFICATION\0")
    (catalog,) = struct.unpack_from("<I", made, 17 * 2048 + 71)
    entry = made[catalog * 2048 :][:64]
    assert sum(struct.unpack("<16H", entry[:32])) & 0xFFFF == 0
    assert entry[30:32] == b"\x55\xaa"
    bootable, kind, _, _, _, sectors, place = struct.unpack("<BBHBBHI", entry[32:44])
    assert (bootable, kind, sectors) == (0x88, 0, 4)
    loader = made[place * 2048 : (place + 1) * 2048]
    assert loader == made[:2048]


@pytest.mark.skipif(not shutil.which("xorriso"), reason="xorriso is not installed")
def test_another_program_reads_the_disc(tmp_path):
    plain = image()
    (tmp_path / "app.iso").write_bytes(disk_boot.make(plain, "iso"))
    command = ["xorriso", "-osirrox", "on", "-indev", "app.iso", "-extract", "/", "out"]
    subprocess.run(command, check=True, cwd=tmp_path, capture_output=True, timeout=60)
    (file,) = (tmp_path / "out").iterdir()
    assert (file.name.lower(), file.read_bytes()) == ("app.elf", plain)


def test_a_cut_disk_is_told(command, folder):
    plain = image()
    made = disk_boot.make(plain, "iso")
    folder({"app.iso": made[:60_000]})
    result = command("importos", "info", "app.iso")
    assert result.code == 1
    assert "error[M303]: this is not a whole ImportOS image: it is cut off: " in result.err


def test_the_suffix_or_the_option_choose_the_format(command, folder):
    folder({"app.py": ""})
    command("mkimage", "-q", "app.py", "-o", "a.iso", "-o", "a.img", "-o", "a.elf")
    found = {n: disk_boot.format_of(Path(n)) for n in ("a.iso", "a.img", "a.elf", "app.py")}
    assert found == {"a.iso": "iso", "a.img": "raw", "a.elf": "elf", "app.py": ""}
    assert disk_boot.unwrap(Path("a.iso").read_bytes()) == Path("a.elf").read_bytes()
    assert "  Building app.img: 1024 KiB (" in command("mkimage", "app.py", "-f", "raw").err
    assert disk_boot.format_of(Path("app.img")) == "raw"
    assert "a disc or stick that a BIOS boots" in command("importos", "info", "a.iso").out
    assert "/rom/main.mpy" in command("importos", "ls", "a.img").out


def test_what_a_command_line_would_say_is_in_items():
    append = 'on-crash=poweroff "A=b, c" B= -- one "two words"'
    machine = qemu.Machine(kernel=Path("app,1.iso"), medium="iso", append=append)
    line = qemu.command(machine)
    assert "-kernel" not in line
    assert "-append" not in line
    assert "file=app,,1.iso,format=raw,if=none,id=boot,snapshot=on" in line
    items = [line[at + 1] for at, word in enumerate(line) if word == "-fw_cfg"]
    assert items == [
        "name=opt/importos/on-crash,string=poweroff",
        "name=opt/importos/A,string=b,, c",
        "name=opt/importos/B,file=/dev/null",
        'name=opt/importos/args,string=one "two words"',
    ]
