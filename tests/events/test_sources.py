# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Interrupts of real devices: os.subscribe(), machine.pci(), and whose line it is."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from guest import Guest
from serial_line import Line

Boot = Callable[..., Guest]

# A driver for COM2 as a program would write it.
COM2 = (
    "import os, time\n"
    "from machine import port8 as p\n"
    "p[0x2fc] = 0x0b; p[0x2f9] = 1\n"
    "got = bytearray()\n"
    "def received(ev):\n"
    "    while p[0x2fd] & 1: got.append(p[0x2f8])\n"
)

# QEMU's edu device: writing to 0x60 raises the line, writing the same to 0x64 lowers it.
EDU = (
    "import os, time\n"
    "from machine import pci, mem32\n"
    "edu = [d for d in pci() if d.vendor == 0x1234 and d.device == 0x11e8][0]\n"
    "base = edu.map(0)\n"
    "def raise_irq(): mem32[base + 0x60] = 1\n"
    "def quiet(): mem32[base + 0x64] = mem32[base + 0x24]\n"
    "def masked(): return [i.masked for i in os.interrupts() if i.irq == line][0]\n"
)


@pytest.fixture
def serial(boot: Boot, repl_image: Path, com2: Line) -> Iterator[Guest]:
    """A pc with a second serial port, at its prompt."""
    booted = boot(repl_image, machine="pc", extra=com2.arguments)
    com2.connect()
    booted.prompt()
    yield booted
    assert booted.run("print(6 * 7)") == "42"
    booted.at_prompt = True


@pytest.fixture(params=["pc", "q35", "microvm,pcie=on"])
def edu(boot: Boot, repl_image: Path, request: pytest.FixtureRequest) -> Iterator[Guest]:
    """A machine with the edu device, at its prompt."""
    booted = boot(repl_image, machine=request.param, extra=("-device", "edu"))
    booted.prompt()
    booted.exec(EDU)
    yield booted
    assert booted.run("print(6 * 7)") == "42"
    booted.at_prompt = True


# --- Lines ---


@pytest.mark.parametrize("source", ["'com2'", "3"])
@pytest.mark.parametrize("hard", [False, True])
def test_second_serial_port(serial: Guest, com2: Line, source: str, hard: bool) -> None:
    """Every byte of a kilobyte arrives, in order; a hard handler needs its buffer ready."""
    serial.exec(COM2)
    if hard:
        serial.exec(
            "got = bytearray(1000); n = 0\n"
            "def received(ev):\n"
            "    global n\n"
            "    while p[0x2fd] & 1: got[n] = p[0x2f8]; n += 1\n"
        )
    serial.exec(f"e = os.subscribe({source}, received, hard={hard})")
    com2.send(bytes(range(250)) * 4)
    done = "n == 1000" if hard else "len(got) == 1000"
    out = serial.exec(
        f"t = time.ticks_ms()\n"
        f"while not ({done}) and time.ticks_diff(time.ticks_ms(), t) < 20000: time.sleep_ms(5)\n"
        "print(got == bytes(range(250)) * 4, e.source, e.count > 0)\n"
        "e.cancel()\n"
    )
    assert out == "True irq 3 True\n"


def test_a_million_serial_interrupts_and_none_is_lost(serial: Guest) -> None:
    """The port in loop-back mode interrupts for each byte that is written to it."""
    out = serial.exec(
        COM2 + "p[0x2fc] = 0x1b\n"
        "calls = firings = 0\n"
        "def received(ev):\n"
        "    global calls, firings\n"
        "    p[0x2f8]; calls += 1; firings += ev.pending\n"
        "e = os.subscribe('com2', received)\n"
        "for i in range(1000000): p[0x2f8] = 0\n"
        "time.sleep_ms(1)\n"
        "print(firings, e.count, [i.count for i in os.interrupts() if i.irq == 3])\n"
        "e.cancel()\n",
        timeout=200,
    )
    assert out == "1000000 1000000 [1000000]\n"


