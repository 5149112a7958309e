# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""machine.UART and machine.WDT, which stand on the same kernel parts as the events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from guest import Guest
from serial_line import Line

Boot = Callable[..., Guest]


@pytest.fixture
def uart(boot: Boot, repl_image: Path, com2: Line) -> Iterator[Guest]:
    """A pc with UART 1 open, at its prompt."""
    booted = boot(repl_image, machine="pc", extra=com2.arguments)
    com2.connect()
    booted.prompt()
    booted.exec("from machine import UART\nimport time\nu = UART(1, 115200, timeout=5000)\n")
    yield booted
    assert booted.run("print(6 * 7)") == "42"
    booted.at_prompt = True


def test_uart_writes(uart: Guest, com2: Line) -> None:
    """More than the ring holds; QEMU's socket takes some 270 bytes that nobody reads."""
    uart.send("u.write(b'0123456789' * 100); u.flush(); u.txdone()\r")
    assert com2.receive(1000) == b"0123456789" * 100
    uart.expect_text("1000\r\nTrue\r\n>>> ")


def test_uart_reads(uart: Guest, com2: Line) -> None:
    com2.send(b"hello\nworld")
    out = uart.exec(
        "print(u.readline(), u.read(5), u.any())\nu.init(timeout=0); print(u.read(1), u.read())\n"
    )
    assert out == "b'hello\\n' b'world' 0\nNone None\n"


def test_uart_read_waits_halted_and_wakes(uart: Guest, com2: Line) -> None:
    uart.send("u.read(3)\r")
    uart.expect_text("u.read(3)")
    com2.send(b"abc")
    uart.expect_text("b'abc'")
    uart.send("\r")
    uart.expect_text(">>> ")


@pytest.mark.parametrize("hard", [False, True])
def test_uart_irq(uart: Guest, com2: Line, hard: bool) -> None:
    uart.exec(
        "hits = 0\n"
        "def f(which):\n"
        "    global hits\n"
        "    if which is u and i.flags() & UART.IRQ_RX: hits += 1\n"
        f"i = u.irq(f, UART.IRQ_RX, {hard})\n"
    )
    com2.send(b"x")
    out = uart.exec(
        "t = time.ticks_ms()\n"
        "while not hits and time.ticks_diff(time.ticks_ms(), t) < 10000: time.sleep_ms(1)\n"
        "print(hits, u.read(1)); u.irq(None)\n"
    )
    assert out == "1 b'x'\n"


def test_uart_irq_when_the_line_is_idle(uart: Guest, com2: Line) -> None:
    uart.exec("got = []; i = u.irq(lambda u: got.append(u.read(u.any())), UART.IRQ_RXIDLE)")
    com2.send(b"a line of text")
    out = uart.exec(
        "t = time.ticks_ms()\n"
        "while not got and time.ticks_diff(time.ticks_ms(), t) < 10000: time.sleep_ms(1)\n"
        "time.sleep_ms(50); print(b''.join(got))\n"
    )
    assert out == "b'a line of text'\n"


@pytest.mark.parametrize("hard", [False, True])
def test_uart_irq_when_all_is_sent(uart: Guest, com2: Line, hard: bool) -> None:
    """Once for each message, and not for what comes in; the trigger outlives init()."""
    uart.exec(
        "hits = flags = 0\n"
        "def f(which):\n"
        "    global hits, flags\n"
        "    hits += 1; flags |= i.flags()\n"  # a hard one cannot allocate
        f"i = u.irq(f, UART.IRQ_TXIDLE, {hard}); u.init(115200)\n"
        "def send(data):\n"
        "    n = hits; u.write(data); t = time.ticks_ms()\n"
        "    while hits == n and time.ticks_diff(time.ticks_ms(), t) < 10000: time.sleep_ms(1)\n"
    )
    com2.send(b"x")
    out = uart.exec(
        "while not u.any(): pass\n"
        "for size in (1, 15, 16, 17, 200): send(b'y' * size)\n"
        "time.sleep_ms(20); print(hits, flags == UART.IRQ_TXIDLE, u.txdone())\n"
        "u.irq(f, UART.IRQ_RX); u.write(b'z' * 21); u.flush(); time.sleep_ms(20); print(hits)\n"
    )
    assert out == "5 True True\n5\n"
    assert com2.receive(270) == b"y" * 249 + b"z" * 21


