# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Where callbacks run, soft and hard, and what keeps their events."""

from __future__ import annotations

import pytest
from guest import Guest

# What main code may be doing while a soft callback is due 5 ms from now.
WAITS = {
    "computing": "while time.ticks_diff(time.ticks_ms(), t) < 20: pass",
    "sleep_ms": "time.sleep_ms(20)",
    "sleep": "time.sleep(0.02)",
    "select": "import select, sys; p = select.poll(); p.register(sys.stdin, 1); p.poll(20)",
    "asyncio": "import asyncio\nasync def nap(): await asyncio.sleep_ms(20)\nasyncio.run(nap())",
    "run": "os.after('20ms'); os.run()",
    "idle": "import machine\nwhile time.ticks_diff(time.ticks_ms(), t) < 20: machine.idle()",
}


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("hard", [False, True])
def test_callback_runs_while_main_is(virtual: Guest, wait: str, hard: bool) -> None:
    out = virtual.exec(
        "import os, time\n"
        "from _os import _clock, _due\n"
        "late = []\n"
        "def f(ev): late[0] = _clock() - _due(ev)\n"
        "late.append(-1)\n"
        f"t = time.ticks_ms(); os.after('5ms', f, hard={hard})\n"
        f"{WAITS[wait]}\n"
        "print(late[0])\n"
    )
    assert 0 < int(out) < 100_000  # ns: at once


def test_callback_runs_at_the_prompt(guest: Guest) -> None:
    guest.run("import os")
    guest.send("os.after('50ms', lambda ev: print('here'))\r")
    guest.expect("count=0>\r\n>>> ")
    guest.expect_text("here")
    guest.send("\r")
    guest.expect_text("\r\n>>> ")


def test_soft_callbacks_do_not_nest(virtual: Guest) -> None:
    """Not even when one sleeps while another is due."""
    out = virtual.exec(
        "import os, time\n"
        "log = []\n"
        "def slow(ev):\n"
        "    log.append('in'); time.sleep_ms(15); log.append('out')\n"
        "os.after(5, slow); os.after(10, lambda ev: log.append('other'))\n"
        "time.sleep_ms(50)\n"
        "print(log)\n"
    )
    assert out == "['in', 'out', 'other']\n"


def test_decorator_gives_the_event_and_stays_callable(virtual: Guest) -> None:
    out = virtual.exec(
        "import os, time\n"
        "@os.after('5ms')\n"
        "def hello(who): print('hello', 'event' if who is hello else who)\n"
        "hello('you')\n"
        "time.sleep_ms(20)\n"
        "@os.event\n"
        "def soft(ev): print('soft', ev is soft)\n"
        "soft.trigger()\n"
        "time.sleep_ms(1)\n"
    )
    assert out == "hello you\nhello event\nsoft True\n"


def test_firing_before_the_decorated_function_exists_is_not_lost(virtual: Guest) -> None:
    out = virtual.exec(
        "import os, time\n"
        "for hard in (False, True):\n"
        "    late = os.after(0, hard=hard)\n"
        "    often = os.every('1ms', hard=hard)\n"
        "    time.sleep_us(5500)\n"
        "    hits = [0, 0]\n"
        "    def once(ev): hits[0] += ev.pending\n"
        "    def more(ev): hits[1] += ev.pending\n"
        "    late(once); often(more)\n"
        "    time.sleep_us(100)\n"
        "    often.cancel()\n"
        "    print(hits, late.count, often.count)\n"
    )
    assert out == "[1, 5] 1 5\n[1, 5] 1 5\n"


def test_trigger_from_a_hard_handler(virtual: Guest) -> None:
    """Merged until the soft callback runs, and counted."""
    out = virtual.exec(
        "import os, time\n"
        "e = os.event(lambda ev: print('soft', ev.pending, ev.source))\n"
        "def hard(ev): e.trigger(); e.trigger(); e.trigger()\n"
        "os.after('1ms', hard, hard=True)\n"
        "time.sleep_ms(5)\n"
        "print(e.count, e.cancel(), e.trigger())\n"
    )
    assert out == "soft 3 software\n3 True False\n"


def test_cancel_drops_the_queued_call(virtual: Guest) -> None:
    """Both are due; the first cancels the second before that has run."""
    out = virtual.exec(
        "import os, time\n"
        "second = os.event(lambda ev: print('never'))\n"
        "first = os.event(lambda ev: print(second.cancel()))\n"
        "def both(ev): first.trigger(); second.trigger()\n"
        "os.after('1ms', both, hard=True)\n"
        "time.sleep_ms(5)\n"
        "print(second.active, second.count)\n"
    )
    assert out == "True\nFalse 0\n"


def test_cancel_in_its_own_callback(virtual: Guest) -> None:
    out = virtual.exec(
        "import os, time\n"
        "for hard in (False, True):\n"
        "    n = [0]\n"
        "    def f(ev):\n"
        "        n[0] += 1\n"
        "        ev.cancel(); ev.cancel()\n"
        "    e = os.every('1ms', f, hard=hard)\n"
        "    time.sleep_ms(5)\n"
        "    print(n, e.active, e.count)\n"
    )
    assert out == "[1] False 1\n[1] False 1\n"


