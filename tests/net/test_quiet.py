# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""A machine on a quiet wire sleeps, and is there when somebody comes."""

from __future__ import annotations

import itertools
import socket
import struct
import time

from wire import ARP, GUEST_IP, PEER_IP, UDP, udp

APP = """
import asyncio

async def serve(reader, writer):
    while await reader.readline() not in (b"", b"\\r\\n"):
        pass
    writer.write(b"HTTP/1.0 200 OK\\r\\nContent-Length: 6\\r\\n\\r\\nawake\\n")
    await writer.drain()
    writer.close()

async def main():
    await asyncio.start_server(serve, "0.0.0.0", 80)
    await asyncio.sleep(3600)
    print("an hour later")
    await asyncio.sleep(36000)

asyncio.run(main())
"""
# Time is counted in instructions, and passes at once when there are none.
VIRTUAL = ("-icount", "shift=0,sleep=off")


def test_a_server_answers_after_a_quiet_hour(serve, build_image):
    server = serve(build_image(APP), extra=VIRTUAL)
    server.guest.expect_text("an hour later")
    assert server.wait_http() == b"awake\n"
    server.stop()


NEIGHBOUR = """
import socket, time

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 9))
s.setblocking(False)

def receive():  # while it spins, the clock goes on as fast as it works, and no faster
    while True:
        try:
            return s.recvfrom(10)
        except OSError:
            pass

_, peer = receive()
for pause in (0, 200, 60, 60):
    time.sleep(pause)
    s.sendto(b"%d" % pause, peer)
    receive()
"""


def test_addresses_grow_old_while_the_machine_sleeps(wired, build_image, wire, monkeypatch):
    """lwIP asks for a neighbour that it talks to 270 s after it answered last, or later."""
    asked = []
    answer_arp = wire._answer_arp

    def watch(frame: bytes) -> bool:
        if frame[12:14] == struct.pack("!H", ARP) and frame[38:42] == socket.inet_aton(PEER_IP):
            asked.append(frame)
        return answer_arp(frame)

    monkeypatch.setattr(wire, "_answer_arp", watch)
    guest = wired(build_image(NEIGHBOUR), extra=VIRTUAL)
    found = []
    for _ in range(4):
        wire.send(udp(b"go on", 9))
        asked.clear()
        assert wire.wait(
            lambda f: f[12:14] == b"\x08\0" and f[23] == UDP and f[36:38] == b"\x0f\xa0"
        )
        found.append(bool(asked))
    assert found == [False, False, False, True]
    guest.at_prompt = True


LEASE_S = 8
LEASED = """
import net, time
net.eth0.on_up(lambda nic: print("up", nic.address))
net.eth0.on_down(lambda nic: print("down"))
time.sleep(3600)
"""
DISCOVER, OFFER, REQUEST, ACKNOWLEDGE = 1, 2, 3, 5


def dhcp_request(frame: bytes) -> tuple[int, bytes, bool] | None:
    """(kind, the head of the message, whether it comes from the address) of a client's message."""
    if frame[12:14] != b"\x08\0" or frame[23] != UDP or frame[36:38] != struct.pack("!H", 67):
        return None
    return frame[284], frame[42:278], frame[26:30] == socket.inet_aton(GUEST_IP)


def dhcp_answer(kind: int, head: bytes) -> bytes:
    server = socket.inet_aton(PEER_IP)
    message = b"\2" + head[1:16] + socket.inet_aton(GUEST_IP) + server + head[24:236]
    options = b"\x35\1" + bytes((kind,)) + b"\x36\4" + server + b"\1\4\xff\xff\xff\0"
    options += b"\x33\4" + struct.pack("!I", LEASE_S) + b"\xff"
    return udp(message + b"\x63\x82\x53\x63" + options, 68, 67)


def test_a_lease_of_seconds_is_renewed_at_half_of_it(boot, build_image, wire):
    def edit(command: list[str]) -> list[str]:
        return [wire.netdev if word.startswith("user,id=n0") else word for word in command]

    guest = boot(build_image(LEASED), network=True, edit=edit)
    renewed = []
    for frame in wire.frames(2 * LEASE_S + 4):
        found = dhcp_request(frame)
        if found is None:
            continue
        kind, head, bound = found
        wire.send(dhcp_answer(OFFER if kind == DISCOVER else ACKNOWLEDGE, head))
        if kind == REQUEST:
            renewed.append(time.monotonic())
        if len(renewed) == 4:
            break
        assert bound == (len(renewed) > 1)
    pauses = [after - before for before, after in itertools.pairwise(renewed)]
    assert len(pauses) == 3
    assert all(LEASE_S / 2 - 1.5 < pause < LEASE_S * 7 / 8 for pause in pauses), pauses
    guest.expect_text(f"up {GUEST_IP}\r\n")
    assert "down" not in guest.log_text()
    guest.at_prompt = True
