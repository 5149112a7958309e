# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""The examples of the network, each with a client that others wrote."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest
from wire import ARP, BROADCAST, ICMP, PEER_IP, PEER_MAC, echo_request, ethernet

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def example(build_image, name: str, *options: str) -> Path:
    return build_image(EXAMPLES / name, *options, "--flavour", "auto")


def run(*command: str, timeout: float = 20) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def test_hello_http(serve, build_image):
    server = serve(example(build_image, "hello_http.py"))
    server.guest.expect_text("http://10.0.2.15/\r\n")
    server.wait_http()
    url = f"http://127.0.0.1:{server.tcp[80]}/"
    text = run("curl", "--silent", "--max-time", "5", url, url, url)
    assert text == "Hello from Python on bare metal!\n" * 3
    with server.connect(80) as client:  # a request in small pieces
        for byte in b"GET / HTTP/1.1\r\nHost: x\r\n\r\n":
            client.sendall(bytes((byte,)))
        assert b"bare metal" in client.recv(1000)
    server.stop()


def test_rest_service(serve, build_image):
    pytest.importorskip("microdot", reason="microdot is not installed; see pyproject.toml")
    server = serve(example(build_image, "rest_service.py"))
    server.wait_http()
    url = f"http://127.0.0.1:{server.tcp[80]}/notes"
    kind = ("--header", "Content-Type: application/json")
    curl = ("curl", "--silent", "--max-time", "5")
    assert json.loads(run(*curl, url, *kind, "--data", '{"text": "buy milk"}'))["id"] == 1
    assert json.loads(run(*curl, url)) == [{"id": 1, "text": "buy milk"}]
    assert run(*curl, "--write-out", "%{http_code}", "-X", "DELETE", url + "/1") == "204"
    assert json.loads(run(*curl, url)) == []
    server.stop()


def test_tcp_echo(serve, build_image):
    server = serve(example(build_image, "tcp_echo.py"), tcp=(7,))
    deadline = time.monotonic() + 20
    data = os.urandom(300000)
    while True:
        with contextlib.suppress(OSError), server.connect(7, 0.3) as client:
            client.sendall(b"x")
            if client.recv(1) == b"x":
                break
        assert time.monotonic() < deadline
    with server.connect(7, 20) as client:
        # Nothing is read before everything is sent: the guest must stop reading, not fall over.
        client.setblocking(False)
        sent = received = 0
        limit = time.monotonic() + 30
        echo = b""
        while received < len(data):
            assert time.monotonic() < limit
            if sent < len(data):
                with contextlib.suppress(BlockingIOError):
                    sent += client.send(data[sent : sent + 50000])
            if sent == len(data):
                with contextlib.suppress(BlockingIOError):
                    echo += client.recv(65536)
                    received = len(echo)
        assert echo == data
    server.guest.expect(r"closed: .* after 300000 bytes")
    server.stop()


def test_udp_echo(serve, build_image):
    server = serve(example(build_image, "udp_echo.py"), tcp=(), udp=(7,))
    with server.datagram(7, 0.2) as client:
        for number in range(100):
            client.send(b"hello %d" % number)
            with contextlib.suppress(TimeoutError):
                assert client.recv(100).startswith(b"hello ")
                break
        else:
            raise AssertionError("no echo")
        client.send(bytes(1472))
        while (answer := client.recv(2000)).startswith(b"hello"):
            pass
        assert answer == bytes(1472)
    server.stop()


DNS_IMAGE_MAX = 158_000  # bytes: IncludeOS's, in C++


@pytest.mark.parametrize("machine", ["pc", "microvm"])
@pytest.mark.parametrize("options", [(), ("--compress",)], ids=["plain", "compressed"])
def test_dns_server(serve, build_image, machine, options):
    image = example(build_image, "dns_server.py", *options)
    assert image.stat().st_size <= DNS_IMAGE_MAX or not options
    server = serve(image, tcp=(), udp=(53,), machine=machine, megabytes=4)
    server.guest.expect_text("serving example.test\r\n")
    dig = ("dig", "@127.0.0.1", "-p", str(server.udp[53]), "+time=1", "+tries=10", "+noedns")
    assert run(*dig, "+short", "www.example.test", "A") == "192.0.2.10\n"
    assert run(*dig, "+short", "WWW.example.test", "AAAA") == "2001:db8::10\n"
    assert "bare metal" in run(*dig, "+short", "example.test", "TXT")
    assert "status: NXDOMAIN" in run(*dig, "nobody.example.test", "A")
    assert "status: REFUSED" in run(*dig, "example.org", "A")
    answer = run(*dig, "mail.example.test", "AAAA")
    assert "status: NOERROR" in answer
    assert "ANSWER: 0" in answer
    with server.datagram(53, 0.3) as client:
        for junk in (b"", b"\0" * 11, b"\xff" * 12, bytes(12) + b"\xff" * 40, os.urandom(512)):
            client.send(junk)
    assert run(*dig, "+short", "www.example.test", "A") == "192.0.2.10\n"
    server.stop()


