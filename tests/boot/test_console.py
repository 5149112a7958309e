# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""The console loses nothing and stalls nobody."""

from __future__ import annotations

import random
import socket
import threading
import time

PASTE = 64 * 1024
READER = """
import sys
n = {size}
print("ready")
while n:
    data = sys.stdin.buffer.read(min(n, 512))
    sys.stdout.buffer.write(data)
    n -= len(data)
"""
BUSY_READER = """
import sys, time
print("ready")
time.sleep_ms(50)
t = time.ticks_ms()
while time.ticks_diff(time.ticks_ms(), t) < 3000: pass
n = {size}
while n:
    data = sys.stdin.buffer.read(min(n, 512))
    sys.stdout.buffer.write(data)
    n -= len(data)
"""


def echoed(guest, data: bytes) -> bytes:
    """Send (data) at full speed while reading; what comes back, as long."""
    connection: socket.socket = guest.connection
    sender = threading.Thread(target=connection.sendall, args=(data,), daemon=True)
    sender.start()
    received = bytearray()
    connection.settimeout(60)
    while len(received) < len(data):
        received += connection.recv(65536)
    sender.join(timeout=60)
    return bytes(received)


def paste_data() -> bytes:
    """Every byte value but Ctrl-C, which interrupts, in no order."""
    values = [value for value in range(256) if value != 3]
    return bytes(random.Random(1).choices(values, k=PASTE))


def test_a_paste_of_64_kib_is_echoed_byte_for_byte(boot, build_image):
    guest = boot(build_image(READER.format(size=PASTE)))
    guest.expect_text("ready\r\n")
    data = paste_data()
    assert echoed(guest, data) == data
    guest.expect_exit(0)


def test_a_paste_into_a_busy_program_is_kept(boot, build_image):
    # Less than the ring, because nobody takes anything out of it for 3 s.
    guest = boot(build_image(BUSY_READER.format(size=32 * 1024)))
    guest.expect_text("ready\r\n")
    data = paste_data()[: 32 * 1024]
    assert echoed(guest, data) == data
    guest.expect_exit(0)


def test_a_paste_at_the_prompt_runs(guest):
    lines = [f"x{i} = {i}" for i in range(200)]
    guest.send("\x05")
    guest.expect_text("=== ")
    guest.send("\r".join(lines) + "\rprint(x0 + x199)\r\x04")
    guest.expect_text("\r\n199\r\n>>> ")


def test_output_that_nobody_reads_does_not_stall_the_machine(boot, build_image):
    app = "import sys\nfor i in range(40000):\n    print('line', i)\nsys.exit(7)\n"
    guest = boot(build_image(app))
    # Nothing is read: QEMU's socket fills, then the UART stops being emptied.
    assert guest.process.wait(timeout=60) == 7 << 1 | 1


def test_an_idle_guest_uses_no_cpu(guest):
    def seconds() -> float:
        with open(f"/proc/{guest.process.pid}/stat") as file:  # noqa: PTH123 (one line)
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    guest.run("1")
    before = seconds()
    time.sleep(4)
    assert seconds() - before <= 0.04 + 0.02  # 1 %, and the clock's grain of 10 ms at both ends
