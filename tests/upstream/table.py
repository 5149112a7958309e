# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Write docs/upstream-tests.md from the results of run.py."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

from . import exclusions, suites

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "build/tests/upstream/results.json"
PAGE = ROOT / "docs/upstream-tests.md"

HEAD = """\
# MicroPython's own tests on ImportOS

`make test-all` ran them and wrote this page: upstream's `tests/`, unchanged, driven by upstream's
own runners against guests in QEMU (microvm, TCG), and beside it against Debian's build of the unix
port. `make test-upstream` runs the part that continuous integration does. Defects of upstream that
the tests found are in [upstream-defects.md](upstream-defects.md).

"""

SUITES = {
    "bytecode": "the scripts as they are, compiled by the guest",
    "via-mpy": "compiled to `.mpy` by mpy-cross",
    "native": "compiled to x86-64 machine code by mpy-cross",
    "mended": "tests that fail by a defect of their own, without it (`suites.MENDED`)",
    "prompt": "the prompt, typed at and looked at as the unix port's is",
    "differences": "information, in no sum: a failed one differs from CPython as documented",
    "perf": "the benchmarks give the right result",
    "natmod": "native modules (`examples/natmod`) built by gcc for x64",
    "multi": "two guests on a network cable; the unix port: two of them on the host",
    "multi-tls12": "those of TLS with two guests that have no TLS 1.3, for which some are written",
    "multi-client": "the guest is the second side, the unix port the first (the server)",
    "multi-server": "the guest is the first side, the unix port the second",
}
INFORMATION = {suite.name for suite in suites.SUITES if not suite.judged}


def directory_of(test: str) -> str:
    """The directory of a test's path."""
    return test.rpartition("/")[0]


def count(tests: dict[str, str], directory: str) -> Counter:
    """How many tests of (directory) have which status."""
    return Counter(status for test, status in tests.items() if directory_of(test) == directory)


def results_table(status: dict[str, dict[str, dict[str, str]]]) -> list[str]:
    """One row for each directory of each suite."""
    lines = [
        "| suite | directory | passed | skipped | failed | unix port: passed | skipped | failed |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    total: Counter = Counter()
    unix_total: Counter = Counter()
    for suite in SUITES:
        tests = status["guest"].get(suite, {})
        unix = status["unix"].get(suite, {})
        for directory in sorted({directory_of(test) for test in tests}):
            here, there = count(tests, directory), count(unix, directory)
            if suite not in INFORMATION:
                total += here
                unix_total += there
            row = [here["pass"], here["skip"], here["fail"]]
            row += [there[s] if there else "" for s in ("pass", "skip", "fail")]
            lines.append(f"| {suite} | {directory} | {' | '.join(map(str, row))} |")
    cells = [t[s] for t in (total, unix_total) for s in ("pass", "skip", "fail")]
    lines.append(f"| **all** | | {' | '.join(map(str, cells))} |")
    return lines


def compare(what: str, here: set[str], there: set[str]) -> str:
    """The line that says what part of (there), which the unix port passes, is in (here)."""
    missing = sorted(there - here)
    share = 100 * (len(there) - len(missing)) / len(there)
    names = ", ".join(f"`{test}`" for test in missing) or "none"
    return (
        f"- {what}: {len(there) - len(missing)} of {len(there)} ({share:.1f} %), and "
        f"{len(here - there)} that the unix port does not pass. Missing: {names}"
    )


def comparison(status: dict[str, dict[str, dict[str, str]]]) -> list[str]:
    """What part of the tests that the unix port passes ImportOS passes, by suite. Left out are
    directories that are not run for want of what they test (thread)."""
    lines = []
    for suite in SUITES:
        if suite in INFORMATION:
            continue
        results = status["guest"].get(suite, {})
        here = {test for test, outcome in results.items() if outcome == "pass"}
        run = {directory_of(test) for test, outcome in results.items() if outcome != "skip"}
        unix = status["unix"].get(suite, {})
        there = {t for t, outcome in unix.items() if outcome == "pass" and directory_of(t) in run}
        if there and suite == "bytecode":
            core_here, core_there = (
                {test for test in tests if directory_of(test) in suites.CORE}
                for tests in (here, there)
            )
            lines.append(compare(f"{suite}, {' '.join(suites.CORE)}", core_here, core_there))
            lines.append(compare(f"{suite}, the rest", here - core_here, there - core_there))
        elif there:
            lines.append(compare(suite, here, there))
    return lines


def reasons(status: dict[str, dict[str, dict[str, str]]]) -> list[str]:
    """Which tests do not pass, by reason."""
    listed = exclusions.read()
    by_reason: dict[tuple[str, str], list[str]] = {}
    for suite, tests in status["guest"].items():
        for test, outcome in sorted(tests.items() if suite not in INFORMATION else ()):
            found = exclusions.find(listed, suite, test)
            if outcome != "pass":
                reason = found.reason if found else "**no reason is known**"
                names = by_reason.setdefault((outcome, reason), [])
                if test not in names:
                    names.append(test)
    lines = ["| | reason | tests |", "|---|---|---|"]
    words = {"skip": "skipped", "fail": "failed"}
    for (outcome, reason), names in sorted(by_reason.items()):
        lines.append(f"| {words[outcome]} | {reason} | {', '.join(f'`{n}`' for n in names)} |")
    return lines


def speed(times: dict[str, dict[str, float]]) -> list[str]:
    """The benchmarks, in milliseconds."""
    lines = ["| benchmark | guest, ms | unix port, ms |", "|---|---:|---:|"]
    for test, microseconds in sorted(times["guest"].items()):
        there = times["unix"].get(test)
        beside = f"{there / 1000:.1f}" if there else ""
        name = test.removeprefix("perf_bench/").removesuffix(".py")
        lines.append(f"| {name} | {microseconds / 1000:.1f} | {beside} |")
    return lines


def page(record: dict) -> str:
    """The text of the page."""
    status = record["status"]
    lines = [f"- `{name}`: {what}" for name, what in SUITES.items() if name in status["guest"]]
    lines += ["", *results_table(status), ""]
    cases = sum(n for key, n in record["cases"].items() if key.startswith("guest "))
    lines += [
        f"The tests of ImportOS compared {cases} lines or cases. The run took "
        f"{record['seconds'] / 60:.1f} minutes, the unix port's part included, and "
        f"{record['cpu_seconds'] / 60:.1f} minutes of processor time.",
        "",
        "## Beside the unix port",
        "",
        f"{record['unix']}. Of the tests that it passes these pass on ImportOS:",
        "",
        *comparison(status),
        "",
        "## What does not pass",
        "",
        "From `tests/upstream/exclusions.txt`. A test that is not there must pass, one that is "
        "there must not.",
        "",
        *reasons(status),
        "",
        "## Speed",
        "",
        "`run-perfbench.py 100 100`, the mean of three, on whatever else the host had to do. The "
        "guest ran under TCG, QEMU's translation of machine code, the unix port ran natively: "
        "compare the guest with earlier ones only.",
        "",
        *speed(record["times"]),
    ]
    return HEAD + "\n".join(lines) + "\n"


def main() -> int:
    record = json.loads(RESULTS.read_text(encoding="utf-8"))
    if not record["all"]:
        print("the last run was not a whole one: run.py --all", file=sys.stderr)
        return 1
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(record), encoding="utf-8")
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
