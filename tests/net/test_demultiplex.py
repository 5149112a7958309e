# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Each segment reaches its connection, among more of them than the table that finds them holds."""

from __future__ import annotations

import os
import random
import socket
import struct

from bench.network import GUEST

APP = """
import net

def on_connect(connection):
    counted = 0

    @connection.on_data
    def answer(data):
        nonlocal counted
        counted += 1
        connection.write(data + counted.to_bytes(4, "big"))

net.listen(7, on_connect, backlog=128)
print("ready")
"""
CONNECTIONS = 1500  # more than places
TAG = 8


class Crowd:
    """Connections that know what each of them has been told so far."""

    def __init__(self) -> None:
        self.sent: dict[socket.socket, int] = {}
        self.random = random.Random(1)

    def grow(self, ports: list[int]) -> None:
        for port in ports:
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            client.bind(("", port))
            client.settimeout(10)
            client.connect((GUEST, 7))
            self.sent[client] = 0

    def ask(self) -> None:
        """A tag on each, in any order; the answer tells the tag, and how many came before."""
        clients = list(self.sent)
        self.random.shuffle(clients)
        for start in range(0, len(clients), 100):
            tags = {client: os.urandom(TAG) for client in clients[start : start + 100]}
            for client, tag in tags.items():
                client.sendall(tag)
                self.sent[client] += 1
            for client, tag in tags.items():
                answer = b""
                while len(answer) < TAG + 4 and (more := client.recv(100)):
                    answer += more
                assert answer == tag + self.sent[client].to_bytes(4, "big")

    def reset(self, count: int) -> list[int]:
        """End so many of them at once; their ports."""
        ports = []
        for client in self.random.sample(list(self.sent), count):
            ports.append(client.getsockname()[1])
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close(client)
        return ports

    def finish(self, count: int) -> None:
        """End so many of them in order, both sides."""
        for client in self.random.sample(list(self.sent), count):
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""
            self.close(client)

    def close(self, client: socket.socket) -> None:
        del self.sent[client]
        client.close()


def test_each_segment_reaches_its_connection(tapped, space, build_image):
    guest = tapped(build_image(APP))
    guest.expect_text("ready\r\n")
    crowd = Crowd()
    space.call(crowd.grow, [20_000 + i for i in range(CONNECTIONS)])
    for _ in range(3):
        space.call(crowd.ask)
        ports = space.call(crowd.reset, 300)
        space.call(crowd.ask)
        space.call(crowd.finish, 100)
        # The same addresses and ports again, for connections that have been told nothing.
        space.call(crowd.grow, ports)
        space.call(crowd.ask)
    for client in list(crowd.sent):
        crowd.close(client)
    guest.at_prompt = True
