# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Exceptions that callbacks let go, and input that is wrong from the start."""

from __future__ import annotations

import pytest
from guest import Guest

HEAD = "Traceback (most recent call last):\n"


def test_soft_exception_names_the_event_and_the_event_goes_on(virtual: Guest) -> None:
    out = virtual.exec(
        "import os, time\n"
        "def bad(ev):\n"
        "    if ev.count == 2: raise ValueError('two')\n"
        "e = os.every('1ms', bad)\n"
        "time.sleep_us(4500)\n"
        "print(e.count, e.active, os.stats().errors)\n"
        "e.cancel()\n"
    )
    assert out == (
        "Exception in every(\"1ms\") 'bad' (<stdin>:3):\n"
        f'{HEAD}  File "<stdin>", line 3, in bad\nValueError: two\n4 True 1\n'
    )


def test_ten_exceptions_in_a_row_cancel_the_event(virtual: Guest) -> None:
    out = virtual.exec(
        "import os, time\n"
        "os.on_error(lambda exc, ev: None)\n"
        "def bad(ev): raise ValueError\n"
        "def often(ev):\n"
        "    if ev.count % 10: raise ValueError\n"
        "a = os.every('1ms', bad); b = os.every('1ms', often)\n"
        "time.sleep_us(50500)\n"
        "print(a.count, a.active, b.count, b.active)\n"
        "b.cancel()\n"
    )
    assert out == (
        "every(\"1ms\") 'bad' (<stdin>:3) is cancelled: 10 exceptions in a row\n10 False 50 True\n"
    )


def test_on_error_gets_exception_and_event(virtual: Guest) -> None:
    out = virtual.exec(
        "import os, time\n"
        "@os.on_error\n"
        "def report(exc, ev): print(repr(exc), ev is e)\n"
        "def bad(ev): raise ValueError(7)\n"
        "e = os.after(0, bad); time.sleep_ms(1)\n"
        "e = os.after(0, bad, hard=True); time.sleep_ms(1)\n"
        "os.on_error(None)\n"
        "e = os.after(0, bad); time.sleep_ms(1)\n"
    )
    assert out == (
        "ValueError(7,) True\n"
        "ValueError('7',) True\n"
        "Exception in after(0) 'bad' (<stdin>:4):\n"
        f'{HEAD}  File "<stdin>", line 4, in bad\nValueError: 7\n'
    )


def test_exception_in_on_error_shows_both(virtual: Guest) -> None:
    out = virtual.exec(
        "import os, time\n"
        "def worse(exc, ev): raise KeyError('b')\n"
        "os.on_error(worse)\n"
        "def bad(ev): raise ValueError('a')\n"
        "e = os.after(0, bad); time.sleep_ms(1)\n"
    )
    assert out.startswith("Exception in on_error's handler 'worse' (<stdin>:2):\n")
    assert "KeyError: b\n" in out
    assert out.endswith("ValueError: a\n")


HARD = {
    "allocates": ("[1] + [ev]", "MemoryError: memory allocation failed, heap is locked"),
    "subscribes": ("os.after(1, print)", "MemoryError: memory allocation failed, heap is locked"),
    "sleeps": ("time.sleep_ms(1)", "RuntimeError: sleep in a hard handler"),
    "waits": ("poll.poll(5)", "RuntimeError: wait in a hard handler"),
    "recurses": ("f(ev)", "RuntimeError: maximum recursion depth exceeded"),
    "raises": ("1 // 0", "ZeroDivisionError: divide by zero"),
}


@pytest.mark.parametrize("what", HARD)
def test_hard_handler_that_misbehaves_is_cancelled_and_reported(virtual: Guest, what: str) -> None:
    body, message = HARD[what]
    out = virtual.exec(
        "import os, time, select, sys\n"
        "poll = select.poll(); poll.register(sys.stdin, 1)\n"
        f"def f(ev): {body}\n"
        "e = os.every('1ms', f, hard=True)\n"
        "time.sleep_ms(10)\n"
        "print(e.count, e.active)\n"
    )
    lines = out.splitlines()
    assert lines[0] == "Exception in every(\"1ms\") 'f' (<stdin>:3):"
    assert message in lines
    assert lines[-1] == "1 False"


def test_recursion_in_a_soft_callback_is_an_exception(virtual: Guest) -> None:
    out = virtual.exec(
        "import os, time\n"
        "os.on_error(lambda exc, ev: print(repr(exc)))\n"
        "def f(ev): f(ev)\n"
        "os.after(0, f); time.sleep_ms(5)\n"
    )
    assert out == "RuntimeError('maximum recursion depth exceeded',)\n"


