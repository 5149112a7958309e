# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Debian's build of the unix port, unpacked below build/upstream/unix/, not installed.

It is what the results are compared with, and the other side of the network tests. apt resolves and
downloads it with an empty package database, so that its whole library set comes along, the C
library too: the suite that has our MicroPython version is newer than most hosts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tools/dev"))

import fetch_upstream  # noqa: E402

PACKAGE = "micropython"
WRAPPER = """\
#!/bin/sh
exec {root}/{loader} --library-path {root}/usr/lib/x86_64-linux-gnu --argv0 micropython \\
    {root}/usr/bin/micropython "$@"
"""


def fetch(directory: Path) -> Path:
    """The program that starts the unix port, downloaded into (directory) unless it is there.

    Raises fetch_upstream.FetchError.
    """
    program = directory / "micropython"
    if program.is_file():
        return program
    entry = tomllib.loads(fetch_upstream.UPSTREAM_TOML.read_text("utf-8"))["micropython"]
    apt = fetch_upstream.Apt(directory / "apt", fetch_upstream.find_mirror(), entry["suite"])
    stanza = apt.sources.read_text(encoding="utf-8").replace("deb-src", "deb")
    apt.sources.write_text(stanza, encoding="utf-8")
    status = directory / "apt/status"
    status.touch()
    apt.options += ["-o", f"Dir::State::status={status}", "-o", "APT::Install-Recommends=false"]
    print(f"fetching Debian's {PACKAGE} ({entry['suite']})")
    apt.update()
    apt.run("install", "--yes", "--download-only", PACKAGE)
    root = directory / "root"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for package in sorted((directory / "apt/cache/archives").glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", str(package), str(root)], check=True)
    loader = next(root.glob("usr/lib*/ld-linux-x86-64.so.2"))
    partial = directory / "micropython.partial"
    partial.write_text(WRAPPER.format(root=root, loader=loader.relative_to(root)), "utf-8")
    partial.chmod(0o755)
    os.replace(partial, program)
    return program


def version(program: Path) -> str:
    """What the program says about itself."""
    script = "import sys; print(sys.version)"
    return subprocess.run(
        [program, "-c", script], check=True, capture_output=True, text=True, timeout=30
    ).stdout.strip()


def main() -> int:
    program = fetch(ROOT / "build/upstream/unix")
    print(program, version(program))
    return 0


if __name__ == "__main__":
    sys.exit(main())
