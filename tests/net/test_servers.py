# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Servers in every style answer real clients, on every machine and way of attaching the card."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import threading

import pytest
from bench.network import GUEST, HOST

BLOCKING = """
import socket
server = socket.socket()
server.bind(("", 80))
server.listen(5)
while True:
    client, address = server.accept()
    request = client.recv(2000)
    client.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: 9\\r\\n\\r\\nblocking\\n")
    client.close()
"""

ASYNCIO = """
import asyncio

async def serve(reader, writer):
    while await reader.readline() not in (b"", b"\\r\\n"):
        pass
    writer.write(b"HTTP/1.0 200 OK\\r\\nContent-Length: 8\\r\\n\\r\\nasyncio\\n")
    await writer.drain()
    writer.close()

async def main():
    await asyncio.start_server(serve, "0.0.0.0", 80)
    await asyncio.sleep(1000)

asyncio.run(main())
"""

CALLBACKS = """
import net, os

@net.listen(80)
def server(connection):
    @connection.on_data
    def request(data):
        connection.end(b"HTTP/1.0 200 OK\\r\\nContent-Length: 4\\r\\n\\r\\nnet\\n")

@net.listen(7)
def echo(connection):
    @connection.on_data
    def data(data):
        if not connection.write(data):
            connection.pause()
    connection.on_drain(connection.resume)
    connection.on_end(connection.end)

@net.udp(7)
def datagram(packet):
    packet.reply(packet.data)
"""
MACHINES = ("pc", "q35", "microvm")
STYLES = {"blocking": BLOCKING, "asyncio": ASYNCIO, "net": CALLBACKS}


@pytest.mark.parametrize("style", STYLES)
def test_a_server_answers_curl(serve, build_image, style):
    server = serve(build_image(STYLES[style]))
    server.wait_http()
    url = f"http://127.0.0.1:{server.tcp[80]}/"
    for _ in range(20):
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--max-time", "3", url],
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout) == (0, style + "\n"), done.stderr
    server.stop()


@pytest.fixture(scope="module")
def callbacks(build_image):
    return build_image(CALLBACKS)


@pytest.mark.parametrize("machine", MACHINES)
def test_a_server_answers_on_each_machine(serve, callbacks, machine):
    server = serve(callbacks, tcp=(80, 7), udp=(7,), machine=machine)
    assert server.wait_http() == b"net\n"
    echo_a_megabyte(server)
    with server.datagram(7) as client:
        for number in range(100):
            client.send(b"%d" % number)
            assert client.recv(100) == b"%d" % number
    server.stop()


def echo_a_megabyte(server) -> None:
    data = os.urandom(1 << 20)
    client = server.connect(7, 20)

    def send():
        client.sendall(data)
        client.shutdown(1)

    sender = threading.Thread(target=send)
    sender.start()
    got = b""
    while chunk := client.recv(65536):
        got += chunk
    sender.join()
    client.close()
    assert hashlib.sha256(got).digest() == hashlib.sha256(data).digest()


def test_a_card_without_msix_uses_its_line(serve, callbacks):
    def edit(command):
        return [f"{w},vectors=0" if w.startswith("virtio-net-pci") else w for w in command]

    server = serve(callbacks, tcp=(80, 7), machine="pc", edit=edit)
    assert server.wait_http() == b"net\n"
    echo_a_megabyte(server)
    server.stop()


def test_devices_named_on_the_command_line(serve, callbacks):
    def edit(command):
        return [word.replace("microvm", "microvm,acpi=off") for word in command]

    # PVH: QEMU appends the devices to the command line itself.
    server = serve(callbacks, machine="microvm", protocol="pvh", edit=edit)
    assert server.wait_http() == b"net\n"
    server.stop()


def test_several_cards(boot, build_image):
    app = """
import network, time
lans = [network.LAN(n) for n in range(3)]
limit = time.ticks_add(time.ticks_ms(), 10000)
while not all(n.isconnected() for n in lans) and time.ticks_diff(limit, time.ticks_ms()) > 0:
    time.sleep_ms(10)
for n in lans:
    print(n.config("mac")[-1], n.ipconfig("addr4")[0])
try:
    network.LAN(3)
except OSError as error:
    print(error)
"""
    extra = []
    for n in (1, 2):
        extra += ["-netdev", f"user,id=n{n},net=10.{n}.0.0/24"]
        extra += ["-device", f"virtio-net-device,netdev=n{n},mac=52:54:00:00:00:0{n}"]
    guest = boot(build_image(app), network=True, extra=tuple(extra))
    text = guest.expect_text("no network card 3\r\n")
    guest.expect_exit(0)
    addresses = {
        line.split()[1].rpartition(".")[0] for line in text.splitlines() if " 10." in line
    }
    assert addresses == {"10.0.2", "10.1.0", "10.2.0"}, text


def test_no_card_is_an_error_and_no_hang(boot, build_image):
    app = """
import network, net, socket
try:
    network.LAN(0)
except OSError as error:
    print("LAN:", error)
try:
    net.eth0
except AttributeError as error:
    print("eth0:", error)
try:
    socket.socket().connect(("10.0.0.1", 80))
except OSError as error:
    print("connect:", error)
print("interfaces", net.interfaces())
"""
    guest = boot(build_image(app))
    for line in ("LAN: no network card 0", "eth0: eth0", "connect:", "interfaces ()"):
        guest.expect_text(line)
    guest.expect_exit(0)


SLOW_TO_ACCEPT = """
import socket, time
server = socket.socket()
server.bind(("", 80))
server.listen(500)
print("listening")
time.sleep(1)
for i in range(300):
    client, address = server.accept()
    client.sendall(b"%d\\n" % i)
    client.close()
print("served", i + 1)
"""


def test_a_full_accept_queue_makes_clients_wait_and_loses_none(tapped, space, build_image):
    guest = tapped(build_image(SLOW_TO_ACCEPT))
    guest.expect_text("listening")

    def clients() -> list[bytes]:
        sockets = [socket.socket() for _ in range(300)]
        for client in sockets:
            client.setblocking(False)
            client.connect_ex((GUEST, 80))
        answers = []
        for client in sockets:
            client.setblocking(True)
            client.settimeout(20)
            answers.append(client.makefile("rb").readline())
            client.close()
        return answers

    answers = space.call(clients)
    guest.expect_text("served 300")
    assert sorted(int(answer) for answer in answers) == list(range(300))
    guest.at_prompt = True


BURST = """
import errno, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(5000):
    s.sendto(b"x" * 1000, ("%s", 9999))
print("all sent")
s.setblocking(False)
waits = 0
for i in range(5000):
    try:
        s.sendto(b"x" * 1000, ("%s", 9999))
    except OSError as error:
        assert error.errno == errno.EAGAIN, error
        waits += 1
print("tried", waits < 5000)
"""


def test_a_full_ring_makes_a_datagram_wait(tapped, build_image):
    guest = tapped(build_image(BURST % (HOST, HOST)))
    guest.expect_text("all sent\r\ntried True\r\n")
    guest.expect_exit(0)
