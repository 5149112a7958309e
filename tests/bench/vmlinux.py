# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""The uncompressed ELF inside of an x86 bzImage: what QEMU boots by PVH, without unpacking.

Fields of the header: Documentation/arch/x86/boot.rst of the kernel.
"""

from __future__ import annotations

import gzip
import lzma
import struct
import subprocess


def extract(image: bytes) -> bytes:
    """vmlinux out of bzImage. Raises ValueError when there is none."""
    if image[0x202:0x206] != b"HdrS":
        raise ValueError("this is no bzImage")
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    payload = image[start : start + length]
    kernel = _unpack(payload)
    if kernel[:4] != b"\x7fELF":
        raise ValueError("the kernel holds no ELF")
    return kernel


def _unpack(payload: bytes) -> bytes:
    """By its first bytes; the last four are the size of the result, not part of the stream."""
    body = payload[:-4]
    if payload[:4] == b"\x28\xb5\x2f\xfd":
        return _pipe("zstd", "-dc", "-", data=payload)
    if payload[:4] == b"\x02\x21\x4c\x18":
        return _pipe("lz4", "-dc", "-", "-", data=body)
    if payload[:2] == b"\x1f\x8b":
        return gzip.decompress(body)
    if payload[:6] == b"\xfd7zXZ\x00":
        return lzma.LZMADecompressor().decompress(payload)
    return body


def _pipe(*command: str, data: bytes) -> bytes:
    """The decompressor may complain about what follows the stream; the ELF is checked."""
    return subprocess.run(command, input=data, capture_output=True).stdout
