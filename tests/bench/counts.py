# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Counted guest instructions, and the baseline that they are held to.

    python -m bench.counts            measure, compare with baseline.json, tell the difference
    python -m bench.counts --update   measure, and make that the baseline

Under QEMU's -icount shift=0 each instruction takes a nanosecond of the guest's time, so the same
program takes the same count in every run, on any machine and however busy: what wall time cannot
show, these can. What the firmware executes is subtracted: it is QEMU's, not ours.
"""

from __future__ import annotations

import json
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import boot, disk, perf, timing
from .measure import plain_table
from .running import Guest, Settings
from .targets import HERE, Target

BASELINE = HERE / "baseline.json"
TOLERANCE = 0.02
# A single script may differ so much when nothing but the number of an interned string, or an
# address, has changed: maps and dicts collide elsewhere. Their mean does not.
TOLERANCE_SCRIPT = 0.12
MACHINES = ("microvm", "pc")
PERF = "perf_bench "
PERF_MEAN = "perf_bench, geometric mean"
NAPS = (1, 101)  # seconds
NAPS_NET = (60, 3660)  # an interface has found its addresses and routers by then
# An idle second costs a handful of instructions, so two per cent of it are none: this many are.
SLACK = 20

Counts = dict[str, int]


def measure() -> Counts:
    """All counts; about a minute of one CPU. Two guests at a time."""
    jobs = {}
    with ThreadPoolExecutor(2) as pool:
        for machine in MACHINES:
            jobs[f"boot to exit, {machine}"] = pool.submit(boot_count, machine)
        jobs["blocks of code that a disk adds to a boot"] = pool.submit(disk_blocks)
        jobs["idle second"] = pool.submit(idle_count)
        interrupts = pool.submit(interrupt_counts)
        scripts = {
            name: pool.submit(perf_count, name, text) for name, text in perf.scripts().items()
        }
        counts = {name: job.result() for name, job in jobs.items()}
        counts |= interrupts.result()
        perf_counts = {f"{PERF}{name}": job.result() for name, job in scripts.items()}
    counts[PERF_MEAN] = round(statistics.geometric_mean(perf_counts.values()))
    return counts | perf_counts


def _with_settings(function, *arguments):
    """function(settings, *arguments) in a directory of its own: the counter's file lies there."""
    settings = Settings(timeout=120)
    try:
        return function(settings, *arguments)
    finally:
        settings.temporary.cleanup()


def boot_count(machine: str) -> int:
    """From the kernel's entry to the end of hello_exit.py, with printing."""
    ours, empty = (
        _with_settings(boot.boot_instructions, Target(name), machine, "hello_exit")
        for name in ("importos", "empty")
    )
    return ours - empty


def disk_blocks() -> int:
    """Not instructions: the code that runs once costs more than running it (docs/disks.md)."""
    return _with_settings(disk.boot_blocks, Target("importos"), "pc")


def idle_count(app: str = "nap", naps: tuple[int, int] = NAPS, *device: str) -> int:
    """Of one second in which the only thing to do is to wait: the difference of two naps."""

    def nap(settings: Settings, seconds: int) -> int:
        target = Target("importos")
        source = target.source(app).replace("SECONDS = 1", f"SECONDS = {seconds}")
        with Guest(
            settings, target, source, machine="pc", count="exact", icount=True, extra=[*device]
        ) as guest:
            guest.wait_end()
            return guest.instructions()

    short, long = (_with_settings(nap, seconds) for seconds in naps)
    return round((long - short) / (naps[1] - naps[0]))


def idle_network_count() -> int:
    """Of one second of a server with a lease of QEMU's user network, over an hour. When QEMU's own
    frames arrive is not exact, so this has a bound and no baseline."""
    card = ("-netdev", "user,id=n0", "-device", "virtio-net-pci,romfile=,netdev=n0")
    return idle_count("nap_net", NAPS_NET, *card)


def interrupt_counts() -> Counts:
    found = _with_settings(timing.interrupt_instructions, Target("importos"), "microvm")
    return {f"interrupt to callback, {name}": count for name, count in found.items()}


def perf_count(name: str, script: str) -> int:
    """Of one script of perf_bench: its microseconds are thousands of instructions."""
    times = _with_settings(perf.run_images, Target("importos"), "microvm", {name: script}, True)
    return times[name] * 1000


def load_baseline(path: Path = BASELINE) -> Counts:
    return json.loads(path.read_text("utf-8"))["instructions"]


def save_baseline(counts: Counts, path: Path = BASELINE) -> None:
    text = json.dumps({"instructions": counts}, indent=2)
    path.write_text(text + "\n", encoding="utf-8")


def worse(counts: Counts, baseline: Counts) -> list[str]:
    """One line for each count that is further above the baseline than allowed, or in only one."""
    found = [f"{name}: not in the baseline" for name in sorted(counts.keys() - baseline.keys())]
    for name, before in baseline.items():
        if name not in counts:
            found.append(f"{name}: not measured any more")
        elif counts[name] > allowed(name, before):
            found.append(
                f"{name}: {counts[name]:,} instructions, {before:,} before "
                f"({(counts[name] - before) * 100 / before:+.1f} %)"
            )
    return found


def allowed(name: str, before: int) -> float:
    """What the count (name) may be, if it was (before)."""
    if name.startswith(PERF):
        return before * (1 + TOLERANCE_SCRIPT)
    return before * (1 + TOLERANCE) + (SLACK if before < 1000 else 0)


def difference(counts: Counts, baseline: Counts) -> list[list[str]]:
    """Lines for plain_table(): every count, before and now."""
    lines = [["count", "", "", "baseline", "now", "change"]]
    for name, count in counts.items():
        before = baseline.get(name, 0)
        change = f"{(count - before) * 100 / before:+.2f} %" if before else "new"
        lines.append([name, "", "", f"{before:,}", f"{count:,}", change])
    return lines


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--update"]):
        print(__doc__, file=sys.stderr)
        return 2
    counts = measure()
    baseline = load_baseline() if BASELINE.is_file() else {}
    print(plain_table(difference(counts, baseline)))
    if arguments:
        save_baseline(counts)
        return 0
    problems = worse(counts, baseline)
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
