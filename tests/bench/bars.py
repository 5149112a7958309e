# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""What the race has to show: one line for each bar, with its figure."""

from __future__ import annotations

from dataclasses import dataclass

from .measure import Row, format_value

TIMES, ABOVE, VALUE, RATIO = "times better", "above", "value", "ratio"

Parts = dict[str, list[Row]]


@dataclass(frozen=True)
class Bar:
    """(measure) of (part), as (target) has it on (machine), held against (other) in one of these
    ways, and (bar) is what is asked for:

    TIMES   at least (bar) times better than (other)
    ABOVE   at most (bar) more than (other)
    RATIO   at most (bar) times what (other) has
    VALUE   at most (bar) by itself; for a measure of which more is better, at least
    """

    what: str
    how: str
    bar: float
    part: str
    measure: str
    target: str = "importos"
    other: str = ""
    machine: str = "pc"

    def figure(self, parts: Parts) -> float | None:
        """The figure to hold against the bar; None when something was not measured."""
        row = self._find(parts, self.target)
        if row is None:
            return None
        if self.how == VALUE:
            return row.value
        other = self._find(parts, self.other)
        if other is None or not row.value or not other.value:
            return None
        if self.how == ABOVE:
            return row.value - other.value
        ratio = row.value / other.value
        return 1 / ratio if self.how == TIMES and row.measure.lower_is_better else ratio

    def met(self, parts: Parts) -> bool | None:
        figure = self.figure(parts)
        if figure is None:
            return None
        return figure >= self.bar if self._least(parts) else figure <= self.bar

    def line(self, parts: Parts) -> list[str]:
        """What, asked for, measured, met."""
        figure, met = self.figure(parts), self.met(parts)
        word = "at least" if self._least(parts) else "at most"
        unit = " x" if self.how in (TIMES, RATIO) else ""
        return [
            self.what,
            f"{word} {format_value(self.bar)}{unit}",
            "not measured" if figure is None else format_value(figure) + unit,
            {None: "-", True: "yes", False: "no"}[met],
        ]

    def _least(self, parts: Parts) -> bool:
        if self.how == VALUE:
            row = self._find(parts, self.target)
            return row is not None and not row.measure.lower_is_better
        return self.how == TIMES

    def _find(self, parts: Parts, target: str) -> Row | None:
        wanted = self.measure, target
        machines = self.machine, "-"
        for row in parts.get(self.part, []):
            if (row.measure.name, row.target) == wanted and row.machine in machines:
                return row
        return None


FIRST_LINE = "first line, exec to console"
INSTRUCTIONS = "boot and power-off, guest instructions"
HTTP = "http_read, 64 connections"
DNS = "dns_server, 16 in flight"
FILE_SYSTEMS = "littlefs or ext4", "FAT"
BULK = (
    "write, 32 KiB at once, synced", "read, 32 KiB at once", "read, 4 KiB at random",
    "write, 4 KiB at random, synced",
)  # fmt: skip
STOCK, TINY, NET = "linux-mpy", "linux-tiny-mpy", "importos-net"

BARS = (
    Bar("first line above the empty ELF, microvm, ms", ABOVE, 15, "boot", FIRST_LINE,
        other="empty", machine="microvm"),
    Bar("its guest instructions, microvm, million", ABOVE, 3, "boot", INSTRUCTIONS,
        other="empty", machine="microvm"),
    Bar("first line, microvm, stock Linux", TIMES, 30, "boot", FIRST_LINE,
        other=STOCK, machine="microvm"),
    Bar("first line, microvm, tiny Linux", TIMES, 12, "boot", FIRST_LINE,
        other=TINY, machine="microvm"),
    Bar("first line, pc, stock Linux", TIMES, 30, "boot", FIRST_LINE, other=STOCK),
    Bar("first line, pc, tiny Linux", TIMES, 12, "boot", FIRST_LINE, other=TINY),
    Bar("perf_bench, instructions, stock Linux", VALUE, 2, "perf",
        "geometric mean of perf_bench, instructions"),
    Bar("HTTP with net, stock Linux", TIMES, 3, "http", HTTP, NET, STOCK),
    Bar("HTTP with the same script, stock Linux", TIMES, 2, "http", HTTP, other=STOCK),
    Bar("its CPU per request with net", RATIO, 1 / 3, "http", f"{HTTP}, CPU", NET, STOCK),
    Bar("its CPU per request, same script", RATIO, 1 / 3, "http", f"{HTTP}, CPU", other=STOCK),
    Bar("DNS with net, stock Linux", TIMES, 3, "udp", DNS, NET, STOCK),
    Bar("DNS with net, tiny Linux", TIMES, 2, "udp", DNS, NET, TINY),
    Bar("TCP bulk in, stock Linux", TIMES, 2, "tcp", "TCP bulk in", other=STOCK),
    Bar("TCP bulk out, stock Linux", TIMES, 1.2, "tcp", "TCP bulk out", other=STOCK),
    Bar("idle with the network in use, instructions/s", VALUE, 1000, "idle",
        "idle, guest instructions"),
    Bar("interrupt to callback, soft", VALUE, 4000, "interrupts", "interrupt to callback, soft"),
    Bar("interrupt to callback, hard", VALUE, 1500, "interrupts", "interrupt to callback, hard"),
    *(Bar(f"synced appends, {kind}, stock Linux", TIMES, 1, "disk",
          f"synced appends of 64 bytes, {kind}", other=STOCK) for kind in FILE_SYSTEMS),
    *(Bar(f"{work}, {kind}, stock Linux", TIMES, 0.5, "disk", f"{work}, {kind}", other=STOCK)
      for kind in FILE_SYSTEMS for work in BULK),
    Bar("boot time that a disk adds, ms", VALUE, 5, "disk", "boot time that a disk adds"),
    Bar("image of the DNS server, KiB", VALUE, 158_000 / 1024, "size", "bytes to ship"),
    Bar("smallest memory, hello, MiB", VALUE, 2, "mem", "smallest memory, hello"),
    Bar("smallest memory, DNS server, MiB", VALUE, 4, "mem", "smallest memory, dns_server"),
    Bar("connections held in 64 MiB", VALUE, 10_000, "conns", "10000 connections, accepted"),
)  # fmt: skip


def table(parts: Parts) -> list[list[str]]:
    """A line for each bar of which something was measured; [] when there is none."""
    lines = [bar.line(parts) for bar in BARS if parts.get(bar.part)]
    return [["bar", "asked for", "measured", "met"], *lines] if lines else []