def test_ping_responder(wired, wire, build_image):
    guest = wired(example(build_image, "ping_responder.py", "--env", "ADDRESS=10.1.0.77"))
    guest.expect_text("answering for 10.1.0.77\r\n")
    mine, theirs = socket.inet_aton(PEER_IP), socket.inet_aton("10.1.0.77")
    ask = b"\0\1\x08\0\6\4\0\1" + PEER_MAC + mine + bytes(6) + theirs
    wire.send(ethernet(ask, ARP, to=BROADCAST))
    answer = wire.wait(lambda f: f[12:14] == b"\x08\6" and f[28:32] == theirs)
    assert answer is not None
    request = bytearray(echo_request(5, bytes(range(56)) * 8))
    request[30:34] = theirs
    header = bytes(request[14:24]) + b"\0\0" + bytes(request[26:34])
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    request[24:26] = struct.pack("!H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF)
    for _ in range(10):
        wire.send(bytes(request))
        reply = wire.wait(lambda f: f[23] == ICMP and f[26:30] == theirs and f[34] == 0)
        assert reply is not None
        assert reply[38:] == bytes(request[38:])
        body = reply[34:]
        total = sum(struct.unpack(f"!{len(body) // 2}H", body))
        assert (total & 0xFFFF) + (total >> 16) in (0xFFFF, 0x1FFFE)
    guest.expect_text("pings answered: 10\r\n")
    assert wire.ping(9) is not None  # its own address still belongs to the stack
    guest.at_prompt = True


class WebSocket:
    """A client as a browser is one."""

    def __init__(self, server) -> None:
        self.socket = server.connect(80)
        key = base64.b64encode(os.urandom(16))
        self.socket.sendall(
            b"GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n"
        )
        self.data = b""
        while b"\r\n\r\n" not in self.data:
            self.data += self.socket.recv(1000)
        head, _, self.data = self.data.partition(b"\r\n\r\n")
        assert b" 101 " in head

    def send(self, code: int, message: bytes) -> None:
        mask = os.urandom(4)
        body = bytes(byte ^ mask[i & 3] for i, byte in enumerate(message))
        self.socket.sendall(bytes((0x80 | code, 0x80 | len(message))) + mask + body)

    def receive(self) -> tuple[int, bytes]:
        while len(self.data) < 2 or len(self.data) < 2 + self.data[1]:
            more = self.socket.recv(1000)
            assert more, "the server closed"
            self.data += more
        code, size = self.data[0] & 15, self.data[1]
        message, self.data = self.data[2 : 2 + size], self.data[2 + size :]
        return code, message


def test_chat(serve, build_image):
    server = serve(example(build_image, "chat.py"))
    assert b"new WebSocket" in server.wait_http()
    first, second = WebSocket(server), WebSocket(server)
    with first.socket, second.socket:
        assert first.receive()[1].endswith(b"is here")
        assert first.receive()[1].endswith(b"is here")
        assert second.receive()[1].endswith(b"is here")
        second.send(1, "grüß dich".encode())
        for member in (first, second):
            assert member.receive()[1].decode().endswith(": grüß dich")
        second.send(9, b"abc")
        assert second.receive() == (10, b"abc")
        second.send(8, b"\x03\xe8")
        assert second.receive() == (8, b"\x03\xe8")
        second.socket.close()
        assert first.receive()[1].endswith(b"has left")
    assert server.get("/nothing")[0] == 404
    server.stop()


@pytest.fixture
def mosquitto(tmp_path):
    """start() -> the port of a broker on this machine; and stop()."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = tmp_path / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    processes = []

    def start() -> int:
        command = ["/usr/sbin/mosquitto", "-c", str(settings)]
        processes.append(
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )
        return port

    def stop() -> None:
        while processes:
            processes[-1].terminate()
            processes.pop().wait()

    yield start, stop
    stop()


def test_mqtt_sensor(boot, build_image, mosquitto):
    start, stop = mosquitto
    port = start()
    image = example(build_image, "mqtt_sensor.py", "--env", f"BROKER_PORT={port}")
    guest = boot(image, network=True)
    guest.expect_text("connected to 10.0.2.2\r\n")
    listen = ("mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), "-t", "sensors/#")
    reading = json.loads(run(*listen, "-C", "1", "-W", "10"))
    assert reading["count"] >= 1
    assert reading["free"] > 0
    stop()
    guest.expect_text("no broker:")
    start()
    guest.expect_text("connected to 10.0.2.2\r\n", timeout=20)
    assert json.loads(run(*listen, "-C", "1", "-W", "10"))["count"] > reading["count"]
    guest.at_prompt = True
