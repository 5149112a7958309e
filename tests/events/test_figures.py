# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Figures, in guest instructions where that is possible: they do not depend on the host.

Under -icount shift=0 the clock counts one nanosecond for each instruction.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from guest import Guest

SOFT_MAX = 4000  # instructions from the timer's deadline to the callback's first bytecode
HARD_MAX = 1500
LATENCY = """
import os, time, gc
from _os import _clock, _due
late = [0] * 20
n = 0
def f(ev):
    global n
    late[n] = _clock() - _due(ev); n += 1
for hard in (False, True):
    for busy in (False, True):
        n = 0
        for i in range(20):
            gc.collect()
            os.after('2ms', f, hard=hard)
            if busy:
                while n <= i: pass
            else:
                time.sleep_ms(5)
        print(hard, busy, max(late))
"""


def test_interrupt_to_first_bytecode(
    virtual: Guest, record_property: Callable[[str, object], None]
) -> None:
    for line in virtual.exec(LATENCY).splitlines():
        hard, busy, instructions = line.split()
        name = f"{'hard' if hard == 'True' else 'soft'}_{'busy' if busy == 'True' else 'idle'}"
        record_property(name, instructions)
        print(f"{name}: {instructions} instructions")
        assert int(instructions) <= (HARD_MAX if hard == "True" else SOFT_MAX)


def test_same_program_same_counts(boot: Callable[..., Guest], repl_image: Path) -> None:
    """Two runs agree to the instruction."""
    program = LATENCY + "print([time.ticks_us() - 0 for i in range(1)] and os.stats().events)\n"
    runs = []
    for _ in range(2):
        guest = boot(repl_image, extra=("-icount", "shift=0,sleep=off"))
        guest.prompt()
        runs.append(guest.exec(program))
        guest.at_prompt = True
    assert runs[0] == runs[1]


def test_every_millisecond_ten_thousand_times(virtual: Guest) -> None:
    out = virtual.exec(
        "import os\n"
        "from _os import _clock\n"
        "n = calls = first = last = 0\n"
        "def tick(ev):\n"
        "    global n, calls, first, last\n"
        "    last = _clock(); n += ev.pending; calls += 1\n"
        "    if calls == 1: first = last\n"
        "    if n >= 10000: ev.cancel()\n"
        "os.every('1ms', tick)\n"
        "os.run()\n"
        "print(n, calls, (last - first) // (n - 1))\n"
    )
    firings, calls, period_ns = map(int, out.split())
    assert firings == calls == 10000
    assert abs(period_ns - 1_000_000) <= 1000  # 0.1 %


@pytest.mark.parametrize("machine", ["microvm", "pc"])
def test_hundred_thousand_timers(
    boot: Callable[..., Guest], repl_image: Path, machine: str
) -> None:
    """Armed and cancelled in under 5 s."""
    guest = boot(repl_image, machine=machine, megabytes=128)
    guest.prompt()
    out = guest.exec(
        "import os, time\n"
        "t = time.ticks_ms()\n"
        "timers = [os.after(3600000 + i * 7919 % 100000) for i in range(100000)]\n"
        "armed = time.ticks_diff(time.ticks_ms(), t)\n"
        "for e in timers: e.cancel()\n"
        "print(armed, time.ticks_diff(time.ticks_ms(), t))\n",
        timeout=120,
    )
    armed, total = map(int, out.split())
    print(f"armed {armed} ms, armed and cancelled {total} ms")
    assert total < 5_000
    guest.at_prompt = True


def test_cost_of_a_timer_grows_with_the_logarithm(virtual: Guest) -> None:
    """Instructions for one more timer among 100 and among 20,000."""
    out = virtual.exec(
        "import os, gc\n"
        "from _os import _clock\n"
        "def cost():\n"
        "    gc.collect(); gc.disable()\n"
        "    t = _clock()\n"
        "    for i in range(100): os.after(3600000 - i).cancel()\n"
        "    u = _clock(); gc.enable(); return (u - t) // 100\n"
        "keep = [os.after(3600000 + i * 7919 % 100000) for i in range(100)]\n"
        "cost(); few = cost()\n"
        "keep += [os.after(3600000 + i * 7919 % 100000) for i in range(20000)]\n"
        "cost(); many = cost()\n"
        "print(few, many)\n"
        "for e in keep: e.cancel()\n"
    )
    few, many = map(int, out.split())
    print(f"arm and cancel: {few} instructions among 100, {many} among 20,000")
    assert many < 4 * few + 4000


def test_idle_machine_with_a_timer_an_hour_away_sleeps(
    boot: Callable[..., Guest], repl_image: Path
) -> None:
    """Fewer than 1,000 instructions a second: counted as the interrupts in an hour that the clock
    jumps over, at the instructions that one costs."""
    guest = boot(repl_image, extra=("-icount", "shift=0,sleep=off"))
    guest.prompt()
    out = guest.exec(
        "import os\n"
        "from _os import _clock\n"
        "from os import interrupts\n"
        "count = lambda: sum(i.count for i in interrupts())\n"
        "os.after('1h'); before = count()\n"
        "os.run()\n"
        "print(count() - before)\n"
    )
    wakeups = int(out)
    # A wake-up for nothing: entry, dispatch, timer, exit and the loop around the halt.
    per_second = wakeups * 2000 / 3600
    print(f"{wakeups} interrupts in an hour: {per_second:.0f} instructions a second at most")
    assert per_second < 1000
    guest.at_prompt = True


def test_hard_timer_leaves_time_to_the_program(virtual: Guest) -> None:
    """Faster than the handler can run: firings are merged, and main code goes on."""
    out = virtual.exec(
        "import os, time\n"
        "n = 0\n"
        "def f(ev):\n"
        "    global n\n"
        "    n += ev.pending\n"
        "    for i in range(1000): pass\n"
        "e = os.every('10us', f, hard=True)\n"
        "t = time.ticks_ms(); x = 0\n"
        "while time.ticks_diff(time.ticks_ms(), t) < 100: x += 1\n"
        "e.cancel()\n"
        "print(n == e.count, n > 9500 or n, x > 500 or x)\n"
    )
    assert out == "True True True\n"


def test_idle_time_is_measured(guest: Guest) -> None:
    out = guest.exec(
        "import os, time\n"
        "os.stats(); time.sleep_ms(1100); os.stats(); time.sleep_ms(1100)\n"
        "idle = os.stats().busy\n"
        "t = time.ticks_ms()\n"
        "while time.ticks_diff(time.ticks_ms(), t) < 2500: os.stats()\n"
        "print(idle, os.stats().busy)\n"
    )
    idle, busy = map(int, out.split())
    assert idle < 50
    assert busy > 80
