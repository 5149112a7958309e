# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Run MicroPython's own tests on ImportOS in QEMU, and on the unix port beside it.

    python -m upstream.run                      what continuous integration runs
    python -m upstream.run --all                everything
    python -m upstream.run --suite native float/math_fun.py basics       these only

The results go to build/tests/upstream/results.json, from which table.py makes
docs/upstream-tests.md. Exits with 1 if a test fails or is skipped without a reason in
exclusions.txt, or passes although it is there.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import shutil
import sys
import threading
import time
from pathlib import Path

from . import exclusions, runner, suites, unix_port

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build/tests/upstream"


class Results:
    """What came out, by place, suite and test; shared by the threads that run chunks."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.status: dict[str, dict[str, dict[str, str]]] = {"guest": {}, "unix": {}}
        self.cases: dict[str, int] = {}
        self.seconds: dict[str, float] = {}
        self.remarks: list[str] = []
        self.times: dict[str, dict[str, float]] = {"guest": {}, "unix": {}}

    def add(self, chunk: runner.Chunk, outcome: runner.Outcome, seconds: float) -> None:
        """Take in what a chunk gave, and say so."""
        suite = chunk.suite.name
        key = f"{chunk.where} {suite} {chunk.directory}"
        statuses = list(outcome.results.values())
        with self.lock:
            self.status[chunk.where].setdefault(suite, {}).update(outcome.results)
            self.cases[key] = self.cases.get(key, 0) + outcome.cases
            self.seconds[key] = self.seconds.get(key, 0) + seconds
            self.remarks += outcome.remarks
            self.times[chunk.where].update(outcome.times)
            print(
                f"{key:34} {statuses.count('pass'):4} passed {statuses.count('skip'):3} skipped "
                f"{statuses.count('fail'):3} failed {seconds:6.1f} s",
                flush=True,
            )


def work(setup: runner.Setup, tree: Path, jobs: queue.SimpleQueue, results: Results) -> None:
    """Run chunks until none is left."""
    runner.make_tree(setup.upstream, tree)
    while True:
        try:
            chunk = jobs.get_nowait()
        except queue.Empty:
            return
        began = time.monotonic()
        try:
            outcome = suites.run(setup, tree, chunk)
        except Exception as error:
            failed = dict.fromkeys(chunk.tests, "fail")
            outcome = runner.Outcome(failed, 0, [f"{chunk.name}: {error!r}"])
        results.add(chunk, outcome, time.monotonic() - began)


def run_all(setup: runner.Setup, chunks: list[runner.Chunk], workers: int) -> Results:
    """Run (chunks), (workers) at a time."""
    jobs: queue.SimpleQueue = queue.SimpleQueue()
    for chunk in chunks:
        jobs.put(chunk)
    for name in ("logs", "results"):
        shutil.rmtree(setup.work / name, ignore_errors=True)
    (setup.work / "logs").mkdir(parents=True)
    results = Results()
    threads = [
        threading.Thread(target=work, args=(setup, setup.work / f"tree{n}", jobs, results))
        for n in range(workers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run MicroPython's own tests on ImportOS.")
    parser.add_argument("--all", action="store_true", help="everything, not CI's choice")
    parser.add_argument(
        "--suite", action="append", default=[], help="only this suite; may be repeated"
    )
    parser.add_argument("--workers", type=int, default=2, help="guests at a time (2)")
    parser.add_argument("--kernel", type=Path, default=ROOT / "tools/importos/data/kernel.elf")
    parser.add_argument(
        "--upstream",
        type=Path,
        default=ROOT / "build/upstream/micropython",
        help="MicroPython's sources",
    )
    parser.add_argument(
        "--unix", action="store_true", help="with the unix port, as with --all (fetched)"
    )
    parser.add_argument(
        "--update", action="store_true", help="put the results into the record of the last run"
    )
    parser.add_argument("tests", nargs="*", help="directories or tests (all)")
    return parser.parse_args()


def updated(last: dict, record: dict) -> dict:
    """The record of the (last) run with the results of another one in place of its own."""
    for where, suites_run in record["status"].items():
        for suite, tests in suites_run.items():
            last["status"][where].setdefault(suite, {}).update(tests)
        last["times"][where].update(record["times"][where])
    last["cases"].update(record["cases"])
    for key in ("seconds", "cpu_seconds"):
        last[key] = round(last.get(key, 0) + record[key], 1)
    return last


def main() -> int:
    options = parse_arguments()
    began = time.monotonic()
    setup = runner.Setup(
        options.upstream.resolve(),
        options.kernel.resolve(),
        WORK,
        unix_port.fetch(ROOT / "build/upstream/unix") if options.unix or options.all else None,
    )
    chunks = suites.choose(setup, options.all, options.suite, options.tests)
    results = run_all(setup, chunks, options.workers)
    judged = {suite.name for suite in suites.SUITES if suite.judged}
    wrong = exclusions.judge(
        exclusions.read(),
        {suite: tests for suite, tests in results.status["guest"].items() if suite in judged},
    )
    record = {
        "all": options.all and not options.suite and not options.tests,
        "unix": unix_port.version(setup.unix) if setup.unix else "",
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(sum(os.times()[:4]), 1),
        "status": results.status,
        "cases": results.cases,
        "times": results.times,
    }
    path = WORK / "results.json"
    if options.update:
        record = updated(json.loads(path.read_text(encoding="utf-8")), record)
    path.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    for line in results.remarks + wrong:
        print(line)
    print(f"{len(wrong)} wrong, {record['seconds']:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