def test_keyboard(boot: Boot, repl_image: Path) -> None:
    guest = boot(repl_image, machine="pc")
    guest.prompt()
    guest.exec(
        "import os\n"
        "from machine import port8 as p\n"
        "while p[0x64] & 1: p[0x60]\n"
        "p[0x64] = 0xae; p[0x64] = 0x60; p[0x60] = 0x45\n"
        "def key(ev):\n"
        "    while p[0x64] & 1: print('code', p[0x60])\n"
        "e = os.subscribe('keyboard', key)\n"
    )
    guest.monitor("sendkey a")
    guest.expect_text("code 30\r\n")
    guest.expect_text("code 158\r\n")
    guest.at_prompt = True


@pytest.mark.parametrize("machine", ["pc", "q35", "microvm", "microvm,pcie=on"])
def test_power_button(boot: Boot, build_image: Callable[..., Path], machine: str) -> None:
    image = build_image(
        "import os\n"
        "def pressed(ev):\n"
        "    print('pressed', ev.count, ev.source)\n"
        "    if ev.count == 2: os.exit(6)\n"
        "os.subscribe('power-button', pressed)\n"
        "print('ready')\n"
    )
    guest = boot(image, machine=machine)
    guest.expect_text("ready")
    guest.qmp.command("system_powerdown")
    guest.expect_text("pressed 1 power-button")
    guest.qmp.command("system_powerdown")
    guest.expect_text("pressed 2 power-button")
    guest.expect_exit(6)


def test_machine_without_acpi_has_no_power_button(boot: Boot, repl_image: Path) -> None:
    guest = boot(repl_image, machine="microvm,acpi=off")
    guest.prompt()
    out = guest.exec(
        "import os\ntry: os.subscribe('power-button')\nexcept OSError as e: print(e)\n"
    )
    assert out == "[Errno 19] ENODEV\n"
    guest.at_prompt = True


def test_power_button_is_shared_only_by_consent(boot: Boot, repl_image: Path) -> None:
    guest = boot(repl_image, machine="pc")
    guest.prompt()
    out = guest.exec(
        "import os\n"
        "a = os.subscribe('power-button', print)\n"
        "try: os.subscribe('power-button', print)\n"
        "except OSError as e: print(e)\n"
        "a.cancel()\n"
        "a = os.subscribe('power-button', lambda ev: print('one'), shared=True)\n"
        "b = os.subscribe('power-button', lambda ev: print('two'), shared=True)\n"
        "c = os.subscribe('power-button', lambda ev: print('three'), shared=True); c.cancel()\n"
    )
    assert out == "[Errno 16] EBUSY: irq 9 belongs to a listener to the power button\n"
    guest.qmp.command("system_powerdown")
    guest.expect_text("one\r\ntwo\r\n")
    guest.at_prompt = True


def test_rtc_periodic_interrupt(boot: Boot, repl_image: Path) -> None:
    """1,024 times a second, each acknowledged by reading register C.

    One may come that is not ours: an edge of the firmware's that the I/O APIC still remembered.
    """
    guest = boot(repl_image, machine="pc")
    guest.prompt()
    out = guest.exec(
        "import os, time\n"
        "from machine import port8 as p\n"
        "def cmos(reg, value=None):\n"
        "    p[0x70] = reg\n"
        "    if value is None: return p[0x71]\n"
        "    p[0x71] = value\n"
        "bad = 0\n"
        "def tick(ev):\n"
        "    global bad\n"
        "    if not cmos(12) & 0x40: bad += 1\n"
        "e = os.subscribe('rtc', tick)\n"
        "cmos(10, cmos(10) & 0xf0 | 6); cmos(12)\n"
        "cmos(11, cmos(11) | 0x40)\n"  # from here the two registers are the callback's
        "t = time.ticks_ms()\n"
        "while e.count < 200 and time.ticks_diff(time.ticks_ms(), t) < 20000: time.sleep_ms(1)\n"
        "e.cancel(); cmos(11, cmos(11) & 0xbf)\n"
        "print(e.count >= 200, bad <= 1, time.ticks_diff(time.ticks_ms(), t) > 100)\n"
    )
    assert out == "True True True\n"
    guest.at_prompt = True


