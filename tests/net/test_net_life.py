# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""What lives longer or shorter than it should: soft resets, closed sockets, cables, leases."""

from __future__ import annotations

import hashlib
import os
import struct
import threading
import time

import pytest
from guest import PythonError
from wire import ACK, SYN, tcp, udp


def memory_used(guest) -> int:
    guest.run("import gc, net")
    guest.run("gc.collect()")
    return int(guest.run("print(net.stats()['memory_used'])"))


def test_soft_resets_close_everything(boot, repl_image):
    guest = boot(repl_image, network=True)
    guest.prompt()
    used = []
    for number in range(12):
        guest.run("import net, socket, network")
        guest.run("s = socket.socket(); s.bind(('', 80)); s.listen(5)")
        guest.run("u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('', 53))")
        guest.run("n = net.listen(81, lambda c: None); p = net.udp(54, print)")
        guest.run("net.eth0.on_frame(lambda f: False); c = net.connect('10.0.2.2', 1)")
        assert guest.run("network.route()").startswith("[LAN(0"), number
        used.append(memory_used(guest))
        guest.send("\x04")
        guest.expect_text("soft reboot")
        guest.prompt()
    # Ports were free each time, or bind() had raised; and nothing piles up.
    assert used[-1] <= used[2] + 4096, used
    guest.at_prompt = True


@pytest.mark.parametrize("nic", ["5", "'eth0'", "object()"])
def test_a_card_must_be_one(boot, repl_image, nic):
    guest = boot(repl_image, network=True)
    guest.prompt()
    guest.run("import net")
    with pytest.raises(PythonError, match="nic is not a net"):
        guest.exec(f"net.config('dhcp', nic={nic})")
    guest.exec("net.config('dhcp', nic=net.eth0)")
    guest.at_prompt = True


def test_dropped_sockets_are_collected(boot, repl_image):
    guest = boot(repl_image, network=True)
    guest.prompt()
    before = memory_used(guest)
    guest.run("import socket")
    line = "for i in range(500): socket.socket(); socket.socket(socket.AF_INET, 2)"
    guest.run(f"exec({line!r})")
    after = memory_used(guest)
    assert after <= before + 8192
    guest.at_prompt = True


TRANSFER = """
import hashlib, net

@net.listen(80)
def server(connection):
    digest = hashlib.sha256()
    connection.on_data(digest.update)
    @connection.on_end
    def end():
        connection.end(digest.digest())
    connection.on_close(lambda error: print("closed", error))
print("ready")
"""


def test_a_cable_pulled_in_the_middle_of_a_transfer(serve, build_image):
    server = serve(build_image(TRANSFER))
    server.guest.expect_text("ready\r\n")
    time.sleep(0.5)
    data = os.urandom(8 << 20)
    with server.connect(80, 30) as client:
        sender = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(1)))
        sender.start()
        for _ in range(5):
            for up in (False, True):
                time.sleep(0.1)
                server.guest.qmp.command("set_link", name="n0", up=up)
        sender.join()
        assert client.recv(100) == hashlib.sha256(data).digest()
    server.guest.expect_text("closed None\r\n")
    server.stop()


def test_link_and_address_come_and_go(boot, build_image):
    app = """
import net
net.eth0.on_down(lambda nic: print("down", nic.is_up))
net.eth0.on_up(lambda nic: print("up", nic.address))
net.udp(7, print)
"""
    guest = boot(build_image(app), network=True)
    for _ in range(3):
        guest.expect_text("up 10.0.2.15\r\n")
        guest.qmp.command("set_link", name="n0", up=False)
        guest.expect_text("down False\r\n")
        guest.qmp.command("set_link", name="n0", up=True)
    guest.expect_text("up 10.0.2.15\r\n")
    guest.at_prompt = True


THOUSANDS = """
import gc, net

@net.udp(8)
def tell(packet):
    gc.collect()
    packet.reply("%d %d" % (server.connections, net.stats()["memory_used"] + gc.mem_alloc()))

server = net.listen(80, lambda connection: connection.on_data(connection.write))
print("ready")
"""


def ask(wire) -> tuple[int, int]:
    for _ in range(10):
        wire.send(udp(b"", 8))
        answer = wire.wait(lambda f: f[12:14] == b"\x08\0" and f[23] == 17, 3.0)
        if answer is not None:
            count, size = answer[42:].split()
            return int(count), int(size)
    raise AssertionError("the guest does not tell")


def connect_many(wire, count: int) -> None:
    """Open (count) connections from ports 1024 on, and leave them idle."""
    waiting: dict[int, float] = {}
    done = 0
    following = iter(range(1024, 1024 + count))
    deadline = time.monotonic() + 60
    while done < count:
        assert time.monotonic() < deadline, f"{done} connections"
        while len(waiting) < 100 and (port := next(following, None)) is not None:
            waiting[port] = 0.0
        now = time.monotonic()
        for port, sent in waiting.items():
            if now - sent > 1:
                wire.send(tcp(80, SYN, by=port, options=bytes.fromhex("020405b4")))
                waiting[port] = now
        for frame in wire.frames(0.02):
            port = struct.unpack("!H", frame[36:38])[0]
            if frame[12:14] == b"\x08\0" and frame[47] & 0x12 == 0x12 and port in waiting:
                theirs = struct.unpack("!I", frame[38:42])[0]
                wire.send(tcp(80, ACK, by=port, sequence=1001, acknowledge=theirs + 1))
                del waiting[port]
                done += 1
                if len(waiting) < 50:
                    break


def test_three_thousand_idle_connections(wired, build_image, wire):
    guest = wired(build_image(THOUSANDS), machine="pc", megabytes=32)
    guest.expect_text("ready\r\n")
    before = ask(wire)
    connect_many(wire, 3000)
    count, size = ask(wire)
    assert count == 3000
    assert (size - before[1]) / 3000 < 1500  # bytes of RAM for each
    assert wire.ping(1) is not None
    guest.at_prompt = True
