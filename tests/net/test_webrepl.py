# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""WebREPL: the prompt and files over a websocket, by a client of the test's own."""

from __future__ import annotations

import os
import socket
import struct

import pytest

from importos import qemu

TEXT, BINARY = 1, 2
PUT, GET, VERSION = 1, 2, 3


class Client:
    """The protocol of webrepl_cli.py, on a connected socket."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.socket.settimeout(20)
        key = b"dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455, 1.3, with its answer
        self.socket.sendall(
            b"GET / HTTP/1.1\r\nHost: guest\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: " + key + b"\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            assert byte, head
            head += byte
        assert head.startswith(b"HTTP/1.1 101")
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
        self.text = b""

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def frame(self) -> tuple[int, bytes]:
        first, size = self._exactly(2)
        if size == 126:
            size = struct.unpack("!H", self._exactly(2))[0]
        return first & 15, self._exactly(size)

    def send(self, data: bytes, kind: int = TEXT) -> None:
        for at in range(0, max(len(data), 1), 125):
            piece, mask = data[at : at + 125], os.urandom(4)
            masked = bytes(byte ^ mask[i & 3] for i, byte in enumerate(piece))
            self.socket.sendall(bytes((0x80 | kind, 0x80 | len(piece))) + mask + masked)

    def expect(self, wanted: bytes) -> bytes:
        while wanted not in self.text:
            kind, data = self.frame()
            if kind == TEXT:
                self.text += data
        before, self.text = self.text.split(wanted, 1)
        return before

    def binary(self) -> bytes:
        while True:
            kind, data = self.frame()
            if kind == BINARY:
                return data
            self.text += data

    def request(self, what: int, name: str = "", size: int = 0) -> None:
        encoded = name.encode()
        fields = (b"WA", what, 0, 0, size, len(encoded), encoded)
        self.send(struct.pack("<2sBBQLH64s", *fields), BINARY)

    def put(self, name: str, data: bytes) -> None:
        self.request(PUT, name, len(data))
        assert self.binary() == b"WB\0\0"
        self.send(data, BINARY)
        assert self.binary() == b"WB\0\0"

    def get(self, name: str) -> bytes:
        self.request(GET, name)
        assert self.binary() == b"WB\0\0"
        data = b""
        while True:
            self.send(b"\0", BINARY)
            piece = self.binary()
            size = struct.unpack("<H", piece[:2])[0]
            if size == 0:
                break
            data += piece[2 : 2 + size]
        assert self.binary() == b"WB\0\0"
        return data


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def served(boot, repl_image):
    """The guest at its prompt, with WebREPL on, and a function that connects to it."""
    port = free_port()
    guest = boot(repl_image, ports=(qemu.Port(8266, port),))
    guest.prompt()
    guest.run("import webrepl")
    with guest.allow("traceback"):
        for call in ("", "password='abc'", "password='0123456789'"):
            assert "ValueError" in guest.run(f"webrepl.start({call})")
    assert "WebREPL on port 8266" in guest.run("webrepl.start(password='sesame')")

    def connect() -> Client:
        return Client(socket.create_connection(("127.0.0.1", port), timeout=20))

    yield guest, connect
    guest.at_prompt = True


def test_prompt_and_files(served):
    _, connect = served
    client = connect()
    client.expect(b"Password: ")
    client.send(b"sesame\r")
    client.expect(b"WebREPL connected\r\n>>> ")
    client.send(b"6 * 7\r")
    assert client.expect(b"\r\n>>> ").endswith(b"42")
    client.request(VERSION)
    assert client.binary()[:1] == b"\1"
    data = bytes(range(256)) * 12
    client.put("/data.bin", data)
    assert client.get("/data.bin") == data
    client.send(b"import os; os.stat('/data.bin')[6]\r")
    assert client.expect(b"\r\n>>> ").endswith(b"3072")
    client.socket.close()
    again = connect()
    again.expect(b"Password: ")
    again.send(b"sesame\r")
    again.expect(b">>> ")
    again.socket.close()


def test_a_wrong_password_is_sent_away(served):
    _, connect = served
    for password in (b"sesamE", b"", b"sesame1", b"0123456789abcdef"):
        client = connect()
        client.expect(b"Password: ")
        client.send(password + b"\r")
        client.expect(b"Access denied\r\n")
        with pytest.raises((EOFError, ConnectionError)):
            while True:
                client.frame()
        client.socket.close()


APP = """
import time, webrepl
webrepl.start(password="sesame")
try:
    while True:
        {body}
except KeyboardInterrupt:
    print("interrupted")
    raise
"""


@pytest.mark.parametrize("body", ["time.sleep(60)", "sum(range(1000))"], ids=["asleep", "busy"])
def test_an_app_that_runs_is_seen_and_interrupted(boot, build_image, body):
    port = free_port()
    guest = boot(build_image(APP.format(body=body)), ports=(qemu.Port(8266, port),))
    guest.expect_text("WebREPL on port 8266")
    client = Client(socket.create_connection(("127.0.0.1", port), timeout=20))
    client.expect(b"Password: ")
    client.send(b"sesame\r")
    client.expect(b"WebREPL connected")
    assert client.get("/rom/main.mpy").startswith(b"M\6")
    client.send(b"x" * 1000)  # which nobody reads, and which the prompt gets
    client.send(b"\x03")
    with guest.allow("traceback"):
        client.expect(b"interrupted\r\n")
        client.expect(b"KeyboardInterrupt")
        client.expect(b"x" * 1000)
        client.send(b"\x03")
        client.expect(b"\r\n>>> ")
        client.send(b"6 * 7\r")
        assert client.expect(b"\r\n>>> ").endswith(b"42")
        client.socket.close()
        guest.expect_text("42\r\n>>> ")
    guest.at_prompt = True


def test_a_long_paste_comes_whole(served):
    """More than is taken in advance, while the prompt is busy with the line before."""
    _, connect = served
    client = connect()
    client.expect(b"Password: ")
    client.send(b"sesame\r")
    client.expect(b">>> ")
    lines = [f"x += [{number:5}]" for number in range(600)]
    client.send(b"import time; time.sleep_ms(300); x = []\r")
    client.send("\r".join([*lines, "print('all', x == list(range(600)))", ""]).encode())
    client.expect(b"all True\r\n>>> ")
    client.socket.close()