BAD = {
    "no arguments": (
        "os.after(1, lambda: 0)",
        "TypeError: callback '<lambda>' takes 0 arguments, it gets 1 (the event)",
    ),
    "two arguments": (
        "os.every(1, lambda a, b: 0)",
        "TypeError: callback '<lambda>' takes 2 arguments, it gets 1 (the event)",
    ),
    "a bound method": (
        "os.after(1, C().nothing)",
        "TypeError: callback 'nothing' takes 0 arguments, it gets 1 (the event)",
    ),
    "a closure": (
        "os.after(1, closure(1))",
        "TypeError: callback '<lambda>' takes 0 arguments, it gets 1 (the event)",
    ),
    "a coroutine": (
        "os.after(1, coroutine)",
        "TypeError: callback 'coroutine' is a coroutine or generator: "
        "it would never run; await the event instead",
    ),
    "no callable": ("os.after(1, 5)", "TypeError: callback isn't callable: int"),
    "on_error": (
        "os.on_error(lambda e: 0)",
        "TypeError: callback '<lambda>' takes 1 argument, it gets 2 (the exception and the event)",
    ),
    "a float": (
        "os.after(1.5)",
        "TypeError: a duration is an int (ms) or a str such as '1.5s', not float",
    ),
    "None": (
        "os.after(None)",
        "TypeError: a duration is an int (ms) or a str such as '1.5s', not NoneType",
    ),
    "True": (
        "os.after(True)",
        "TypeError: a duration is an int (ms) or a str such as '1.5s', not bool",
    ),
    "negative": ("os.after(-1)", "ValueError: negative duration"),
    "negative text": ("os.after('-1s')", "ValueError: negative duration"),
    "a huge negative": ("os.after(-10**30)", "ValueError: negative duration"),
    "absurd": ("os.after(10**30)", "ValueError: duration too long: 292 years at most"),
    "absurd text": (
        "os.every('9' * 40 + 'h')",
        "ValueError: duration too long: 292 years at most",
    ),
    "no period": ("os.every(0)", "ValueError: period too short: 10us at least"),
    "too short": ("os.every('9.9us')", "ValueError: period too short: 10us at least"),
    "no unit": (
        "os.after('5')",
        "ValueError: bad duration '5': a number with us, ms, s, min or h, such as '250ms'",
    ),
    "two units": (
        "os.after('1h30min')",
        "ValueError: bad duration '1h30min': a number with us, ms, s, min or h, such as '250ms'",
    ),
    "nothing": (
        "os.after('')",
        "ValueError: bad duration '': a number with us, ms, s, min or h, such as '250ms'",
    ),
    "no fraction": (
        "os.after('1.s')",
        "ValueError: bad duration '1.s': a number with us, ms, s, min or h, such as '250ms'",
    ),
    "unknown source": ("os.subscribe('toaster')", "ValueError: unknown source 'toaster'"),
    "no line": ("os.subscribe(9999)", "ValueError: no interrupt line 9999"),
    "a negative line": ("os.subscribe(-1)", "ValueError: no interrupt line -1"),
    "no source": (
        "os.subscribe(1.0)",
        "TypeError: a source is a line number, a name or a device's interrupt, not float",
    ),
    "the console's line": (
        "os.subscribe(4)",
        "OSError: [Errno 16] EBUSY: irq 4 belongs to uart com1",
    ),
    "trigger": (
        "os.after('1h').unref().trigger()",
        "TypeError: only an event made by os.event() can be triggered",
    ),
    "exit status": ("os.exit(256)", "ValueError: status must be 0 to 255"),
    "storing": ("os.event().count = 5", "AttributeError: 'Event' object has no attribute 'count'"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_refused(guest: Guest, what: str) -> None:
    code, message = BAD[what]
    out = guest.exec(
        "import os\n"
        "class C:\n    def nothing(self): pass\n"
        "def closure(x): return lambda: x\n"
        "async def coroutine(ev): pass\n"
        "before = os.stats()\n"
        f"try: {code}\n"
        "except Exception as e: print(type(e).__name__ + ':', e)\n"
    )
    assert out == message + "\n"


GOOD = ("lambda ev: 0", "lambda *a: 0", "lambda a, b=1: 0", "C().one", "C.one", "print", "C", "e")


@pytest.mark.parametrize("callback", GOOD)
def test_what_takes_one_argument_is_taken(virtual: Guest, callback: str) -> None:
    out = virtual.exec(
        "import os, time\n"
        "class C:\n"
        "    def __init__(self, ev=None): pass\n"
        "    def one(self, ev=None): pass\n"
        "e = os.event(lambda ev: 0)\n"
        "os.on_error(lambda exc, ev: print(exc))\n"
        f"f = os.after(0, {callback}); time.sleep_ms(1)\n"
        "print(f.count)\n"
    )
    assert out.endswith("1\n")
    assert out.count("\n") == (2 if callback == "print" else 1)