def test_owned_line_names_its_owner(serial: Guest) -> None:
    out = serial.exec(
        COM2 + "for source in ('com1', 4, 'com2', 3):\n"
        "    try: e = os.subscribe(source, received); print(e.active)\n"
        "    except OSError as ex: print(ex)\n"
        "os.interrupts()\n"
    )
    assert out == (
        "[Errno 16] EBUSY: irq 4 belongs to uart com1\n" * 2
        + "True\n[Errno 16] EBUSY: irq 3 belongs to received\n"
    )


def test_hard_subscription_of_the_line_that_is_already_soft_is_refused(serial: Guest) -> None:
    out = serial.exec(
        COM2 + "a = os.subscribe('com2', received, shared=True)\n"
        "try: os.subscribe('com2', received, hard=True)\n"
        "except OSError as e: print(e.errno)\n"
        "a.cancel(); b = os.subscribe('com2', received); print(b.active, b.cancel())\n"
    )
    assert out == "16\nTrue True\n"


# --- Level-triggered lines ---


def test_level_line_is_masked_until_the_callback_has_returned(edu: Guest) -> None:
    out = edu.exec(
        "log = []\n"
        "def f(ev): log.append(masked()); quiet()\n"
        "e = os.subscribe(edu.irq, f); line = int(e.source.split()[1])\n"
        "before = masked()\n"
        "for i in range(3): raise_irq(); time.sleep_ms(1)\n"
        "print(before, log, masked(), e.count)\n"
        "e.cancel(); print(masked() if line in os.stats().irqs else None)\n"
    )
    assert out == "False [True, True, True] False 3\nTrue\n"


def test_driver_that_forgets_to_quiet_its_device_does_not_hang_the_machine(edu: Guest) -> None:
    """The callback runs again and again, and the main program goes on."""
    out = edu.exec(
        "e = os.subscribe(edu.irq, lambda ev: None)\n"
        "raise_irq()\n"
        "n = 0; t = time.ticks_ms()\n"
        "while time.ticks_diff(time.ticks_ms(), t) < 200: n += 1\n"
        "print(n > 20, e.count > 20)\n"
        "e.cancel(); quiet()\n"
    )
    assert out == "True True\n"


def test_ctrl_c_answers_within_a_second_in_an_interrupt_storm(edu: Guest) -> None:
    edu.exec(
        "e = os.subscribe(edu.irq, lambda ev: None); raise_irq()\n"
        "def loop():\n"
        "    print('in the loop')\n"
        "    while True: pass\n"
    )
    edu.send("loop()\r")
    edu.expect_text("in the loop\r\n")
    with edu.allow("traceback"):
        edu.send("\x03")
        edu.expect_text("KeyboardInterrupt", timeout=10)  # a second, on a machine of its own
        edu.expect_text(">>> ")
    edu.exec("e.cancel(); quiet()")


def test_hard_handler_that_never_quiets_its_device_is_cancelled(edu: Guest) -> None:
    out = edu.exec(
        "e = os.subscribe(edu.irq, lambda ev: None, hard=True)\n"
        "raise_irq()\n"
        "t = time.ticks_ms()\n"
        "while e.active and time.ticks_diff(time.ticks_ms(), t) < 20000: time.sleep_ms(1)\n"
        "quiet(); print(e.active)\n"
    )
    assert "RuntimeError: interrupt storm: the handler does not quiet the device" in out
    assert out.endswith("False\n")


def test_hard_handler_quiets_the_device(edu: Guest) -> None:
    out = edu.exec(
        "ack, status, n = base + 0x64, base + 0x24, 0\n"
        "def f(ev):\n"
        "    global n\n"
        "    n += 1; mem32[ack] = mem32[status]\n"
        "e = os.subscribe(edu.irq, f, hard=True)\n"
        "for i in range(100): raise_irq()\n"
        "print(n, e.count); e.cancel()\n"
    )
    assert out == "100 100\n"


