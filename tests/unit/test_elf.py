# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""The kernel's ELF file: what is accepted, what appending changes, and damaged files."""

from __future__ import annotations

import io
import random
import struct

import elf_builder
import pytest
from elftools.elf.elffile import ELFFile

from importos import elf, kernel, payload, romfs

PAYLOAD = payload.build({"heap": "50%"}, {"main.mpy": b"M\x06\x00\x3f" * 50}, {"tools": "1"})


def image() -> bytes:
    return elf.append(elf.parse(elf_builder.build()), PAYLOAD)


def test_an_independent_reader_sees_the_payload_at_the_end_of_the_last_segment():
    data = image()
    file = ELFFile(io.BytesIO(data))
    assert file.num_sections() == 0
    last = max(file.iter_segments("PT_LOAD"), key=lambda s: s["p_paddr"])
    assert last["p_filesz"] == last["p_memsz"] == len(data) - last["p_offset"]
    assert last.data().endswith(PAYLOAD)
    assert next(s["p_memsz"] for s in file.iter_segments("PT_LOAD")) == 0x8000


def test_the_payload_begins_at_the_first_page_boundary_in_memory():
    kernel_elf = elf.parse(elf_builder.build(size=0x2345))
    at = kernel_elf.payload_offset
    assert kernel_elf.last.paddr + at - kernel_elf.last.offset == elf_builder.BASE + 0x3000
    assert elf.append(kernel_elf, PAYLOAD)[at : at + 8] == b"ImportOS"


def test_a_kernel_that_ends_at_a_page_boundary_gets_no_padding():
    kernel_elf = elf.parse(elf_builder.build(size=0x3000))
    assert kernel_elf.payload_offset == kernel_elf.size


def test_split_finds_what_append_put_there():
    _, offset = elf.split(image())
    assert image()[offset:] == PAYLOAD


def test_a_magic_inside_of_the_app_does_not_mislead():
    files = {"data.bin": payload.build({}, {}, {}) * 200 + b"ImportOS" * 2000}
    tail = payload.build({}, files, {})
    data = elf.append(elf.parse(elf_builder.build()), tail)
    assert data[elf.split(data)[1] :] == tail


def test_the_multiboot_load_end_grows_if_there_is_one():
    data = elf.append(elf.parse(elf_builder.build(load_end=True)), PAYLOAD)
    parsed = elf.parse(data)
    load_end, bss_end = struct.unpack_from("<II", data, parsed.multiboot + 20)
    assert load_end == bss_end == parsed.memory_end
    data = elf.append(elf.parse(elf_builder.build()), PAYLOAD)
    assert struct.unpack_from("<II", data, parsed.multiboot + 20) == (0, 0)


@pytest.mark.parametrize("load_end", [False, True])
def test_the_kernel_part_of_every_image_has_the_same_digest(load_end):
    data = elf_builder.build(load_end=load_end, symbols=(("kmain", elf_builder.BASE, 16),))
    for tail in (PAYLOAD, payload.build({}, {"a": b"x" * 9999}, {})):
        made = elf.append(elf.parse(data), tail)
        part = elf.kernel_part(made, elf.split(made)[1])
        assert kernel.digest(elf.parse(part)) == kernel.digest(elf.parse(data))


def test_cutting_drops_the_symbols_and_twice_is_the_same_as_once():
    data = elf_builder.build(symbols=(("kmain", elf_builder.BASE, 16),))
    once = elf.append(elf.parse(data), b"")
    assert b"kmain" in data
    assert b"kmain" not in once
    assert elf.append(elf.parse(once), b"") == once


def patched(offset: int, form: str, *values: int) -> bytes:
    data = bytearray(elf_builder.build())
    struct.pack_into(form, data, offset, *values)
    return bytes(data)


