# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Compressed images: the tools get the same bytes back, or say what is wrong."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import elf_builder
import pytest

from importos import compress, elf, errors, inspection

FRONT = b"\x90" * 64 + bytes(32) + compress.MARK + bytes(40) + b"\x90" * 100
UNPACKED = random.Random(1).randbytes(3000)


@pytest.fixture(autouse=True)
def front(monkeypatch):
    monkeypatch.setattr(compress, "_front", lambda: FRONT)


def image(size: int = 0x2345) -> bytes:
    return elf.append(elf.parse(elf_builder.build(size)), b"payload" + UNPACKED)


def test_what_was_packed_is_unpacked():
    plain = image()
    packed = compress.pack(plain)
    assert len(packed) < len(plain)
    assert compress.unpack(packed) == plain
    assert compress.unpack(plain) == plain


@pytest.mark.parametrize("seed", range(20))
def test_calls_are_made_absolute_and_relative_again(seed):
    chance = random.Random(seed)
    data = bytearray(chance.choices([0xE8, 0xE9, 0, 0xFF, 1, 0x10], k=2000))
    assert compress._calls(compress._calls(bytes(data), True), False) == data


def test_the_headers_lead_to_the_program_in_front():
    packed = compress.pack(image())
    kernel_end = elf_builder.BASE - elf_builder.TEXT_OFFSET + len(image())
    _, kind, machine, *_ = elf.EHDR.unpack_from(packed)[4:]
    assert (kind, machine) != (0, 0)
    load, note = (elf.PHDR.unpack_from(packed, 64 + n * elf.PHENTSIZE) for n in (0, 1))
    assert load[0] == elf.PT_LOAD
    assert (load[4], load[5]) == (compress.BASE, len(packed))
    assert load[4] + load[6] == kernel_end
    assert note[0] == elf.PT_NOTE
    assert packed[note[2] + 12 :][:4] == b"Xen\0"


def test_an_image_that_does_not_fit_is_refused():
    data = image() + random.Random(2).randbytes(2 << 20)
    grown = elf.append(elf.parse(elf_builder.build()), data)
    with pytest.raises(errors.ImageError) as caught:
        compress.pack(grown)
    assert "too large to be compressed" in caught.value.diagnostics[0].message


@pytest.mark.parametrize("change", ["cut", "flip"])
def test_a_damaged_one_is_told(change):
    packed = bytearray(compress.pack(image()))
    if change == "cut":
        del packed[-200:]
    else:
        packed[-1500] ^= 0xFF
    try:
        plain = compress.unpack(bytes(packed))
    except elf.ElfError as error:
        assert "cut off" in str(error) or "damaged" in str(error)
    else:
        assert plain != image()


def test_mkimage_makes_one_that_the_tools_look_into(command, folder):
    folder({"app.py": "print(1)", "data.txt": "x" * 5000})
    plain = command("mkimage", "app.py", "data.txt", "-o", "plain.elf")
    result = command("mkimage", "app.py", "data.txt", "--compress", "--report")
    assert (plain.code, result.code) == (0, 0)
    assert ", compressed)" in result.err
    assert Path("app.elf").stat().st_size < Path("plain.elf").stat().st_size
    told = inspection.describe(inspection.open_image(Path("app.elf")))
    assert told["image"]["size"] == Path("app.elf").stat().st_size
    before = inspection.describe(inspection.open_image(Path("plain.elf")))
    assert told["kernel"] == before["kernel"]
    assert command("importos", "cat", "app.elf", "/rom/data.txt").out == "x" * 5000
    shutil.copy("app.elf", "again.elf")
    command("mkimage", "app.py", "data.txt", "--compress")
    assert Path("app.elf").read_bytes() == Path("again.elf").read_bytes()
