# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""What is appended to the kernel: header, boot options, ROMFS, and a record of what is inside.

The header is `struct payload_header` of port/x86/payload.h. The record is JSON behind the ROMFS:
the kernel does not look at it, `importos info` does.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from . import elf, romfs

MAGIC = b"ImportOS"
VERSION = 1
HEADER = struct.Struct("<8sIIQIIIIQ")
assert HEADER.size == 48, "the layout is shared with payload.h"
ROMFS_ALIGN = 16
OPTIONS_MAX = 2047  # the kernel keeps the command line in 2048 bytes with its NUL


class PayloadError(ValueError):
    """The payload is damaged; the text says how."""


@dataclass(frozen=True, slots=True)
class Payload:
    """A payload that was read back. (offset) is where it begins in the image file."""

    options: str
    romfs: bytes
    record: dict
    offset: int
    size: int


def build(options: Mapping[str, str], files: Mapping[str, bytes], record: Mapping) -> bytes:
    """The payload's bytes. Raises ValueError for options that the kernel could not keep."""
    text = format_options(options).encode()
    if len(text) > OPTIONS_MAX:
        raise ValueError(f"the boot options take {len(text)} bytes; at most {OPTIONS_MAX} fit")
    # Without files there is no file system: the kernel then makes a RAM disk for what users bring.
    filesystem = romfs.build(files) if files else b""
    options_offset = HEADER.size
    romfs_offset = -(-(options_offset + len(text)) // ROMFS_ALIGN) * ROMFS_ALIGN
    body = bytearray(text)
    body += bytes(romfs_offset - options_offset - len(text))
    body += filesystem
    body += json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
    header = HEADER.pack(
        MAGIC,
        VERSION,
        HEADER.size,
        HEADER.size + len(body),
        zlib.crc32(body),
        options_offset,
        len(text),
        romfs_offset,
        len(filesystem),
    )
    return header + bytes(body)


def format_options(options: Mapping[str, str]) -> str:
    """Boot options as the kernel's command line has them: `key=value`, quoted where needed."""
    words = []
    for key, value in options.items():
        if not key or any(c.isspace() or c in '="' for c in key) or not key.isprintable():
            raise ValueError(f"{key!r} cannot be the name of a boot option")
        if '"' in value or not (value.isprintable() or not value):
            raise ValueError(f"the value of {key} has a quote or a control character")
        word = f"{key}={value}"
        words.append(f'"{word}"' if " " in word else word)
    return " ".join(words)


def read(image: bytes) -> tuple[elf.Kernel, Payload]:
    """The kernel and the payload of an image. Raises ElfError or PayloadError."""
    kernel, offset = elf.split(image)
    return kernel, _read_at(image, offset)


def _read_at(image: bytes, offset: int) -> Payload:
    if len(image) - offset < HEADER.size:
        raise PayloadError("its header is cut off")
    (_, version, header_size, size, crc, options_offset, options_size, fs_offset, fs_size) = (
        HEADER.unpack_from(image, offset)
    )
    if version != VERSION:
        raise PayloadError(f"it has version {version}; these tools know version {VERSION}")
    data = image[offset : offset + size]
    if header_size != HEADER.size or len(data) != size:
        raise PayloadError("its sizes do not fit the file")
    if zlib.crc32(data[header_size:]) != crc:
        raise PayloadError("its checksum is wrong: the file was changed or is damaged")
    # The header has no checksum of its own: every field must be the only possible one.
    options_end = options_offset + options_size
    if options_offset != HEADER.size or fs_offset != -(-options_end // ROMFS_ALIGN) * ROMFS_ALIGN:
        raise PayloadError("its parts are not where they belong")
    if fs_offset + fs_size > size or any(data[options_end:fs_offset]):
        raise PayloadError("its parts are not as large as they say")
    options = data[options_offset:options_end].decode("utf-8", "replace")
    if "\0" in options:
        raise PayloadError("its options are not text")
    tail = data[fs_offset + fs_size :]
    try:
        record = json.loads(tail) if tail else {}
    except ValueError:
        record = {}
    return Payload(options, data[fs_offset : fs_offset + fs_size], record, offset, size)
