# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""One image boots on every machine, by both protocols, with little and much memory."""

from __future__ import annotations

import pytest

HELLO = """\
import gc, sys
print("hello from", sys.platform)
print("free", gc.mem_free())
"""
MEMORY_MIN = 4  # README.md states it


@pytest.fixture(scope="module")
def hello(build_image):
    return build_image(HELLO)


def free_memory(guest) -> int:
    guest.expect(r"free (\d+)\r\n")
    return int(guest.match[1])


def test_an_app_runs_and_powers_off(boot, hello, machine):
    guest = boot(hello, **machine)
    guest.expect_text("hello from x86\r\n")
    status = guest.status()
    assert (status.code, status.reason) == (0, "guest-shutdown")


def test_the_prompt_comes(boot, repl_image, machine):
    guest = boot(repl_image, **machine)
    guest.prompt()
    assert guest.run("1 + 1") == "2"
    guest.at_prompt = True


@pytest.mark.parametrize("megabytes", [MEMORY_MIN, 2048])
def test_memory_sizes(boot, hello, machine, megabytes):
    guest = boot(hello, megabytes=megabytes, **machine)
    guest.expect_text("hello from x86\r\n")
    guest.expect_exit(0)


@pytest.mark.parametrize("cpu", ["qemu64", "max"])
def test_cpu_models(boot, hello, machine, cpu):
    guest = boot(hello, cpu=cpu, **machine)
    guest.expect_text("hello from x86\r\n")
    guest.expect_exit(0)


def test_all_memory_becomes_heap(boot, hello):
    free = {}
    for megabytes in (32, 512):
        guest = boot(hello, megabytes=megabytes)
        free[megabytes] = free_memory(guest)
        guest.expect_exit(0)
    # The allocation table takes 1/64 or a little more of the heap.
    assert free[512] - free[32] > 0.95 * (512 - 32) * 1024 * 1024


def test_a_cpu_without_long_mode_is_told(boot, hello):
    guest = boot(hello, machine="pc", cpu="qemu64,-lm")
    status = guest.status()
    assert "this CPU has no long mode" in guest.log_text()
    assert status.reason != "guest-reset"
