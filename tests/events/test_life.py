# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""The life of a program: what keeps the machine running, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from guest import Guest

Boot = Callable[..., Guest]
Build = Callable[..., Path]


def run(boot: Boot, build_image: Build, app: str, *options: str, **machine) -> Guest:
    return boot(build_image("import os, time\n" + app, *options), **machine)


def test_events_keep_the_machine_until_the_last_is_gone(boot: Boot, build_image: Build) -> None:
    app = (
        "def f(ev):\n"
        "    print('f', ev.count)\n"
        "    if ev.count == 3: ev.cancel()\n"
        "os.every('200ms', f)\n"
        "os.after('700ms', lambda ev: print('last'))\n"
        "print('main ends')\n"
    )
    guest = run(boot, build_image, app)
    guest.expect_text("main ends\r\nf 1\r\nf 2\r\nf 3\r\nlast\r\n")
    guest.expect_exit(0)


IDLE = {
    "unref": "os.every('1s', print).unref()",
    "a software event": "e = os.event(print)",
    "a cancelled timer": "os.every('1s', print).cancel()",
    "unref and ref and unref": "e = os.every('1s'); e.unref(); e.ref(); e.unref(); e.unref()",
    "a stopped Timer": "from machine import Timer; Timer(period=9, callback=print).deinit()",
}


@pytest.mark.parametrize("what", IDLE)
def test_machine_does_not_stay_for(boot: Boot, build_image: Build, what: str) -> None:
    run(boot, build_image, IDLE[what]).expect_exit(0)


STAYS = {
    "a subscription": "os.subscribe('com2', print)",
    "ref after unref": "os.every('1h').unref().ref()",
    "a Timer": "from machine import Timer; Timer(period=10**6, callback=print)",
    "a referenced software event": "os.event(print).ref()",
}


@pytest.mark.parametrize("what", STAYS)
def test_machine_stays_for(boot: Boot, build_image: Build, what: str) -> None:
    app = f"{STAYS[what]}\nos.after('200ms', lambda ev: print('alive'))\n"
    app += "os.after('400ms', lambda ev: os.exit(3))\n"
    guest = run(boot, build_image, app)
    guest.expect_text("alive")
    guest.expect_exit(3)


@pytest.mark.parametrize("hard", [False, True])
def test_system_exit_in_a_callback_ends_the_program_with_its_status(
    boot: Boot, build_image: Build, hard: bool
) -> None:
    app = (
        "def leave(ev): raise BYE\n"
        "BYE = SystemExit(5)\n"
        f"os.after('10ms', leave, hard={hard})\n"
        "try:\n"
        "    while True: pass\n"
        "finally: print('tidy')\n"
    )
    guest = run(boot, build_image, app)
    guest.expect_text("tidy")
    guest.expect_exit(5)


def test_exit_in_main(boot: Boot, build_image: Build) -> None:
    run(boot, build_image, "os.every('1s', print)\nos.exit(9)").expect_exit(9)


def test_poweroff_and_reboot(boot: Boot, build_image: Build) -> None:
    guest = run(boot, build_image, "print('bye')\nos.poweroff()")
    guest.expect_text("bye")
    guest.expect_exit(0)
    guest = run(boot, build_image, "print('again')\nos.reboot()")
    guest.expect_text("again")
    assert guest.status().reason == "guest-reset"


def test_run_serves_events_in_the_middle_of_a_script(boot: Boot, build_image: Build) -> None:
    app = (
        "os.after('20ms', lambda ev: print('event'))\n"
        "os.run()\n"
        "print('after run')\n"
        "os.after(0, lambda ev: os.run())\n"
    )
    guest = run(boot, build_image, app)
    with guest.allow("traceback"):
        guest.expect_text("event\r\nafter run\r\n")
        guest.expect_text("RuntimeError: run() in a callback")
    guest.expect_exit(0)


