# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Timers: how late a sleep returns, and how far it is from an interrupt to its callback."""

from __future__ import annotations

import re

from .measure import Measure, Row, Samples, interleaved
from .running import Guest, Settings
from .targets import Target

LATE = re.compile(rb"LATE min (-?\d+) p50 (-?\d+) p90 (-?\d+) p99 (-?\d+) max (-?\d+)")


def timers(settings: Settings) -> list[Row]:
    """How late a sleep of 10 ms returns."""

    def take(target: Target, machine: str) -> Samples:
        with Guest(settings, target, target.source("timers"), machine=machine) as guest:
            guest.wait()
            late = [int(word) for word in LATE.search(guest.output).groups()]
        return {
            Measure("10 ms sleep, late, p50", "us"): late[1],
            Measure("10 ms sleep, late, p99", "us"): late[3],
            Measure("10 ms sleep, late, worst", "us"): late[4],
        }

    settings.targets = [t for t in settings.targets if t.name not in ("importos-net", "empty")]
    return interleaved(settings, take)


def interrupts(settings: Settings) -> list[Row]:
    """Guest instructions from a timer's interrupt to the first bytecode of its callback."""

    def take(target: Target, machine: str) -> Samples:
        return {
            Measure(f"interrupt to callback, {name}", "instructions"): count
            for name, count in interrupt_instructions(settings, target, machine).items()
        }

    settings.targets = [t for t in settings.targets if t.name == "importos"]
    return interleaved(settings, take, 1)


def interrupt_instructions(settings: Settings, target: Target, machine: str) -> dict[str, int]:
    """By the way of delivery: "soft", "hard"; medians, in instructions, which are ns here."""
    source = target.source("interrupt")
    with Guest(settings, target, source, machine=machine, icount=True) as guest:
        text = guest.wait_end()
    return {name: int(count) for name, count in re.findall(r"(?m)^(soft|hard) (\d+)$", text)}
