# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""MicroPython's ROMFS, written and read: a tree of read-only files, used in place.

The format is told in MicroPython's extmod/vfs_rom.c: records of (kind, length, payload), the
numbers big-endian in groups of 7 bits, the whole an even number of bytes. The same tree always
gives the same bytes: names are sorted and there are no timestamps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

HEADER = b"\xd2\xcd\x31"  # the record kind 0x14a6b1, encoded
DATA_VERBATIM = 2
DATA_POINTER = 3
DIRECTORY = 4
FILE = 5
DEPTH_MAX = 64


class RomfsError(ValueError):
    """The bytes are no ROMFS, or a damaged one."""


def build(files: Mapping[str, bytes]) -> bytes:
    """The ROMFS that holds the files; keys are relative paths with "/"."""
    root: dict[str, dict | bytes] = {}
    for path, data in files.items():
        parts = path.split("/")
        if not all(parts) or ".." in parts or "." in parts:
            raise ValueError(f"not a relative path: {path!r}")
        node = root
        for part in parts[:-1]:
            child = node.setdefault(part, {})
            if not isinstance(child, dict):
                raise ValueError(f"{path!r}: {part!r} is a file and a folder")
            node = child
        if parts[-1] in node:
            raise ValueError(f"{path!r} is there twice")
        node[parts[-1]] = bytes(data)
    body = _directory_body(root)
    length = _encode(len(body))
    if (len(HEADER) + len(length) + len(body)) % 2:
        length = b"\x80" + length
    return HEADER + length + body


def _directory_body(node: Mapping[str, dict | bytes]) -> bytes:
    out = bytearray()
    for name in sorted(node):
        child = node[name]
        encoded = name.encode()
        if isinstance(child, dict):
            kind, inner = DIRECTORY, _directory_body(child)
        else:
            kind, inner = FILE, _record(DATA_VERBATIM, child)
        out += _record(kind, _encode(len(encoded)) + encoded + inner)
    return bytes(out)


def _record(kind: int, payload: bytes) -> bytes:
    return _encode(kind) + _encode(len(payload)) + payload


def _encode(value: int) -> bytes:
    out = bytearray([value & 0x7F])
    while value := value >> 7:
        out.insert(0, 0x80 | (value & 0x7F))
    return bytes(out)


def read(image: bytes) -> dict[str, bytes]:
    """The files of a ROMFS by path, in the order in which they are stored."""
    view = memoryview(image)
    if bytes(view[: len(HEADER)]) != HEADER:
        raise RomfsError("does not begin with a ROMFS header")
    length, start = _decode(view, len(HEADER), len(view))
    if start + length != len(view):
        raise RomfsError(f"says {length} bytes but has {len(view) - start}")
    whole = view[start : start + length]
    return dict(_walk(whole, 0, len(whole), "", 0))


def _walk(
    view: memoryview, start: int, end: int, prefix: str, depth: int
) -> Iterator[tuple[str, bytes]]:
    if depth > DEPTH_MAX:
        raise RomfsError("folders are nested too deeply")
    for kind, begin, stop in _records(view, start, end):
        if kind not in (DIRECTORY, FILE):
            continue
        size, begin = _decode(view, begin, stop)
        if begin + size > stop:
            raise RomfsError("a name is longer than its record")
        try:
            path = prefix + bytes(view[begin : begin + size]).decode()
        except UnicodeDecodeError:
            raise RomfsError("a name is not UTF-8") from None
        if kind == DIRECTORY:
            yield from _walk(view, begin + size, stop, path + "/", depth + 1)
        else:
            yield path, _file_data(view, begin + size, stop)


def _file_data(view: memoryview, start: int, end: int) -> bytes:
    for kind, begin, stop in _records(view, start, end):
        if kind == DATA_VERBATIM:
            return bytes(view[begin:stop])
        if kind == DATA_POINTER:
            size, begin = _decode(view, begin, stop)
            offset, _ = _decode(view, begin, stop)
            if offset + size > len(view):
                raise RomfsError("a file points outside")
            return bytes(view[offset : offset + size])
    raise RomfsError("a file has no data")


def _records(view: memoryview, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    while start < end:
        kind, start = _decode(view, start, end)
        length, start = _decode(view, start, end)
        if kind == 0:
            raise RomfsError("a record of kind 0")
        if start + length > end:
            raise RomfsError("a record is longer than its folder")
        yield kind, start, start + length
        start += length


def _decode(view: memoryview, start: int, end: int) -> tuple[int, int]:
    value = 0
    while start < end:
        byte = view[start]
        value = value << 7 | byte & 0x7F
        start += 1
        if not byte & 0x80:
            return value, start
        if value >> 48:
            break
    raise RomfsError("a number is cut off or too large")