def test_shared_line_calls_all_in_order_and_unmasks_after_the_last(edu: Guest) -> None:
    out = edu.exec(
        "log = []\n"
        "def first(ev): log.append(('first', masked()))\n"
        "def second(ev): log.append(('second', masked())); quiet()\n"
        "a = os.subscribe(edu.irq, first, shared=True); line = int(a.source.split()[1])\n"
        "b = os.subscribe(edu.irq, second, shared=True)\n"
        "try: os.subscribe(edu.irq, print)\n"
        "except OSError as e: print(e)\n"
        "raise_irq(); time.sleep_ms(1)\n"
        "print(log, masked())\n"
        "a.cancel(); raise_irq(); time.sleep_ms(1)\n"
        "print(a.count, b.count, masked()); b.cancel()\n"
    )
    busy, log, rest = out.split("\n", 2)
    assert busy.startswith("[Errno 16] EBUSY: irq ")
    assert busy.endswith(" belongs to first")
    assert log == "[('first', True), ('second', True)] False"
    assert rest == "1 2 False\n"


def test_cancel_while_the_line_is_held(edu: Guest) -> None:
    """A later subscriber finds the line open."""
    out = edu.exec(
        "def f(ev): ev.cancel(); quiet()\n"
        "for i in range(3):\n"
        "    e = os.subscribe(edu.irq, f); raise_irq(); time.sleep_ms(1)\n"
        "    print(e.count, e.active)\n"
    )
    assert out == "1 False\n" * 3


def test_awaited_level_line_stays_masked_until_the_next_wait(edu: Guest) -> None:
    out = edu.exec(
        "import asyncio\n"
        "async def driver():\n"
        "    global line\n"
        "    e = os.subscribe(edu.irq); line = int(e.source.split()[1])\n"
        "    n = 0; raise_irq()\n"
        "    async for ev in e:\n"
        "        held = masked(); quiet(); n += 1\n"
        "        if n == 3: e.cancel()\n"
        "        raise_irq()\n"
        "    quiet(); print(n, held, e.count)\n"
        "asyncio.run(driver())\n"
    )
    assert out == "3 True 3\n"


# --- PCI ---


def test_pci_lists_devices(edu: Guest) -> None:
    out = edu.exec(
        "print(edu, edu.class_code == 0xff0000, [b and (b.size, b.io) for b in edu.bars])\n"
        "print(5 in edu.capabilities, edu.irq, edu.vectors)\n"
        "print(edu.config16[0] == 0x1234, edu.config32[0] == 0x11e81234, edu.config[1])\n"
        "for bad in (lambda: edu.msix(0), lambda: edu.map(1), lambda: edu.config[-1]):\n"
        "    try: bad()\n"
        "    except IndexError as e: print(e)\n"
    )
    lines = out.splitlines()
    assert "1234:11e8 class 00ff00> " in lines[0]
    assert "(1048576, False), None, None, None, None, None]" in lines[0]
    assert lines[1].startswith("True <PCI ")
    assert lines[2] == "True True 18"
    assert lines[3:] == [
        "the device has 0 MSI-X vectors",
        "no such memory BAR",
        "no such register",
    ]


