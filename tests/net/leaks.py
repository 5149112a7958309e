# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Whether a guest is as it was before a load: its memory, its card, and that it still answers."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass

from bench.network import GUEST, Network

# For the end of a program: tells Usage on UDP port 8, and that it runs.
TELL = """
import gc, net

@net.udp(8)
def tell(packet):
    gc.collect()
    stats = net.eth0.stats
    packet.reply("%d %d %d %d %d" % (
        net.stats()["memory_used"], gc.mem_alloc(), stats["buffers"],
        stats["resets"] + stats["violations"], stats["tx_frames"]))

print("ready")
"""
STACK_SLACK = 256  # bytes: timers of the stack come and go; a connection takes more
PYTHON_SLACK = 4096  # bytes


@dataclass
class Usage:
    stack: int  # bytes in use by lwIP
    python: int  # bytes in use on Python's heap
    buffers: int  # that the card holds to receive into
    complaints: int  # resets of the card and rules that it broke
    sent: int  # frames


def usage(space: Network, tries: int = 20) -> Usage:
    """What a guest on the tap device of (space) tells. Asked until answered."""

    def ask() -> bytes | None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(1)
            client.sendto(b"", (GUEST, 8))
            try:
                return client.recv(100)
            except (TimeoutError, ConnectionError):
                return None

    for _ in range(tries):
        if answer := space.call(ask):
            return Usage(*map(int, answer.split()))
    raise AssertionError("the guest does not tell")


def wait_until_level(space: Network, before: Usage, seconds: float = 40.0) -> Usage:
    """Until nothing is left of a load: (before) was told ahead of it. What is told then.

    Connections that are over are remembered for 10 s (TIME_WAIT), so it may take some.
    """
    deadline = time.monotonic() + seconds
    while True:
        after = usage(space)
        assert after.complaints == before.complaints
        if (
            after.stack <= before.stack + STACK_SLACK
            and after.python <= before.python + PYTHON_SLACK
            and after.buffers >= before.buffers
        ):
            return after
        assert time.monotonic() < deadline, f"{before} became {after}"
        time.sleep(0.5)
