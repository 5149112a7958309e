# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""os.after() and os.every(): when they fire, how often, in which order."""

from __future__ import annotations

import pytest
from guest import Guest

DURATIONS = {
    '"250us"': 250_000,
    '"100ms"': 100_000_000,
    '"1.5s"': 1_500_000_000,
    '"0.0015ms"': 1_500,
    '"50min"': 3_000_000_000_000,
    '"1h"': 3_600_000_000_000,
    "7": 7_000_000,
    "0": 0,
}


@pytest.mark.parametrize("text", DURATIONS)
def test_duration_is_exact(virtual: Guest, text: str) -> None:
    """No floating point is between the text and the clock."""
    out = virtual.exec(
        "import os, time\n"
        "from _os import _clock, _due\n"
        f"for i in range(2):\n t = _clock(); e = os.after({text})\n"  # the second one is warm
        "print(_due(e) - t)\n"
        "e.cancel()\n"
    )
    assert 0 <= int(out) - DURATIONS[text] < 5_000  # the instructions in between


def test_after_fires_once(virtual: Guest) -> None:
    out = virtual.exec(
        "import os, time\n"
        "e = os.after('5ms', lambda ev: print('fired', ev is e, ev.active))\n"
        "time.sleep_ms(50)\n"
        "print(e.count, e.active, e.pending)\n"
    )
    assert out == "fired True False\n1 False 1\n"


def test_every_does_not_drift(virtual: Guest) -> None:
    """The n-th deadline is start + n * period, however late each callback runs."""
    out = virtual.exec(
        "import os, time\n"
        "late = []\n"
        "def tick(ev):\n"
        "    late.append(time.ticks_diff(ev.time_us, t) - 1000 * ev.count)\n"
        "    time.sleep_us(ev.count * 37 % 600)\n"
        "t = time.ticks_us(); e = os.every('1ms', tick)\n"
        "time.sleep_ms(500)\n"
        "e.cancel()\n"
        "print(e.count, min(late), max(late))\n"
    )
    count, least, most = map(int, out.split())
    assert count == 499 or count == 500
    assert most - least <= 3  # microseconds, over half a second


def test_first_firing_is_at_start(virtual: Guest) -> None:
    out = virtual.exec(
        "import os, time\n"
        "at = []\n"
        "t = time.ticks_ms()\n"
        "e = os.every('100ms', lambda ev: at.append(time.ticks_diff(time.ticks_ms(), t)),\n"
        "    start='10ms')\n"
        "time.sleep_ms(250)\n"
        "e.cancel()\n"
        "print(at)\n"
    )
    assert out == "[10, 110, 210]\n"


def test_firings_are_merged_and_counted_when_the_program_is_late(virtual: Guest) -> None:
    out = virtual.exec(
        "import os, time\n"
        "pending = []\n"
        "def tick(ev):\n"
        "    pending.append(ev.pending)\n"
        "    if len(pending) == 2: time.sleep_us(3500)\n"
        "e = os.every('1ms', tick)\n"
        "time.sleep_ms(10)\n"
        "e.cancel()\n"
        "print(pending, sum(pending), e.count)\n"
    )
    pending, _, counts = out.rpartition("] ")
    assert pending.startswith("[1, 1, 3, 1")
    total, count = map(int, counts.split())
    assert total == count
    assert count in (9, 10)


def test_timers_fire_in_order_of_their_deadlines(virtual: Guest) -> None:
    out = virtual.exec(
        "import os, time\n"
        "order = []\n"
        "def note(n): return lambda ev: order.append(n)\n"
        "for n in (50, 10, 40, 20, 30): os.after(n, note(n))\n"
        "time.sleep_ms(100)\n"
        "print(order)\n"
    )
    assert out == "[10, 20, 30, 40, 50]\n"


