# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""A guest as a program like the unix port's, for upstream's tests of the prompt (tests/cmdline).

    python -m upstream.program KERNEL UPSTREAM [-O] [-i] [-c CODE | SCRIPT]

Without a script its console is that of a guest at the prompt. The unix port's banner stands in
place of the guest's, a line feed ends a line as it does there, and keys that come with Ctrl-D are
dropped: the unix port empties its terminal when a program starts. All else is the guest's. With an
option the script is an app: -O is mkimage's --optimize, -i its --at-exit repl.
"""

from __future__ import annotations

import argparse
import os
import select
import subprocess
import sys
import tempfile
import tty
from pathlib import Path

from importos import flavours, mkimage, qemu

from .target import MEMORY, Target, execute

PROMPT = b"\r\n>>> "
BANNER_START = b"MicroPython "
BANNER_END = b" version\r\nUse Ctrl-D to exit, Ctrl-E for paste mode"
CTRL_D = b"\x04"
CONSOLE = "stdio,signal=off"  # no key but the guest's
START_SECONDS = 30


def run_script(kernel: Path, upstream: Path, script: Path) -> None:
    """Run (script) at the prompt of a guest and print what it prints."""
    with (
        tempfile.TemporaryDirectory() as directory,
        Target(kernel, Path(directory) / "console") as target,
    ):
        sys.stdout.write(execute(target, upstream, script.read_text(encoding="utf-8")))


def write_image(kernel: Path, script: Path, image: Path, optimize: int, prompt: bool) -> None:
    """Write the (image) whose app is (script); it ends at the (prompt), or the machine ends."""
    at_exit = "repl" if prompt else "poweroff"
    options = mkimage.BuildOptions(
        entry=script,
        optimize=optimize,
        memory=MEMORY,
        boot={"at-exit": at_exit, "on-crash": at_exit},
        kernel=kernel,
        flavour=flavours.FULL,
    )
    mkimage.write_image(mkimage.build_image(options), image)


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
    before, start, rest = said.partition(BANNER_START)
    return before + start + rest.split(b"\r\n")[0] + BANNER_END + PROMPT


def guest_command(kernel: Path) -> list[str]:
    """What starts a guest whose console are this process's streams."""
    machine = qemu.Machine(kernel=kernel, machine="microvm", memory=MEMORY, serial=CONSOLE)
    # The runner kills this process, which must take the guest with it.
    return ["setpriv", "--pdeathsig", "KILL", *qemu.command(machine, qemu.find_qemu())]


def run_prompt(kernel: Path) -> None:
    """Be the console of a guest that comes to its prompt, until the input ends."""
    guest = subprocess.Popen(guest_command(kernel), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
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
                    data = CTRL_D if data.startswith(CTRL_D) else data
                    guest.stdin.write(data.replace(b"\n", b"\r"))
                    guest.stdin.flush()
    finally:
        guest.kill()
        guest.wait()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("kernel", type=Path)
    parser.add_argument("upstream", type=Path)
    parser.add_argument("-O", dest="optimize", action="count", default=0)
    parser.add_argument("-i", dest="inspect", action="store_true")
    parser.add_argument("-c", dest="code")
    parser.add_argument("script", type=Path, nargs="?")
    words = parser.parse_intermixed_args()
    if words.code is None and words.script is None:
        run_prompt(words.kernel)
        return 0
    if not (words.optimize or words.inspect):
        if os.isatty(0):
            parser.error("no script is to be inspected after its end")
        run_script(words.kernel, words.upstream, words.script)
        return 0
    with tempfile.TemporaryDirectory() as directory:
        script, image = words.script, Path(directory) / "app.elf"
        if script is None:
            script = Path(directory) / "app.py"
            script.write_text(words.code, encoding="utf-8")
        write_image(words.kernel, script, image, words.optimize, words.inspect)
        if words.inspect:
            run_prompt(image)
        else:
            subprocess.run(guest_command(image), stdin=subprocess.DEVNULL, check=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
