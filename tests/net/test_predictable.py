# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""What an attacker off the path must guess: it differs each time, and from boot to boot."""

from __future__ import annotations

import itertools
import struct
import time
from collections.abc import Callable

import pytest
from guest import Guest
from wire import IP4, PEER_IP, TCP, UDP, Cable, Wire, udp

COUNT = 40
APP = f"""
import net

left = {COUNT}

def ask(address, error):
    global left
    left -= 1
    if left >= 0:
        net.resolve("n%d.test" % left, ask)
        net.connect("{PEER_IP}", 99, timeout="3s")
    else:
        print("asked")

def begin(_):
    net.config("10.1.0.2/24", gateway="{PEER_IP}", dns="{PEER_IP}")
    ask(None, None)

import os
os.after("1s", begin)
"""


def words(frame: bytes, at: int, form: str) -> tuple[int, ...]:
    return struct.unpack_from(form, frame, at)


def observe(guest: Guest, wire: Wire) -> dict[str, list[int]]:
    """Every identifier that one boot shows to the wire."""
    seen: dict[str, list[int]] = {
        name: [] for name in ("dhcp id", "dns id", "dns port", "tcp port", "tcp sequence")
    }
    deadline = time.monotonic() + 30
    while len(seen["dns id"]) < COUNT or len(set(seen["tcp port"])) < COUNT:
        assert time.monotonic() < deadline, {name: len(values) for name, values in seen.items()}
        for frame in wire.frames(0.2):
            if frame[12:14] != struct.pack("!H", IP4):
                continue
            source, target = words(frame, 34, "!HH")
            if frame[23] == UDP and target == 67:
                seen["dhcp id"] += words(frame, 46, "!I")
            elif frame[23] == UDP and target == 53:
                seen["dns id"] += words(frame, 42, "!H")
                seen["dns port"].append(source)
                refuse(wire, frame)
            elif frame[23] == TCP and frame[47] == 2 and source not in seen["tcp port"]:
                seen["tcp port"].append(source)
                seen["tcp sequence"] += words(frame, 38, "!I")
    guest.expect_text("asked\r\n")
    return seen


def refuse(wire: Wire, question: bytes) -> None:
    """There is no such name."""
    data = question[42:44] + b"\x81\x83" + question[46:]
    wire.send(udp(data, words(question, 34, "!H")[0], by=53))


@pytest.fixture
def boots(boot: Callable[..., Guest], build_image) -> list[dict[str, list[int]]]:
    image = build_image(APP)
    seen = []
    for _ in range(2):
        wire = Wire()

        def edit(command: list[str], cable: Cable = wire) -> list[str]:
            return [cable.netdev if word.startswith("user,id=n0") else word for word in command]

        guest = boot(image, network=True, edit=edit)
        seen.append(observe(guest, wire))
        guest.at_prompt = True
        wire.close()
    return seen


def test_nothing_that_protects_can_be_guessed(boots):
    for name, first, second in ((name, boots[0][name], boots[1][name]) for name in boots[0]):
        if name == "dhcp id":
            assert set(first).isdisjoint(second)
            continue
        # Of 40 random 16-bit numbers a pair is the same by chance; more than two are no chance.
        assert len(set(first)) >= COUNT - 2, name
        assert len(set(first) & set(second)) <= 2, name
        steps = [(b - a) & 0xFFFF for a, b in itertools.pairwise(first)]
        assert len(set(steps)) >= COUNT - 5, f"{name} counts: {steps}"