def test_ctrl_c_gives_the_prompt_with_events_still_served(boot: Boot, build_image: Build) -> None:
    app = "n = 0\ndef f(ev):\n    global n\n    n += 1\n    print('f', n)\nos.every('100ms', f)\n"
    guest = run(boot, build_image, app)
    guest.expect_text("f 2")
    with guest.allow("traceback"):
        guest.send("\x03")
        guest.expect_text("KeyboardInterrupt")
        guest.expect_text(">>> ")
    guest.expect(r"f \d+\r\n")
    guest.expect(r"f \d+\r\n")
    guest.send("\x04")  # a soft reset ends the events, and the program starts again
    guest.expect_text("soft reboot")
    guest.expect_text("f 1\r\n")
    guest.at_prompt = True


def test_soft_reset_cancels_events(guest: Guest) -> None:
    guest.run("import os")
    guest.send("e = os.every('20ms', lambda ev: print('ping'))\r")
    guest.expect_text("ping")
    guest.send("\x04")
    guest.expect_text("soft reboot")
    guest.expect_text(">>> ")
    guest.exec("import time; time.sleep_ms(100)")
    assert "ping" not in guest.exec("import time; time.sleep_ms(100)")
    assert guest.run("import os; os.interrupts()[0].name") == "'uart com1'"


def test_soft_reset_with_many_events_queued_and_held(guest: Guest) -> None:
    """Timers armed, calls queued, a line subscribed: nothing of it is left."""
    for _ in range(5):
        guest.exec(
            "import os, gc, machine\n"
            "es = [os.every(1, lambda ev: None) for i in range(50)]\n"
            "es += [os.every(1, lambda ev: None, hard=True) for i in range(50)]\n"
            "os.subscribe(5, print); t = machine.Timer(period=1, callback=lambda t: None)\n"
        )
        guest.send("\x04")
        guest.expect_text("soft reboot")
        guest.expect_text(">>> ")
        assert guest.exec("x = [bytearray(1000) for i in range(2000)]; print(len(x))") == "2000\n"


def test_ctrl_c_does_not_interrupt_a_callback(guest: Guest) -> None:
    """It reaches main code, once the callback has returned."""
    guest.exec(
        "import os, time\n"
        "def f(ev):\n"
        "    print('begin')\n"
        "    t = time.ticks_ms()\n"
        "    while time.ticks_diff(time.ticks_ms(), t) < 500: pass\n"
        "    time.sleep_ms(15)\n"
        "    print('end')\n"
    )
    guest.send("os.after(100, f); time.sleep(60)\r")
    guest.expect_text("begin")
    with guest.allow("traceback"):
        guest.send("\x03")
        assert "KeyboardInterrupt" not in guest.expect_text("end")
        guest.expect_text("KeyboardInterrupt")
        guest.expect_text(">>> ")


def test_second_ctrl_c_interrupts_a_callback_that_does_not_return(guest: Guest) -> None:
    guest.exec("import os, time\ndef f(ev):\n    print('begin')\n    while True: pass\n")
    guest.send("os.after(100, f); time.sleep(60)\r")
    guest.expect_text("begin")
    with guest.allow("traceback"):
        guest.send("\x03")
        guest.send("\x03")
        guest.expect_text("in f\r\nKeyboardInterrupt")
        guest.expect_text(">>> ")


def test_system_exit_at_the_prompt_is_a_soft_reset(guest: Guest) -> None:
    guest.send("import os; e = os.after('200ms', lambda ev: os.exit(4))\r")
    guest.expect_text("soft reboot")
    guest.expect_text(">>> ")


def test_app_crash_with_events(boot: Boot, build_image: Build) -> None:
    guest = run(boot, build_image, "os.every('1s', print)\n1 // 0\n", append="on-crash=poweroff")
    with guest.allow("traceback"):
        guest.expect_text("ZeroDivisionError")
    guest.expect_exit(1)
