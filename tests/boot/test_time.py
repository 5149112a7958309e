# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Time in the guest is time on the host."""

from __future__ import annotations

import time

APP = """\
import time
print("begin")
time.sleep_ms(2000)
t = time.ticks_us()
print("end", t)
print("clock", time.time())
"""


def test_a_sleep_takes_its_time(boot, build_image, machine):
    guest = boot(build_image(APP), **machine)
    guest.expect_text("begin\r\n")
    begin = time.monotonic()
    guest.expect(r"end \d+\r\n")
    assert 1.9 < time.monotonic() - begin < 2.5
    guest.expect(r"clock (\d+)[.\d]*\r\n")
    assert abs(int(guest.match[1]) - time.time()) < 3
    guest.expect_exit(0)


def test_a_second_has_a_million_microseconds(guest):
    def ticks() -> tuple[float, int, float]:
        before = time.monotonic()
        value = int(guest.run("time.ticks_us()"))
        return before, value, time.monotonic()

    guest.run("import time")
    first_before, first, first_after = ticks()
    time.sleep(3)
    second_before, second, second_after = ticks()
    guest_seconds = (second - first) % (1 << 62) / 1e6
    # However long the answers took, the two readings lie between these.
    assert guest_seconds > (second_before - first_after) * 0.995
    assert guest_seconds < (second_after - first_before) * 1.005


def test_a_deadline_that_comes_before_the_halt_is_not_slept_over(boot, build_image):
    # On a busy host the timer often fires between being set and the halt.
    loop = "for _ in range(1000):\n    time.sleep_us(100)\n    time.sleep_ms(1)\n"
    guest = boot(build_image(f"import time\n{loop}print('up')\n"))
    guest.expect_text("up\r\n")
    guest.expect_exit(0)