def test_callbacks_run_in_order_of_firing(virtual: Guest) -> None:
    """Several have fired while the program could not look: first in, first out."""
    out = virtual.exec(
        "import os, time, machine\n"
        "order = []\n"
        "def note(n): return lambda ev: order.append(n)\n"
        "for n in (3, 1, 2): os.after(n, note(n))\n"
        "def block(ev): time.sleep_ms(10)\n"
        "os.after(0, block)\n"
        "time.sleep_ms(50)\n"
        "print(order)\n"
    )
    assert out == "[1, 2, 3]\n"


def test_an_hour_is_an_hour(virtual: Guest) -> None:
    """Beyond the range of the timer's hardware counter."""
    out = virtual.exec(
        "import os\n"
        "from _os import _clock\n"
        "t = _clock()\n"
        "os.after('1h')\n"
        "os.run()\n"
        "print((_clock() - t) // 10**6)\n"
    )
    assert int(out) == 3_600_000


def test_cancelled_timer_does_not_fire(virtual: Guest) -> None:
    out = virtual.exec(
        "import os, time\n"
        "e = os.after('5ms', print)\n"
        "print(e.cancel(), e.cancel(), e.active)\n"
        "time.sleep_ms(20)\n"
        "print(e.count)\n"
    )
    assert out == "True False False\n0\n"


def test_timers(virtual: Guest) -> None:
    """The ancestor's test of this name: 30 s, 5 one-shots, 25 periods of 1 s, 10 of 2 s, then
    the periodic ones are stopped, and none is left."""
    out = virtual.exec(
        "import os\n"
        "from _os import _clock\n"
        "once = [0]; one = []; two = []\n"
        "def shot(ev): once[0] += 1\n"
        "for s in (0, 1, 2, 5, 10): os.after(s * 1000, shot)\n"
        "def every_1s(ev):\n"
        "    one.append(ev.pending)\n"
        "    if ev.count == 25: ev.cancel()\n"
        "def every_2s(ev):\n"
        "    two.append(ev.pending)\n"
        "    if ev.count == 10: ev.cancel()\n"
        "t = _clock()\n"
        "os.every('1s', every_1s); os.every('2s', every_2s)\n"
        "os.after('30s')\n"
        "os.run()\n"
        "print(once, one == [1] * 25, two == [1] * 10, (_clock() - t) // 10**6)\n"
    )
    assert out == "[5] True True 30000\n"


def test_machine_timer_is_documented_behaviour(virtual: Guest) -> None:
    out = virtual.exec(
        "import time\n"
        "from machine import Timer\n"
        "hits = []\n"
        "t = Timer(-1)\n"
        "t.init(period=10, mode=Timer.ONE_SHOT, callback=lambda t: hits.append(t))\n"
        "time.sleep_ms(30)\n"
        "print(len(hits), hits[0] is t, t)\n"
        "t.init(freq=100, callback=lambda t: hits.append(t))\n"
        "time.sleep_ms(55)\n"
        "t.deinit(); t.deinit()\n"
        "time.sleep_ms(50)\n"
        "print(len(hits), t)\n"
        "for bad in (lambda: Timer(-2), lambda: Timer(freq=-1), lambda: Timer(callback=3)):\n"
        "    try: bad()\n"
        "    except (ValueError, TypeError) as e: print(type(e).__name__)\n"
    )
    assert out == (
        "1 True Timer(mode=ONE_SHOT, period=10)\n"
        "6 Timer(mode=PERIODIC, period=10)\n"
        "ValueError\nValueError\nTypeError\n"
    )


def test_machine_timer_hard(virtual: Guest) -> None:
    out = virtual.exec(
        "import time\n"
        "from machine import Timer\n"
        "hits = 0\n"
        "def hit(t):\n"
        "    global hits\n"
        "    hits += 1\n"
        "t = Timer(period=1, callback=hit, hard=True)\n"
        "time.sleep_us(5500)\n"
        "t.deinit()\n"
        "print(hits)\n"
    )
    assert out == "5\n"