PHDR1 = elf.EHDR.size + elf.PHENTSIZE  # the loaded segment's header


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not an ELF"),
        (b"#!/bin/sh\n", "not an ELF"),
        (elf.MAGIC + b"\x02\x01", "cut off"),
        (elf.MAGIC + b"\x01\x01" + bytes(80), "64-bit"),
        (elf_builder.build(machine=183), "machine 183"),
        (patched(16, "<H", 3), "statically linked"),
        (patched(54, "<H", 32), "program headers are odd"),
        (patched(56, "<H", 0), "program headers are odd"),
        (patched(32, "<Q", 1 << 40), "outside the file"),
        (elf_builder.build()[:-300], "cut off: segment 1 misses"),
        (patched(PHDR1 + 32, "<Q", 0x9000), "cut off"),
        (patched(PHDR1 + 40, "<Q", 0x9000), "nothing can be appended"),
        (patched(PHDR1 + 40, "<Q", 0x1000), "larger in the file"),
        (patched(PHDR1 + 24, "<Q", 0x1000), "between 1 MiB and 4 GiB"),
        (patched(PHDR1 + 24, "<Q", 0x104000), "overlap"),
        (elf_builder.build(notes=0), "0 PT_NOTE"),
        (elf_builder.build(notes=2), "2 PT_NOTE"),
        (patched(0x1000 + 0x80 + 8, "<I", 3), "not a PVH entry"),
        (elf_builder.build(multiboot_flags=0), "no address fields"),
        (patched(0x1000, "<I", 0), "no Multiboot header"),
        (elf_builder.build(mark=b"OtherOS"), "not ImportOS"),
    ],
)
def test_a_kernel_that_cannot_be_used_is_refused_with_the_reason(data, why):
    with pytest.raises(elf.ElfError, match=why):
        elf.parse(data)


@pytest.mark.parametrize("size", [0, 3, 63, 200, 4095, 4096, 9000, 13_000])
def test_an_image_that_was_cut_off_is_refused(size):
    with pytest.raises((elf.ElfError, payload.PayloadError)):
        payload.read(image()[:size])


def test_a_bare_kernel_has_no_payload():
    with pytest.raises(elf.ElfError, match="no payload"):
        payload.read(elf.append(elf.parse(elf_builder.build()), b""))


def test_no_mutated_kernel_makes_the_reader_fail_otherwise():
    pristine = elf_builder.build()
    rng = random.Random(2)
    accepted = 0
    interesting = [*range(64 + 3 * elf.PHENTSIZE), *range(0x1000, 0x1100)]
    for _ in range(6000):
        data = bytearray(pristine)
        for _ in range(rng.randint(1, 3)):
            data[rng.choice(interesting)] = rng.choice(
                (0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256))
            )
        if rng.random() < 0.1:
            del data[rng.randrange(len(data)) :]
        try:
            made = elf.append(elf.parse(bytes(data)), PAYLOAD)
        except elf.ElfError:
            continue
        accepted += 1
        assert len(made) < 1 << 20
    assert accepted > 100  # or the mutations reach nothing that matters


def test_no_mutated_image_is_read_as_a_different_app():
    pristine = image()
    files = romfs.read(payload.read(pristine)[1].romfs)
    start = elf.split(pristine)[1]
    rng = random.Random(3)
    for _ in range(3000):
        data = bytearray(pristine)
        at = rng.randrange(start, len(data)) if rng.random() < 0.7 else rng.randrange(len(data))
        data[at] ^= 1 << rng.randrange(8)
        try:
            read = payload.read(bytes(data))[1]
            assert romfs.read(read.romfs) == files
        except (elf.ElfError, payload.PayloadError, romfs.RomfsError):
            continue
        assert read.options == "heap=50%"


def test_options_are_written_as_the_kernel_reads_them():
    text = payload.format_options({"ip": "dhcp", "greeting": "two words", "empty": ""})
    assert text == 'ip=dhcp "greeting=two words" empty='


@pytest.mark.parametrize(
    "options", [{"a b": "1"}, {"a=b": "1"}, {"": "1"}, {"a": 'q"'}, {"a": "line\n"}, {"a\n": "1"}]
)
def test_options_that_the_kernel_would_misread_are_refused(options):
    with pytest.raises(ValueError, match=r"option|quote|control"):
        payload.format_options(options)


def test_more_options_than_the_kernel_keeps_are_refused():
    with pytest.raises(ValueError, match="at most 2047"):
        payload.build({"a": "x" * 2046}, {}, {})


def test_the_header_is_that_of_payload_h():
    fields = payload.HEADER.unpack_from(PAYLOAD)
    assert fields[:4] == (b"ImportOS", 1, 48, len(PAYLOAD))
    assert PAYLOAD[fields[5] : fields[5] + fields[6]] == b"heap=50%"
    assert fields[7] % 16 == 0
    assert PAYLOAD[fields[7] : fields[7] + 3] == romfs.HEADER
