# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Click types: what may stand behind an option, checked where it is typed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from .qemu import Port, Share

REPORT_HERE = "-"  # on standard error
UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def parse_size(text: str) -> int:
    """Bytes in "64M", "1G", "512k" or "8388608". Raises ValueError."""
    match = re.fullmatch(r"(\d{1,15})([kKmMgGtT]?)(?:i?[bB])?", text.strip())
    if not match:
        raise ValueError(f"{text!r} is not a size such as 64M")
    return int(match[1]) * UNITS[match[2].lower()]


def parse_memory(text: str) -> int:
    """Bytes of a machine's memory; a bare number below 1 MiB means MiB, as QEMU has it."""
    size = parse_size(text)
    if text.strip().isdigit() and size < 1 << 20:
        size <<= 20
    if not 1 << 20 <= size <= 1 << 40:
        raise ValueError(f"{text!r} is not between 1M and 1T")
    return size


def parse_duration(text: str) -> float:
    """Seconds in "30s", "2m", "500ms" or "30". Raises ValueError."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)(ms|s|m|h)?", text.strip())
    if not match or float(match[1]) == 0:
        raise ValueError(f"{text!r} is not a time such as 30s")
    return float(match[1]) * {"ms": 0.001, None: 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def parse_port(text: str) -> Port:
    """[HOST:][HOST_PORT:]GUEST_PORT[/udp]. Raises ValueError."""
    body, _, protocol = text.partition("/")
    parts = body.rsplit(":", 2)
    host = parts[0] if len(parts) == 3 else "127.0.0.1"
    numbers = parts[-2:]
    if protocol not in ("", "tcp", "udp") or not all(n.isdecimal() for n in numbers):
        raise ValueError(f"{text!r} is not [[HOST:]PORT:]GUEST_PORT[/udp]")
    host_port, guest_port = int(numbers[0]), int(numbers[-1])
    if not (0 < host_port < 65536 and 0 < guest_port < 65536):
        raise ValueError(f"{text!r}: ports are 1 to 65535")
    if not re.fullmatch(r"[0-9.]+|localhost", host):
        raise ValueError(f"{text!r}: {host!r} is not an IPv4 address")
    host = "127.0.0.1" if host == "localhost" else host
    return Port(guest_port, host_port, host, protocol or "tcp")


def parse_heap(text: str) -> str:
    """A share of the memory or a size. Raises ValueError."""
    if re.fullmatch(r"\d{1,2}%|100%|\d{1,12}[kKmMgG]?", text):
        return text
    raise ValueError(f"{text!r} is not a share such as 50% or a size such as 16M")


def parse_ip(text: str) -> str:
    """dhcp, off or a static address. Raises ValueError."""
    octet = r"(25[0-5]|2[0-4]\d|1?\d?\d)"
    address = rf"{octet}(\.{octet}){{3}}"
    if text in ("dhcp", "off") or re.fullmatch(rf"{address}/([12]?\d|3[0-2])(,{address})?", text):
        return text
    raise ValueError(f"{text!r} is not dhcp, off or A.B.C.D/N[,GATEWAY]")


def parse_share(text: str) -> Share:
    """DIR[:/PATH][:ro]: (PATH) is where the guest has it. Raises ValueError."""
    body, colon, access = text.rpartition(":")
    read_only = bool(colon) and access == "ro"
    folder, colon, path = (body if read_only else text).rpartition(":/")
    if not colon:
        folder, path = body if read_only else text, "host"
    # 9p carries the path as the name of the share, of at most 31 bytes.
    if not folder or not path or len(path.encode()) > 30 or ".." in path.split("/"):
        raise ValueError(f"{text!r} is not DIR[:/PATH][:ro], with a PATH of at most 31 bytes")
    return Share(Path(folder), "/" + path.strip("/"), read_only)


def _report(text: str) -> str:
    if text != REPORT_HERE and not text.endswith(".html"):
        raise ValueError(f"{text!r}: the report is a page, FILE.html")
    return text


class _Parsed(click.ParamType):
    """A type whose parser raises ValueError with the whole message."""

    def __init__(self, name: str, parser: Any) -> None:
        self.name = name
        self.parser = parser

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See click."""
        if not isinstance(value, str):
            return value
        try:
            return self.parser(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _boot_word(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key or any(c.isspace() or c == '"' for c in text[: len(key)]):
        raise ValueError(f"{text!r} is not KEY=VALUE")
    if '"' in value:
        raise ValueError(f"{text!r}: a quote cannot be kept")
    return key, value


SIZE = _Parsed("size", parse_memory)
DISK_SIZE = _Parsed("size", parse_size)
SHARE = _Parsed("folder", parse_share)
DURATION = _Parsed("time", parse_duration)
PORT = _Parsed("port", parse_port)
BOOT_WORD = _Parsed("key=value", _boot_word)
HEAP = _Parsed("heap", parse_heap)
IP = _Parsed("address", parse_ip)
REPORT = _Parsed("file", _report)
