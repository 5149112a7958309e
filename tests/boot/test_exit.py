# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""How a program ends is what the one who started the machine sees."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("status", [0, 1, 42, 100])
def test_sys_exit_is_the_status(boot, build_image, machine, status):
    guest = boot(build_image(f"import sys\nsys.exit({status})\n"), **machine)
    guest.expect_exit(status)


def test_an_uncaught_exception_is_status_1(boot, build_image):
    image = build_image("def f():\n    raise ValueError('no')\nf()\n", "--on-crash", "poweroff")
    guest = boot(image)
    with guest.allow("traceback"):
        guest.expect_text("Traceback (most recent call last):")
        guest.expect(r'File "\S*", line 3, in <module>')
        guest.expect_text("ValueError: no\r\n")
        guest.expect_exit(1)


def test_an_uncaught_exception_leads_to_the_prompt(boot, build_image):
    guest = boot(build_image("x = 7\n1 / 0\n", "--on-crash", "repl"))
    with guest.allow("traceback"):
        guest.expect_text("ZeroDivisionError")
        guest.prompt()
    assert guest.run("x") == "7"
    guest.at_prompt = True


def test_at_exit_repl_leads_to_the_prompt(boot, build_image):
    guest = boot(build_image("x = 8\n", "--at-exit", "repl"))
    guest.prompt()
    assert guest.run("x") == "8"
    guest.at_prompt = True


def test_the_command_line_overrides_the_image(boot, build_image):
    guest = boot(build_image("x = 9\n"), append="at-exit=repl")
    guest.prompt()
    assert guest.run("x") == "9"
    guest.at_prompt = True


def test_arguments_and_environment_come_from_the_command_line(boot, build_image):
    app = "import os, sys\nprint(sys.argv[1:], os.getenv('COLOUR'))\n"
    guest = boot(build_image(app), append="COLOUR=red -- one two")
    guest.expect_text("['one', 'two'] red\r\n")
    guest.expect_exit(0)


def test_reset_resets_the_machine(boot, build_image, machine):
    guest = boot(build_image("import machine\nmachine.reset()\n"), **machine)
    assert guest.status().reason == "guest-reset"
