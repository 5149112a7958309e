# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Events in asyncio: await, async for, and callbacks beside it."""

from __future__ import annotations

from guest import Guest

START = "import os, time, asyncio\n"


def run(guest: Guest, body: str) -> str:
    """Run the lines of (body) as the main coroutine."""
    indented = "".join(f"    {line}\n" for line in body.splitlines())
    return guest.exec(f"{START}async def main():\n{indented}asyncio.run(main())\n")


def test_wait_returns_pending(virtual: Guest) -> None:
    out = run(virtual, "e = os.event()\nfor i in range(3): e.trigger()\nprint(await e.wait())")
    assert out == "3\n"


def test_await_an_event(virtual: Guest) -> None:
    out = run(
        virtual,
        "t = time.ticks_ms()\nprint(await os.after('50ms'))\n"
        "print(time.ticks_diff(time.ticks_ms(), t))",
    )
    assert out == "1\n50\n"


def test_firings_between_waits_are_not_lost(virtual: Guest) -> None:
    out = run(
        virtual,
        "e = os.every('1ms')\nn = 0\nfor i in range(10):\n"
        "    n += await e.wait()\n    time.sleep_us(2500)\n"
        "e.cancel()\nn += await e.wait()\nprint(n == e.count, e.count > 20)",
    )
    assert out == "True True\n"


def test_wait_for_one_that_has_fired_already(virtual: Guest) -> None:
    out = run(virtual, "e = os.after('1ms')\ntime.sleep_ms(5)\nprint(await e.wait(), e.active)")
    assert out == "1 False\n"


def test_async_for(virtual: Guest) -> None:
    out = run(
        virtual,
        "n = 0\nasync for ev in os.every('10ms'):\n    n += 1\n    if n == 5: ev.cancel()\n"
        "print(n, ev.active)",
    )
    assert out == "5 False\n"


def test_callback_and_waiter_both_get_the_firing(virtual: Guest) -> None:
    out = run(
        virtual,
        "log = []\ne = os.every('1ms', lambda ev: log.append(ev.count))\n"
        "time.sleep_us(3500)\n"  # before the first wait(): the callback's alone
        "print(await e.wait(), await e.wait(), log)\ne.cancel()",
    )
    assert out == "1 1 [1, 2, 3, 4, 5]\n"


def test_hard_event_wakes_its_waiter(virtual: Guest) -> None:
    out = run(
        virtual,
        "hits = [0]\ndef f(ev): hits[0] += 1\n"
        "e = os.every('1ms', f, hard=True)\nn = 0\n"
        "while n < 5: n += await e.wait()\ne.cancel()\nprint(hits[0] >= 5)",
    )
    assert out == "True\n"


def test_cancel_wakes_the_waiter(virtual: Guest) -> None:
    out = run(
        virtual,
        "e = os.every('1h')\nos.after('5ms', lambda ev: e.cancel())\n"
        "print(await e.wait(), await e.wait())",
    )
    assert out == "0 0\n"


def test_one_waiter_at_a_time(virtual: Guest) -> None:
    out = run(
        virtual,
        "e = os.every('10ms')\nasync def w(): return await e.wait()\n"
        "print(await asyncio.gather(w(), w(), return_exceptions=True))\ne.cancel()",
    )
    assert out == "[1, RuntimeError('somebody waits for this event already',)]\n"


def test_wait_can_time_out_and_be_repeated(virtual: Guest) -> None:
    out = run(
        virtual,
        "e = os.every('50ms')\n"
        "try: await asyncio.wait_for_ms(e.wait(), 10)\n"
        "except asyncio.TimeoutError: print('timeout')\n"
        "print(await asyncio.wait_for_ms(e.wait(), 100))\ne.cancel()",
    )
    assert out == "timeout\n1\n"


def test_callbacks_run_while_asyncio_waits_and_end_it_not(virtual: Guest) -> None:
    out = run(
        virtual,
        "global e, n\nn = 0\ndef f(ev):\n    global n\n    n += 1\n"
        "e = os.every('1ms', f)\nawait asyncio.sleep_ms(10)\nprint(n in (9, 10))",
    )
    assert out == "True\n"
    assert virtual.exec("time.sleep_ms(10); print(e.active, n >= 19); e.cancel()") == "True True\n"


def test_asyncio_waits_halted(virtual: Guest) -> None:
    """While a task sleeps for ten seconds and another waits for an event, the processor halts."""
    out = run(
        virtual,
        "e = os.after('10s')\nasync def w(): await e.wait()\n"
        "t = asyncio.create_task(w())\n"
        "irqs = sum(os.stats().irqs.values())\n"
        "await asyncio.sleep(9)\nawait t\n"
        "print(sum(os.stats().irqs.values()) - irqs < 10)",
    )
    assert out == "True\n"


def test_events_of_other_kinds_are_waitable(virtual: Guest) -> None:
    out = run(
        virtual,
        "s = os.subscribe(5)\nos.after('1ms', lambda ev: s.cancel())\nprint(await s.wait())\n"
        "import select\np = select.poll(); e = os.after('5ms'); p.register(e, select.POLLIN)\n"
        "print([(x is e, m) for x, m in p.poll(100)])",
    )
    assert out == "0\n[(True, 1)]\n"
