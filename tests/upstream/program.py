# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""A guest as a program like the unix port's, for upstream's tests of the prompt (tests/cmdline).

    python -m upstream.program KERNEL UPSTREAM [SCRIPT]

Without a script its console is that of a guest at the prompt. The unix port's banner stands in
place of the guest's, and a line feed ends a line as it does there; all else is the guest's.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import tty
from pathlib import Path

from importos import qemu

from .target import Target, execute

PROMPT = b"\r\n>>> "
BANNER_START = b"MicroPython "
BANNER_END = b" version\r\nUse Ctrl-D to exit, Ctrl-E for paste mode"
CONSOLE = "stdio,signal=off"  # no key but the guest's
START_SECONDS = 30


def run_script(kernel: Path, upstream: Path, script: Path) -> None:
    """Run (script) on a guest and print what it prints."""
    with (
        tempfile.TemporaryDirectory() as directory,
        Target(kernel, Path(directory) / "console") as target,
    ):
        sys.stdout.write(execute(target, upstream, script.read_text(encoding="utf-8")))


def read_banner(console: int) -> bytes:
    """The guest's first words up to its prompt, as the unix port says them."""
    said = b""
    while not said.endswith(PROMPT):
        if not select.select([console], [], [], START_SECONDS)[0]:
            sys.exit(f"the guest has no prompt: {said!r}")
        data = os.read(console, 4096)
        if not data:
            sys.exit(f"the guest ended: {said!r}")
        said += data
    line = said[said.index(BANNER_START) :].split(b"\r\n")[0]
    return line + BANNER_END + PROMPT


def run_prompt(kernel: Path) -> None:
    """Be the console of a guest at its prompt, until the input ends."""
    machine = qemu.Machine(kernel=kernel, machine="microvm", memory=32 << 20, serial=CONSOLE)
    # The runner kills this process, which must take the guest with it.
    command = ["setpriv", "--pdeathsig", "KILL", *qemu.command(machine, qemu.find_qemu())]
    guest = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert guest.stdin is not None and guest.stdout is not None
    console = guest.stdout.fileno()
    if os.isatty(0):
        tty.setraw(0)
    os.write(1, read_banner(console))
    try:
        while True:
            for ready in select.select([0, console], [], [])[0]:
                data = os.read(ready, 4096)
                if not data:
                    return
                if ready == console:
                    os.write(1, data)
                else:
                    guest.stdin.write(data.replace(b"\n", b"\r"))
                    guest.stdin.flush()
    finally:
        guest.kill()
        guest.wait()


def main() -> int:
    kernel, upstream, *words = sys.argv[1:]
    if not words:
        run_prompt(Path(kernel))
    elif len(words) == 1 and not os.isatty(0):
        run_script(Path(kernel), Path(upstream), Path(words[0]))
    else:
        print(f"the guest has no command line for {' '.join(words)}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
