# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""The examples for events do what they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from guest import Guest
from serial_line import Line
from support import ROOT

Boot = Callable[..., Guest]
Build = Callable[..., Path]
EXAMPLES = ROOT / "examples"


def test_tick(boot: Boot, build_image: Build) -> None:
    guest = boot(build_image(EXAMPLES / "tick.py"), extra=("-icount", "shift=0,sleep=off"))
    guest.expect_text("tick 1\r\ntick 2\r\ntick 3\r\n")
    guest.expect_exit(0)


def test_metronome(boot: Boot, build_image: Build) -> None:
    """In virtual time every beat is where it belongs, to the microsecond."""
    guest = boot(build_image(EXAMPLES / "metronome.py"), extra=("-icount", "shift=0,sleep=off"))
    guest.expect(r"200 beats, (-?\d+) to (\d+) us off, median (-?\d+) us\r\n")
    assert all(abs(int(off)) <= 5 for off in guest.match.groups())
    guest.expect_text("0 more were merged with the next one, none lost")
    guest.expect_exit(0)


def test_com2_echo(boot: Boot, build_image: Build, com2: Line) -> None:
    guest = boot(build_image(EXAMPLES / "com2_echo.py"), machine="pc", extra=com2.arguments)
    com2.connect()
    # What arrives before the driver runs waits in the port, one byte deep: knock until it opens.
    com2.socket.settimeout(0.5)
    for _ in range(100):
        com2.send(b".")
        try:
            if com2.receive(1) == b".":
                break
        except TimeoutError:
            continue
    else:
        raise AssertionError("no echo")
    com2.socket.settimeout(60)
    for size in (1, 10, 100):
        text = bytes(range(65, 65 + size % 26 + 1))
        com2.send(text)
        got = com2.receive(len(text))
        while not got.endswith(text):  # dots that were under way
            got += com2.receive(1)
    guest.at_prompt = True


def test_keyboard_echo(boot: Boot, build_image: Build) -> None:
    guest = boot(build_image(EXAMPLES / "keyboard_echo.py"), machine="pc")
    guest.expect_text("Escape ends.\r\n")
    for key in ("shift-h", "e", "l", "l", "o", "spc", "1", "shift-1"):
        guest.monitor(f"sendkey {key} 20")
        guest.expect_text({"shift-h": "H", "spc": " ", "shift-1": "!"}.get(key, key))
    guest.monitor("sendkey esc")
    guest.expect_exit(0)


def test_watchdog(boot: Boot, build_image: Build) -> None:
    guest = boot(
        build_image(EXAMPLES / "watchdog.py"), machine="pc", extra=("-device", "i6300esb")
    )
    guest.expect(r"fed [4-8] times; now the program hangs")
    assert guest.status().reason == "guest-reset"
    assert "WATCHDOG" in [event["event"] for event in guest.qmp.events]
