# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""The prompt is MicroPython's, with all that its users know."""

from __future__ import annotations

import time


def test_the_banner_names_the_machine(boot, repl_image):
    guest = boot(repl_image)
    guest.expect(r"MicroPython v1\.\d+\.\d+ on \d{4}-\d\d-\d\d; ImportOS x86_64\r\n")
    guest.expect_text('Type "help()" for more information.\r\n>>> ')
    guest.at_prompt = True


def test_platform_and_version(guest):
    assert guest.exec("import sys; print(sys.platform, sys.implementation[0])") == (
        "x86 micropython\n"
    )


def test_history_recalls_the_line_before(guest):
    guest.run("123 + 1")
    guest.send("\x1b[A\r")
    guest.expect_text("123 + 1\r\n124\r\n>>> ")


def test_tab_completes_a_name(guest):
    guest.run("import micropython")
    guest.send("micropython.heap_lo\t")
    guest.expect_text("micropython.heap_lock")
    guest.send("\x03")
    guest.expect_text(">>> ")


def test_a_block_is_indented_by_itself(guest):
    guest.send("for i in range(2):\r")
    guest.expect_text("...     ")
    guest.send("print(i)\r")
    guest.expect_text("...     ")
    guest.send("\x7f\r")
    guest.expect_text("\r\n0\r\n1\r\n>>> ")


def test_paste_mode_takes_a_program(guest):
    guest.send("\x05")
    guest.expect_text("paste mode; Ctrl-C to cancel, Ctrl-D to finish\r\n=== ")
    guest.send("def f(x):\r    return x * 2\r\rprint(f(21))\r\x04")
    guest.expect_text("\r\n42\r\n>>> ")


def test_an_exception_shows_its_traceback(guest):
    with guest.allow("traceback"):
        out = guest.run("1 / 0")
    assert out.splitlines()[0] == "Traceback (most recent call last):"
    assert out.splitlines()[-1] == "ZeroDivisionError: divide by zero"


def test_help_lists_the_modules(guest):
    words = guest.run('help("modules")').split()
    wanted = [
        "asyncio/__init__",
        "array",
        "binascii",
        "builtins",
        "cmath",
        "collections",
        "cryptolib",
        "deflate",
        "errno",
        "framebuf",
        "gc",
        "hashlib",
        "heapq",
        "io",
        "json",
        "machine",
        "marshal",
        "math",
        "micropython",
        "os",
        "platform",
        "random",
        "re",
        "select",
        "struct",
        "sys",
        "time",
        "uctypes",
        "vfs",
    ]
    assert [name for name in wanted if name not in words] == []


def test_ctrl_c_stops_a_tight_loop(guest):
    with guest.allow("traceback"):
        guest.send("\x05print('lo' + 'ops')\rwhile True: pass\r\x04")
        guest.expect_text("loops\r\n")
        asked = time.monotonic()
        guest.send("\x03")
        guest.expect_text("KeyboardInterrupt: \r\n>>> ")
    assert time.monotonic() - asked < 5


def test_ctrl_c_stops_a_sleep(guest):
    with guest.allow("traceback"):
        guest.send("import time; print('sle' + 'eps'); time.sleep(1000)\r")
        guest.expect_text("sleeps\r\n")
        guest.send("\x03")
        guest.expect_text("KeyboardInterrupt: \r\n>>> ")


def test_ctrl_c_stops_the_app(boot, build_image):
    guest = boot(build_image("print('runs')\nwhile True: pass\n"), append="on-crash=repl")
    guest.expect_text("runs\r\n")
    with guest.allow("traceback"):
        guest.send("\x03")
        guest.expect_text("KeyboardInterrupt")
        guest.prompt()
    guest.at_prompt = True


def test_ctrl_d_resets_the_program_not_the_machine(guest):
    guest.run("x = 5")
    guest.send("\x04")
    guest.expect_text("soft reboot")
    guest.prompt()
    with guest.allow("traceback"):
        assert "NameError" in guest.run("x")


def test_help_answers(guest):
    assert "machine" in guest.run("help()")
