# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Memory goes to the host when it asks, as much as is free, and comes back."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from guest import Boot, Guest, PythonError

MIB = 1 << 20
USE = "x = [bytearray(b'u' * 1000000) for i in range(70)]"  # 67 MiB, each page of it written


def start(boot: Boot, image: Path, machine: str = "microvm", device: str = "") -> Guest:
    bus = "device" if machine == "microvm" else "pci"
    extra = ("-device", f"virtio-balloon-{bus},id=balloon{device}")
    guest = boot(image, machine=machine, megabytes=128, extra=extra)
    guest.prompt()
    guest.exec("import machine, gc, time")
    guest.at_prompt = True
    return guest


def actual(guest: Guest) -> int:
    return guest.qmp.command("query-balloon")["actual"]


def resident(guest: Guest) -> int:
    text = Path(f"/proc/{guest.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) * 1024


def wait_for(what: Callable[[], bool], limit: float = 20) -> None:
    deadline = time.monotonic() + limit
    while not what():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.02)


@pytest.mark.parametrize("kind", ["pc", "q35", "microvm"])
def test_freed_memory_goes_to_the_host_and_comes_back(
    boot: Boot, repl_image: Path, kind: str
) -> None:
    guest = start(boot, repl_image, kind)
    guest.exec(USE)
    full = resident(guest)
    guest.exec("x = None")
    guest.qmp.command("balloon", value=48 * MIB)
    wait_for(lambda: actual(guest) == 48 * MIB)
    assert full - resident(guest) > 50 * MIB
    assert guest.exec("print(machine.balloon())") == f"({80 * MIB}, {80 * MIB})\n"
    guest.exec("y = bytearray(8 << 20); y = None")
    guest.qmp.command("balloon", value=128 * MIB)
    wait_for(lambda: actual(guest) == 128 * MIB)
    guest.exec(USE + "; assert all(b == b'u' * 1000000 for b in x)")


def test_memory_in_use_is_kept_and_given_when_it_is_freed(boot: Boot, repl_image: Path) -> None:
    guest = start(boot, repl_image)
    guest.exec(USE)
    guest.qmp.command("balloon", value=16 * MIB)
    guest.exec("time.sleep_ms(300); assert all(b == b'u' * 1000000 for b in x)")
    assert actual(guest) > 70 * MIB
    guest.exec("x = None; gc.collect(); gc.collect()")
    wait_for(lambda: actual(guest) < 40 * MIB)
    with pytest.raises(PythonError, match="MemoryError"):
        guest.exec(USE)
    guest.qmp.command("balloon", value=128 * MIB)
    wait_for(lambda: actual(guest) == 128 * MIB)
    guest.exec(USE)


def test_memory_comes_back_before_an_allocation_fails(boot: Boot, repl_image: Path) -> None:
    guest = start(boot, repl_image, device=",deflate-on-oom=on")
    guest.qmp.command("balloon", value=24 * MIB)
    wait_for(lambda: actual(guest) < 40 * MIB)
    guest.exec(USE + "; assert all(b == b'u' * 1000000 for b in x)")
    guest.exec("x = None; x = bytearray(60 << 20)")


def test_balloon_outlives_a_soft_reset(boot: Boot, repl_image: Path) -> None:
    guest = start(boot, repl_image)
    guest.qmp.command("balloon", value=48 * MIB)
    wait_for(lambda: actual(guest) == 48 * MIB)
    for _ in range(3):
        guest.send("\x04")
        guest.prompt()
        guest.exec("import time; x = bytearray(4 << 20); time.sleep_ms(50)")
    wait_for(lambda: actual(guest) == 48 * MIB)


def test_statistics(boot: Boot, repl_image: Path) -> None:
    guest = start(boot, repl_image)
    path = "/machine/peripheral/balloon"
    guest.qmp.command("qom-set", path=path, property="guest-stats-polling-interval", value=1)

    def stats() -> dict[str, int]:
        return guest.qmp.command("qom-get", path=path, property="guest-stats")["stats"]

    wait_for(lambda: 64 * MIB < stats()["stat-total-memory"] < 128 * MIB)
    free = stats()["stat-free-memory"]
    guest.exec("x = bytearray(50 << 20)")
    wait_for(lambda: stats()["stat-free-memory"] < free - 40 * MIB)


def test_machine_without_one_says_so(guest: Guest) -> None:
    assert guest.exec("import machine; print(machine.balloon())") == "None\n"
