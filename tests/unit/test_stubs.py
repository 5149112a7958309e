# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""The types of the guest's modules, by mypy. Missing names: tests/boot/test_stub_names.py."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from support import ROOT

from importos.scaffold import STUBS

RIGHT = """
import os, net, machine, ssl

@os.every("1s")
def tick(event: os.Event) -> None:
    if event.count == 3:
        event.cancel()

tick.unref()
os.subscribe(machine.pci()[0].msix(0), print)

@net.listen(80)
def server(connection: net.Connection) -> None:
    @connection.on_data
    def data(data: bytes) -> None:
        connection.end(data.upper())

print(server.accepted, tick.count, net.connect("a", 443, tls=ssl.SSLContext(2)).version())
"""
WRONG = {
    "os.every(1.5, print)": "arg-type",
    "os.stats(1)": "call-arg",
    "os.fork()": "attr-defined",
    "net.listen('80', print)": "call-overload",
    "net.lsiten(80)": "attr-defined",
    "net.connect('a', 1).version()": "attr-defined",
    "machine.UART(1).reed()": "attr-defined",
    "machine.mem8[0] = b'x'": "assignment",
}


def mypy(folder: Path, *files: Path) -> list[str]:
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--check-untyped-defs"]
    # MicroPython's programs seldom say what an empty list will hold.
    command += ["--disable-error-code", "var-annotated", "--cache-dir", str(folder / "cache")]
    done = subprocess.run(
        [*command, *map(str, files)],
        env={**os.environ, "MYPYPATH": str(STUBS)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_the_examples_have_no_type_errors(tmp_path):
    assert mypy(tmp_path, *sorted((ROOT / "examples").glob("*.py"))) == []


def test_mistakes_are_found_where_they_are(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(RIGHT + "\n".join(WRONG) + "\n")
    told = [re.search(r":(\d+): error: .*\[([\w-]+)\]", line) for line in mypy(tmp_path, program)]
    found = {int(match[1]): match[2] for match in told if match}
    assert found == dict(enumerate(WRONG.values(), RIGHT.count("\n") + 1))


def test_the_command_copies_them(command, folder):
    root = folder()
    result = command("importos", "stubs")
    assert result.code == 0
    assert 'mypy_path = "typings"' in result.out
    assert (root / "typings/os/path.pyi").read_bytes() == (STUBS / "os/path.pyi").read_bytes()
    folder({"file": ""})
    assert command("importos", "stubs", "file").code == 3