def test_uart_in_asyncio(uart: Guest, com2: Line) -> None:
    """A stream that waits for the interrupt."""
    uart.exec(
        "import asyncio\n"
        "async def echo():\n"
        "    s = asyncio.StreamReader(u)\n"
        "    line = await s.readline()\n"
        "    s.write(line.upper()); await s.drain()\n"
    )
    uart.send("asyncio.run(echo())\r")
    uart.expect_text("asyncio.run(echo())")
    com2.send(b"quiet\n")
    assert com2.receive(6) == b"QUIET\n"
    uart.expect_text(">>> ")


def test_uart_settings_and_ownership(uart: Guest) -> None:
    out = uart.exec(
        "import os\n"
        "print(u)\n"
        "u.init(9600, 7, 0, 2, rxbuf=1000); print(u)\n"
        "for bad in (lambda: UART(0), lambda: UART(9), lambda: UART(1, 10**6),\n"
        "    lambda: UART(1, bits=9), lambda: os.subscribe('com2')):\n"
        "    try: bad()\n"
        "    except (OSError, ValueError) as e: print(e)\n"
        "u.deinit(); e = os.subscribe('com2'); print(e.cancel())\n"
        "try: u.read(1)\n"
        "except OSError as e: print(e)\n"
    )
    assert out == (
        "UART(1, baudrate=115200, bits=8, parity=None, stop=1, rxbuf=256, txbuf=256, "
        "timeout=5000, timeout_char=0)\n"
        "UART(1, baudrate=9600, bits=7, parity=0, stop=2, rxbuf=1024, txbuf=256, "
        "timeout=5000, timeout_char=0)\n"
        "[Errno 16] EBUSY: irq 4 belongs to the console\n"
        "UART(9) doesn't exist\n"
        "baudrate is not in 1 to 115200\n"
        "bits is not in 5 to 8\n"
        "[Errno 16] EBUSY: irq 3 belongs to uart com2\n"
        "True\n"
        "[Errno 9] EBADF\n"
    )


def test_uart_is_closed_by_a_soft_reset(uart: Guest) -> None:
    uart.send("\x04")
    uart.expect_text("soft reboot")
    uart.expect_text(">>> ")
    out = uart.exec("import os; e = os.subscribe('com2'); print(e.active); e.cancel()")
    assert out == "True\n"


WATCHDOGS = {
    "by the timer": ("microvm", ()),
    "i6300esb": ("pc", ("-device", "i6300esb")),
}


@pytest.mark.parametrize("kind", WATCHDOGS)
def test_watchdog_resets_the_machine_when_it_is_not_fed(
    boot: Boot, build_image: Callable[..., Path], kind: str
) -> None:
    machine, extra = WATCHDOGS[kind]
    image = build_image(
        "import machine, time\n"
        "w = machine.WDT(timeout=1000)\n"
        "for i in range(4): time.sleep_ms(500); w.feed()\n"
        "print('fed')\n"
        "while True: pass\n"
    )
    guest = boot(image, machine=machine, extra=extra)
    guest.expect_text("fed")
    assert guest.status().reason == "guest-reset"
    watched = [e["event"] for e in guest.qmp.events]
    assert ("WATCHDOG" in watched) == (kind == "i6300esb")


def test_watchdog_refuses_nonsense(guest: Guest) -> None:
    out = guest.exec(
        "import machine\n"
        "for bad in (lambda: machine.WDT(timeout=0), lambda: machine.WDT(id=5)):\n"
        "    try: bad()\n"
        "    except ValueError as e: print(e)\n"
    )
    assert out == "timeout must be positive\nWDT doesn't exist\n"
