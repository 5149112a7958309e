# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""IPv6: an address by SLAAC, and TCP and UDP to a server on this machine's ::1."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

APP = """
import net, os, socket, time
PORT = int(os.getenv("PORT"))
HOST = "fec0::2"  # this machine's ::1, for QEMU's user network

limit = time.ticks_add(time.ticks_ms(), 15000)
while len(net.eth0.ipconfig("addr6")) < 2 and time.ticks_diff(limit, time.ticks_ms()) > 0:
    time.sleep_ms(50)
print("addresses", [a[0] for a in net.eth0.ipconfig("addr6")])

with socket.socket(socket.AF_INET6) as s:
    s.connect((HOST, PORT))
    s.send(b"socket")
    print("socket", s.recv(100))

def connected(c):
    c.on_data(lambda data: (print("net", data), c.end()))
    c.write("callbacks")

net.connect(HOST, PORT, connected)

@net.udp()
def answer(packet):
    print("udp", packet.data)
    answer.close()

answer.send("datagram", (HOST, PORT))

server = net.listen(99, lambda c: c.on_data(c.end))
loop = net.connect("::1", 99, lambda c: c.write("itself"))
loop.on_data(lambda data: print("loop", data))
loop.on_close(lambda error: server.close())
"""


@pytest.fixture
def echo():
    """A port on ::1 where TCP and UDP are echoed."""
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError as error:
        pytest.skip(f"this machine has no ::1: {error}")
    port = listener.getsockname()[1]
    datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    datagrams.bind(("::1", port))

    def serve_tcp() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client:
                    while data := client.recv(1000):
                        client.sendall(data)

    def serve_udp() -> None:
        with contextlib.suppress(OSError):
            while True:
                data, peer = datagrams.recvfrom(1000)
                if data == b"stop":
                    return
                datagrams.sendto(data, peer)

    threads = [threading.Thread(target=f, daemon=True) for f in (serve_tcp, serve_udp)]
    for thread in threads:
        thread.start()
    yield port
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as stopper:
        stopper.sendto(b"stop", ("::1", port))
    for thread in threads:
        thread.join(5)
    datagrams.close()


def test_tcp_and_udp_over_ip6(boot, build_image, echo):
    guest = boot(build_image(APP, "--env", f"PORT={echo}"), network=True)
    guest.expect(r"addresses \['fe80::5054:ff:fe12:3456', 'fec0::5054:ff:fe12:3456'\]")
    guest.expect_text("socket b'socket'\r\n")
    wanted = {"net b'callbacks'", "udp b'datagram'", "loop b'itself'"}
    while wanted:
        guest.expect(r"((?:net|udp|loop) b'\w+')\r\n")
        wanted.remove(guest.match[1])
    guest.expect_exit(0)