@pytest.mark.parametrize("machine", ["pc", "q35", "microvm,pcie=on"])
@pytest.mark.parametrize("hard", [False, True])
def test_msix(boot: Boot, repl_image: Path, machine: str, hard: bool) -> None:
    """QEMU's e1000e, a network card whose interrupts a driver can also raise by itself."""
    guest = boot(repl_image, machine=machine, extra=("-device", "e1000e,romfile="))
    guest.prompt()
    out = guest.exec(
        "import os, time\n"
        "from machine import pci, mem32\n"
        "d = [d for d in pci() if d.vendor == 0x8086 and d.device == 0x10d3][0]\n"
        "base = d.map(0)\n"
        "CAUSE, RAISE, ENABLE, VECTORS, RXQ0, RXQ1 = 0xc0, 0xc8, 0xd0, 0xe4, 1 << 20, 1 << 21\n"
        "hits = [0, 0]\n"
        "def zero(ev): mem32[base + CAUSE] = RXQ0; hits[0] += ev.pending\n"
        "def one(ev): mem32[base + CAUSE] = RXQ1; hits[1] += ev.pending\n"
        f"a = os.subscribe(d.msix(0), zero, hard={hard})\n"
        f"b = os.subscribe(d.msix(1), one, hard={hard})\n"
        "mem32[base + VECTORS] = 0x98; mem32[base + ENABLE] = RXQ0 | RXQ1\n"
        # The card keeps 128 us between two of a vector, and may repeat one after that.
        "def interrupt(n):\n"
        "    want = hits[n] + 1; t = time.ticks_ms()\n"
        "    mem32[base + RAISE] = RXQ0 << n\n"
        "    while hits[n] < want and time.ticks_diff(time.ticks_ms(), t) < 5000: pass\n"
        "for i in range(500):\n"
        "    interrupt(0)\n"
        "    if i % 2: interrupt(1)\n"
        "counts = [i.count for i in os.interrupts() if i.irq in (160, 161)]\n"
        "print(hits == counts, hits[0] >= 500, hits[1] >= 250)\n"
        "print(a.source, b.source, d.vectors)\n"
        "a.cancel(); c = os.subscribe(d.msix(0), zero); print(c.source); c.cancel()\n"
        "try: os.subscribe(d.msix(1), one)\n"
        "except OSError as e: print(e)\n"
    )
    assert out == (
        "True True True\nmsi 160 msi 161 5\nmsi 160\n[Errno 16] EBUSY: irq 161 belongs to one\n"
    )
    guest.at_prompt = True


def test_msix_of_a_device_that_the_kernel_drives_is_refused(boot: Boot, repl_image: Path) -> None:
    guest = boot(repl_image, machine="q35", network=True)
    guest.prompt()
    out = guest.exec(
        "import os, machine, net\n"
        "net.interfaces()\n"
        "card = [d for d in machine.pci() if d.class_code >> 8 == 0x0200][0]\n"
        "try: os.subscribe(card.msix(1), print)\n"
        "except OSError as e: print(e, e.errno)\n"
    )
    assert out == "[Errno 16] EBUSY: the virtio driver has it 16\n"
    guest.at_prompt = True


def test_bars_that_firmware_left_lie_apart_in_the_window(boot: Boot, repl_image: Path) -> None:
    """microvm's firmware places none; QEMU tells where they end up."""
    devices = ("edu", "ivshmem-plain,memdev=m", "e1000e,romfile=", "virtio-blk-pci,drive=d")
    extra = [word for device in devices for word in ("-device", device)]
    extra += ["-object", "memory-backend-ram,id=m,size=1M"]
    extra += ["-drive", "if=none,id=d,driver=null-co"]
    guest = boot(repl_image, machine="microvm,pcie=on", extra=tuple(extra))
    guest.prompt()
    told = guest.exec(
        "import machine\n"
        "for d in machine.pci():\n"
        "    for i, b in enumerate(d.bars):\n"
        "        if b and not b.io: d.map(i); print(b.address, b.size)\n"
    )
    bars = sorted(tuple(map(int, line.split())) for line in told.splitlines())
    ends = [(0xC0000000, 0), *bars]
    assert len(bars) >= 8
    for (start, size), (at, wanted) in itertools.pairwise(ends):
        assert at >= start + size
        assert at % wanted == 0
    assert sum(bars[-1]) <= 0xE0000000
    seen = re.findall(r"memory at 0x(\w+) \[0x(\w+)\]", guest.monitor("info pci"))
    assert sorted((int(a, 16), int(e, 16) + 1 - int(a, 16)) for a, e in seen) == bars
    guest.at_prompt = True
