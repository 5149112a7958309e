# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""ROMFS images: known bytes, MicroPython's own writer, and damaged ones."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpremote.romfs import VfsRomWriter

from importos import romfs

NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12
).filter(lambda name: name not in (".", ".."))
TREES = st.dictionaries(st.lists(NAMES, min_size=1, max_size=4).map("/".join), st.binary())


def test_an_empty_image_is_a_header_with_even_length():
    assert romfs.build({}) == bytes.fromhex("d2cd31 00")


def test_one_file_is_a_file_record_with_verbatim_data():
    body = bytes.fromhex("05 06 01 61 02 02") + b"hi"
    assert romfs.build({"a": b"hi"}) == bytes.fromhex("d2cd31 08") + body


def test_an_odd_length_is_padded_in_the_length_itself():
    image = romfs.build({"a": b"odd"})
    assert image[:5] == bytes.fromhex("d2cd31 80 09")
    assert len(image) % 2 == 0


def test_the_bytes_are_those_of_micropythons_writer():
    files = {"lib/a.mpy": b"M" * 200, "lib/b/c.txt": b"", "main.mpy": b"x" * 70_000}
    writer = VfsRomWriter()
    writer.opendir("lib")
    writer.mkfile("a.mpy", files["lib/a.mpy"])
    writer.opendir("b")
    writer.mkfile("c.txt", b"")
    writer.closedir()
    writer.closedir()
    writer.mkfile("main.mpy", files["main.mpy"])
    assert romfs.build(files) == writer.finalise()


def test_order_of_the_files_does_not_matter():
    files = {"b": b"1", "a/c": b"2", "a/b": b"3"}
    assert romfs.build(files) == romfs.build(dict(reversed(files.items())))


@settings(deadline=None, max_examples=100)
@given(TREES)
def test_what_is_written_is_read_back(files):
    folders = {name.rsplit("/", n)[0] for name in files for n in range(1, name.count("/") + 1)}
    if folders & set(files):
        with pytest.raises(ValueError, match="a file and a folder"):
            romfs.build(files)
        return
    assert romfs.read(romfs.build(files)) == files


@pytest.mark.parametrize("name", ["", "/a", "a//b", "a/", "../a", "a/./b"])
def test_a_path_that_is_not_relative_is_refused(name):
    with pytest.raises(ValueError, match="not a relative path"):
        romfs.build({name: b""})


def test_a_data_pointer_is_followed():
    data = bytes.fromhex("02 02") + b"hi"
    file = bytes.fromhex("05 06 01 61 03 02 02 02")
    image = bytes.fromhex("d2cd31 0c") + data + file
    assert romfs.read(image) == {"a": b"hi"}


@pytest.mark.parametrize(
    "image",
    ["", "d2cd", "d2cd3108", "d2cd31 02 0000", "d2cd31 04 05 06 01 61", "d2cd31 04 05 02 01 61",
     "d2cd31 ffffffffffffffff7f", "d2cd31 04 05 02 01 ff", "d2cd31 06 04 08 01 61 02 00"],
)  # fmt: skip
def test_a_damaged_image_is_told(image):
    with pytest.raises(romfs.RomfsError):
        romfs.read(bytes.fromhex(image))


def test_no_mutation_makes_the_reader_fail_otherwise():
    pristine = romfs.build({"lib/a.py": b"x" * 40, "b": b"y" * 5, "c/d/e": b""})
    rng = random.Random(1)
    for _ in range(5000):
        image = bytearray(pristine)
        for _ in range(rng.randint(1, 4)):
            image[rng.randrange(len(image))] = rng.randrange(256)
        try:
            files = romfs.read(bytes(image[: rng.randint(1, len(image))]))
        except romfs.RomfsError:
            continue
        assert sum(map(len, files.values())) <= len(image) * 8


def test_folders_nested_without_end_are_refused():
    body = b""
    for _ in range(80):
        inner = b"\x01a" + body
        body = b"\x04" + romfs._encode(len(inner)) + inner
    with pytest.raises(romfs.RomfsError, match="nested"):
        romfs.read(romfs.HEADER + romfs._encode(len(body)) + body)
