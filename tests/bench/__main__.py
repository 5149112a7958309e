# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Measure the race: `python -m bench boot perf ...`, or all of it. See README.md.

Prints the tables and writes them with all samples to a JSON file; `--docs` draws docs/race.svg and
puts the tables into docs/race.md, or into the file that it names.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

from . import bars, boot, disk, network, offloads, perf, report, servers, timing
from .measure import plain_table, table
from .running import Settings
from .targets import GUESTS, NAMES, ROOT, BenchError, Target

PARTS = {
    "boot": boot.boot,
    "size": boot.size,
    "mem": boot.mem,
    "mkimage": boot.mkimage,
    "perf": perf.perf,
    "http": servers.http,
    "udp": servers.udp,
    "tcp": servers.tcp,
    "idle": servers.idle,
    "conns": servers.conns,
    "disk": disk.disk,
    "offloads": offloads.offloads,
    "timers": timing.timers,
    "interrupts": timing.interrupts,
}
RACE_PARTS = [name for name in PARTS if name != "offloads"]  # which is about us alone
RACE = ROOT / "docs/race.md"
DEFAULT_TARGETS = "importos,importos-net,linux-mpy,linux-cpy"
DEFAULT_MACHINES = {"boot": "pc,microvm", "mem": "pc,microvm"}


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {' '.join(PARTS)}")
    targets = DEFAULT_TARGETS
    if (GUESTS / "vmlinux-tiny").is_file():
        targets += ",linux-tiny-mpy"
    parser.add_argument("--targets", default=targets, help=f"of {','.join(NAMES)}")
    parser.add_argument(
        "--machines", help="pc,microvm,q35; default: pc, of some parts microvm too"
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of load, each time")
    parser.add_argument("--memory", type=int, default=256, help="of each guest, MiB")
    parser.add_argument("--bios", help="of pc, for all guests; SeaBIOS is bios-256k.bin")
    parser.add_argument("--network", choices=("tap", "user"), help="default: tap for root")
    parser.add_argument("--quiet", type=float, default=0.0, help="wait so long for a calm moment")
    parser.add_argument("--json", type=Path, default=ROOT / "build/bench/race.json")
    parser.add_argument(
        "--docs", nargs="?", type=Path, const=RACE, help="draw it, and write docs/race.md; or FILE"
    )
    parser.add_argument("--verbose", action="store_true", help="show QEMU's command lines")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.parts if name not in PARTS]
    unknown += [name for name in options.targets.split(",") if name not in NAMES]
    if unknown:
        parser.error(f"unknown: {' '.join(unknown)}")
    return options


def measure(options: argparse.Namespace) -> report.Race:
    """Each part with settings of its own, which it may narrow."""
    race = report.Race.begin()
    for name in options.parts or RACE_PARTS:
        settings = Settings(
            targets=[Target(target) for target in options.targets.split(",")],
            machines=(options.machines or DEFAULT_MACHINES.get(name, "pc")).split(","),
            runs=options.runs,
            memory=options.memory << 20,
            bios=options.bios,
            network=options.network or ("tap" if network.can_tap() else "user"),
            seconds=options.seconds,
            quiet=options.quiet,
            verbose=options.verbose,
        )
        for target in settings.targets:
            target.check()
        start = time.monotonic()
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        rows = PARTS[name](settings)
        race.add(name, rows, time.monotonic() - start)
        settings.temporary.cleanup()
        print(plain_table(table(rows)), flush=True)
        print()
    if held := bars.table(race.parts):
        print(plain_table(held, 1))
    return race


def main(arguments: list[str]) -> int:
    options = parse_arguments(arguments)
    # An end by a signal stops the guest and removes the network too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        race = measure(options)
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    report.save(race, options.json)
    if options.docs == RACE:
        report.draw(options.json, RACE.with_suffix(".svg"))
    if options.docs:
        report.document(options.json, options.docs)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