def test_with_cancels(virtual: Guest) -> None:
    out = virtual.exec(
        "import os, time\n"
        "with os.every('1ms', lambda ev: None) as e:\n"
        "    time.sleep_us(3500)\n"
        "print(e.count, e.active)\n"
    )
    assert out == "3 False\n"


def test_active_events_survive_the_garbage_collector(virtual: Guest) -> None:
    """Nobody but the system has a reference."""
    out = virtual.exec(
        "import os, time, gc\n"
        "hits = [0]\n"
        "def hit(ev): hits[0] += 1\n"
        "def arm():\n"
        "    for i in range(100): os.after(50 + i, hit)\n"
        "arm()\n"
        "for i in range(5):\n"
        "    gc.collect(); x = [bytearray(100) for i in range(1000)]\n"
        "time.sleep_ms(300)\n"
        "print(hits)\n"
    )
    assert out == "[100]\n"


def test_inactive_events_are_garbage(virtual: Guest) -> None:
    out = virtual.exec(
        "import os, time, gc\n"
        "def arm(n):\n"
        "    for i in range(n): os.after(0, lambda ev: None)\n"
        "    for i in range(n): os.after('1h').cancel()\n"
        "    time.sleep_ms(5); gc.collect()\n"
        "arm(10); a = gc.mem_alloc()\n"
        "arm(2000); print(gc.mem_alloc() - a < 2000)\n"
    )
    assert out == "True\n"


def test_callback_may_drop_the_last_reference_to_its_event(virtual: Guest) -> None:
    out = virtual.exec(
        "import os, time, gc\n"
        "hits = [0]\n"
        "def f(ev):\n"
        "    global e\n"
        "    ev.cancel(); del e; ev = None\n"
        "    gc.collect(); x = [bytearray(200) for i in range(200)]\n"
        "    hits[0] += 1\n"
        "for i in range(50):\n"
        "    e = os.every('1ms', f); time.sleep_ms(2)\n"
        "print(hits)\n"
    )
    assert out == "[50]\n"


def test_callbacks_cancel_each_other(virtual: Guest) -> None:
    out = virtual.exec(
        "import os, time\n"
        "ran = []\n"
        "es = []\n"
        "def f(ev):\n"
        "    ran.append(es.index(ev))\n"
        "    for e in es: e.cancel()\n"
        "es += [os.every('1ms', f) for i in range(10)]\n"
        "time.sleep_ms(10)\n"
        "print(ran, [e.active for e in es] == [False] * 10)\n"
    )
    assert out == "[0] True\n"


def test_callback_may_make_events(virtual: Guest) -> None:
    out = virtual.exec(
        "import os, time\n"
        "depth = [0]\n"
        "def f(ev):\n"
        "    depth[0] += 1\n"
        "    if depth[0] < 200: os.after(0, f)\n"
        "os.after(0, f)\n"
        "os.run()\n"
        "print(depth)\n"
    )
    assert out == "[200]\n"


def test_callback_may_collect_garbage(virtual: Guest) -> None:
    out = virtual.exec(
        "import os, time, gc\n"
        "e = os.every('1ms', lambda ev: gc.collect())\n"
        "t = time.ticks_ms(); d = {}\n"
        "while time.ticks_diff(time.ticks_ms(), t) < 50: d[len(d)] = str(len(d))\n"
        "e.cancel()\n"
        "print(all(d[i] == str(i) for i in range(len(d))))\n"
    )
    assert out == "True\n"


def test_hard_handler_uses_floats_without_harm(virtual: Guest) -> None:
    """The main program's floating-point registers are its own."""
    out = virtual.exec(
        "import os, time\n"
        "x = 1.5\n"
        "def f(ev): x > 1.25 and x < 2.5\n"
        "e = os.every('50us', f, hard=True)\n"
        "bad = 0\n"
        "for i in range(20000):\n"
        "    if (i * 0.5 + 0.25) * 2 - 0.5 != i: bad += 1\n"
        "e.cancel()\n"
        "print(bad, e.count > 50)\n"
    )
    assert out == "0 True\n"


def test_long_sleep_in_a_callback_warns_once(virtual: Guest) -> None:
    out = virtual.exec(
        "import os, time\n"
        "def slow(ev): time.sleep_ms(30)\n"
        "def quick(ev): time.sleep_ms(20)\n"
        "for i in range(3):\n"
        "    os.after(0, slow); os.after(0, quick); time.sleep_ms(100)\n"
    )
    assert out == (
        "Warning: callback 'slow' (<stdin>:2) sleeps 30 ms, and every other callback waits\n"
    )


def test_stats_add_up(virtual: Guest) -> None:
    out = virtual.exec(
        "import os, time\n"
        "a = os.stats()\n"
        "e = os.every('1ms', lambda ev: None); time.sleep_us(10500); e.cancel()\n"
        "b = os.stats()\n"
        "print(b.events - a.events, b.merged - a.merged, b.errors - a.errors)\n"
        "print(b.uptime_ms - a.uptime_ms, 0 <= b.busy <= 100, b.heap_free > 0)\n"
        "print(sum(b.irqs.values()) > sum(a.irqs.values()))\n"
    )
    events, idle, irqs, _ = out.split("\n")
    assert events == "10 0 0"
    uptime, *sane = idle.split()
    assert 10 <= int(uptime) < 100
    assert sane == ["True", "True"]
    assert irqs == "True"
