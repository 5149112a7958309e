# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""MicroPython's own benchmark, tests/perf_bench of its sources, in each guest."""

from __future__ import annotations

import os
import re
import statistics
from pathlib import Path

from .measure import Measure, Row, Samples, interleaved
from .running import Guest, GuestError, Settings
from .targets import ROOT, Target

MEAN = "geometric mean of perf_bench"
DONE = re.compile(rb"@@end|@@go\s+SKIP|\w+(Error|Exit)\b.*\n")


def directory() -> Path:
    """MicroPython's tests/perf_bench."""
    given = os.environ.get("MICROPY_DIR")
    return (Path(given) if given else ROOT / "build/upstream/micropython") / "tests/perf_bench"


def scripts(mhz: int = 100, heap_kib: int = 100, only: str = "") -> dict[str, str]:
    """Name -> a script that prints "microseconds norm result", for a machine of so many MHz."""
    runner = (directory() / "benchrun.py").read_text("utf-8")
    found = {}
    for path in sorted(directory().glob("*.py")):
        if path.stem != "benchrun" and re.search(only, path.stem):
            text = path.read_text("utf-8")
            found[path.stem] = f"{text}\n{runner}\nbm_run({mhz}, {heap_kib})\n"
    return found


def perf(settings: Settings) -> list[Row]:
    """All of perf_bench: the instructions and the time of each script as the guest measures them,
    and the means of the ratios. CPython runs those that need nothing of MicroPython's."""
    settings.machines = settings.machines[:1]
    settings.targets = [t for t in settings.targets if t.name not in ("importos-net", "empty")]

    def instructions(target: Target, machine: str) -> Samples:
        run = run_linux if target.linux else run_images
        # A microsecond of the guest is a thousand instructions then.
        counts = run(settings, target, machine, scripts(), True)
        return {Measure(name, "million instructions"): us / 1e3 for name, us in counts.items()}

    def time(target: Target, machine: str) -> Samples:
        run = run_linux if target.linux else run_images
        # Long enough that the emulator's translating, which is done once, matters little.
        times = run(settings, target, machine, scripts(1000, 1000))
        return {Measure(name, "ms"): us / 1e3 for name, us in times.items()}

    counted = interleaved(settings, instructions, 1)
    timed = interleaved(settings, time)
    return means(counted, "instructions") + means(timed, "time") + counted + timed


def run_images(
    settings: Settings, target: Target, machine: str, wanted: dict[str, str], icount: bool = False
) -> dict[str, int]:
    """Microseconds of each script, one boot each; without those that skip themselves or fail."""
    times = {}
    for name, script in wanted.items():
        source = f"print('@@go')\n{script}print('@@end')\n"
        try:
            with Guest(settings, target, source, machine=machine, icount=icount) as guest:
                guest.wait(DONE)
                text = guest.output.decode().replace("\r", "")
        except GuestError as error:
            print(f"{name}: {error}")
            continue
        microseconds = parse(text.partition("@@go")[2])
        if microseconds is not None:
            times[name] = microseconds
    return times


def run_linux(
    settings: Settings, target: Target, machine: str, wanted: dict[str, str], icount: bool = False
) -> dict[str, int]:
    """The same in one boot of Linux, with a fresh interpreter for each script."""
    files = {f"{name}.py": script.encode() for name, script in wanted.items()}
    lines = [
        f"echo; echo @@{name}; $(/bin/busybox cat /etc/python) {name}.py 2>&1" for name in wanted
    ]
    files["run.sh"] = ("\n".join([*lines, "echo; echo @@end"]) + "\n").encode()
    with Guest(settings, target, "", machine=machine, icount=icount, files=files) as guest:
        guest.wait(re.compile(rb"@@end"), settings.timeout * len(wanted))
        text = guest.output.decode("utf-8", "replace").replace("\r", "")
    times = {}
    for part in text.split("@@")[1:]:
        name, _, body = part.partition("\n")
        microseconds = parse(body)
        if name in wanted and microseconds is not None:
            times[name] = microseconds
    return times


def parse(text: str) -> int | None:
    """The microseconds in what a script printed; None when it skipped itself or failed."""
    match = re.match(r"\s*(\d+) \d+ ", text)
    return int(match[1]) if match else None


def means(rows: list[Row], what: str, against: str = "linux-mpy") -> list[Row]:
    """How many times better than (against) each target is in (what): the geometric mean over the
    scripts that both run."""
    times: dict[str, dict[str, float]] = {}
    for row in rows:
        times.setdefault(row.target, {})[row.measure.name] = row.value
    base = times.get(against, {})
    found = []
    for target, own in times.items():
        ratios = [base[name] / own[name] for name in own if base.get(name) and own[name]]
        if ratios:
            mean = statistics.geometric_mean(ratios)
            measure = Measure(f"{MEAN}, {what}", f"times {against}", lower_is_better=False)
            found.append(Row(measure, rows[0].machine, target, mean, [mean]))
    return found
