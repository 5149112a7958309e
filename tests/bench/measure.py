# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Measures, and taking samples of them in turns.

The targets are measured interleaved, one sample of each after the other, so that a change of load
on the machine hits all of them.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass

from . import host
from .running import GuestError, Settings
from .targets import Target


@dataclass(frozen=True)
class Measure:
    """What is measured, for instance Measure("first line", "ms")."""

    name: str
    unit: str
    lower_is_better: bool = True


@dataclass
class Row:
    """One measure of one target on one machine. (value) is the median of (samples); (others) the
    CPU that other processes used meanwhile, in cores."""

    measure: Measure
    machine: str
    target: str
    value: float
    samples: list[float]
    others: float = 0.0
    failures: int = 0


Samples = dict[Measure, float]
TakeSample = Callable[[Target, str], Samples]


def interleaved(settings: Settings, take: TakeSample, runs: int = 0) -> list[Row]:
    """take(target, machine) for each target on each machine, (runs) times. A guest that fails is
    told on stderr and counted."""
    found: dict[tuple[Measure, str, str], list[float]] = {}
    others: dict[tuple[str, str], list[float]] = {}
    failures: dict[tuple[str, str], int] = {}
    for _ in range(runs or settings.runs):
        for target in settings.targets:
            for machine in settings.machines:
                host.wait_quiet(settings.quiet)
                load = host.Load()
                place = machine, target.name
                try:
                    samples = take(target, machine)
                except (GuestError, OSError) as error:
                    print(f"{target.name} on {machine}: {error}", file=sys.stderr)
                    failures[place] = failures.get(place, 0) + 1
                    continue
                others.setdefault(place, []).append(load.others())
                for measure, value in samples.items():
                    found.setdefault((measure, *place), []).append(value)
    return [
        Row(
            measure,
            machine,
            target,
            statistics.median(values),
            values,
            statistics.median(others[machine, target]),
            failures.get((machine, target), 0),
        )
        for (measure, machine, target), values in found.items()
    ]


def format_value(value: float) -> str:
    """Three digits that mean something, thousands set apart."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 100:
        return f"{value:.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.3g}"


def table(rows: list[Row], against: str = "linux-mpy") -> list[list[str]]:
    """One line for each measure and machine, one column for each target, and how many times
    better the first target is than (against)."""
    names = list(dict.fromkeys(row.target for row in rows))
    found: dict[tuple[Measure, str], dict[str, Row]] = {}
    for row in rows:
        found.setdefault((row.measure, row.machine), {})[row.target] = row
    columns = ["measure", "machine", "unit", *names]
    if against in names and len(names) > 1:
        columns.append("better")
    lines = [columns]
    for (measure, machine), cells in found.items():
        line = [measure.name, machine, measure.unit]
        line += [format_value(cells[n].value) if n in cells else "-" for n in names]
        if len(columns) > len(line):
            line.append(_times_better(measure, cells, names, against))
        lines.append(line)
    return lines


def _times_better(measure: Measure, cells: dict[str, Row], names: list[str], against: str) -> str:
    first = next((cells[n] for n in names if n != against and n in cells), None)
    if first is None or against not in cells or not cells[against].value or not first.value:
        return "-"
    ratio = first.value / cells[against].value
    return f"{format_value(1 / ratio if measure.lower_is_better else ratio)} x"


def plain_table(lines: list[list[str]], left: int = 3) -> str:
    """For a terminal: the first (left) columns to the left, figures to the right."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    out = []
    for number, line in enumerate(lines):
        cells = [
            cell.ljust(width) if index < left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        out.append("  ".join(cells).rstrip())
        if number == 0:
            out.append("  ".join("-" * width for width in widths))
    return "\n".join(out)
