# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""A program that behaves like QEMU at its edges: version, QMP, console, exit status.

write() makes it; what it does is in the variables FAKE_QEMU_* of its environment.
"""

from __future__ import annotations

import sys
from pathlib import Path

SCRIPT = """#!{python} -IS
import json, os, socket, sys, time
if "--version" in sys.argv:
    print(os.environ.get("FAKE_QEMU_VERSION", "QEMU emulator version 7.2.1"))
    sys.exit()
if os.environ.get("FAKE_QEMU_ERROR"):
    sys.exit(os.environ["FAKE_QEMU_ERROR"])
path = next(a for a in sys.argv if a.startswith("socket,id=qmp")).partition("path=")[2]
qmp = socket.socket(socket.AF_UNIX)
qmp.connect(path)
def say(message):
    qmp.sendall(json.dumps(message).encode() + b"\\n")
say({{"QMP": {{}}}})
lines = qmp.makefile()
assert json.loads(lines.readline()) == {{"execute": "qmp_capabilities"}}
say({{"return": {{}}}})
assert "-S" in sys.argv
if "-gdb" in sys.argv:
    qmp.settimeout(0.3)
    try:
        sys.exit("something came: " + lines.readline())
    except TimeoutError:
        qmp.settimeout(None)
else:
    assert json.loads(lines.readline()) == {{"execute": "cont"}}
say({{"event": "RESUME"}})
say({{"return": {{}}}})
text = os.environ.get("FAKE_QEMU_CONSOLE", "").encode("utf-8", "surrogateescape")
sys.stdout.buffer.write(text)
sys.stdout.flush()
if os.environ.get("FAKE_QEMU_HANG"):
    assert json.loads(lines.readline()) == {{"execute": "quit"}}
    sys.exit()
if os.environ.get("FAKE_QEMU_SIGNAL"):
    os.kill(os.getpid(), int(os.environ["FAKE_QEMU_SIGNAL"]))
if os.environ.get("FAKE_QEMU_SHUTDOWN"):
    reason = os.environ["FAKE_QEMU_SHUTDOWN"]
    say({{"event": "SHUTDOWN", "data": {{"guest": True, "reason": reason}}}})
sys.exit(int(os.environ.get("FAKE_QEMU_STATUS", 0)))
"""


def write(folder: Path) -> Path:
    """The program, as qemu-system-x86_64 in (folder)."""
    path = folder / "qemu-system-x86_64"
    path.write_text(SCRIPT.format(python=sys.executable))
    path.chmod(0o755)
    return path
