# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""What puts load on a server: datagrams, streams, requests, connections that only wait.

All of it runs on the host, in the guest's name space (network.Network.call).
"""

from __future__ import annotations

import re
import resource
import select
import socket
import struct
import subprocess
import time
from dataclasses import dataclass

Address = tuple[str, int]
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
ANSWER_END = b"world!\n"


@dataclass
class Answers:
    """What udp() and wrk() saw. Times in milliseconds."""

    count: int
    per_s: float
    p50_ms: float
    p99_ms: float
    lost: int = 0


def connect(address: Address) -> socket.socket:
    return socket.create_connection(address, 10)


def http(address: Address, count: int) -> None:
    """(count) requests, one after the other on one connection."""
    with connect(address) as client:
        for _ in range(count):
            client.sendall(REQUEST)
            answer = b""
            while not answer.endswith(ANSWER_END):
                data = client.recv(4096)
                if not data:
                    raise ConnectionError("the server closed the connection")
                answer += data


def wrk(prefix: list[str], address: Address, connections: int, seconds: int) -> Answers:
    """The load generator wrk, keep-alive on so many connections."""
    command = [*prefix, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    command += ["--timeout", "10s", f"http://{address[0]}:{address[1]}/"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    return parse_wrk(done.stdout)


def parse_wrk(text: str) -> Answers:
    """What wrk told. Raises OSError when it got no answers at all."""
    total = re.search(r"(\d+) requests in", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if not total or not rate or not int(total[1]):
        raise OSError(f"wrk got no answer: {text[-500:]}")
    scale = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60000.0}
    percentiles = {
        int(percent): float(value) * scale[unit]
        for percent, value, unit in re.findall(r"(?m)^\s+(\d+)%\s+([\d.]+)(us|ms|s|m)", text)
    }
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+)", text)
    lost = sum(map(int, errors.groups())) if errors else 0
    return Answers(int(total[1]), float(rate[1]), percentiles[50], percentiles[99], lost)


def dns_questions() -> list[bytes]:
    """Questions for the addresses of host0.example.org to host63."""
    questions = []
    for number in range(64):
        labels = (b"host%d" % number, b"example", b"org")
        name = b"".join(bytes([len(label)]) + label for label in labels)
        questions.append(b"\0\0\1\0\0\1\0\0\0\0\0\0" + name + b"\0\0\1\0\1")
    return questions


class _Window:
    """So many datagrams in flight, told apart by the number in their first two bytes."""

    def __init__(self, client: socket.socket, packets: list[bytes], size: int) -> None:
        self.client, self.packets, self.size = client, packets, size
        self.number = 0
        self.sent: dict[int, float] = {}
        self.latencies: list[float] = []
        self.lost = 0

    def fill(self) -> None:
        """Begin anew: what was in flight is lost."""
        self.lost += len(self.sent)
        self.sent.clear()
        for _ in range(self.size):
            self.send()

    def send(self) -> None:
        self.number = (self.number + 1) & 0xFFFF
        packet = self.packets[self.number % len(self.packets)]
        self.sent[self.number] = time.perf_counter()
        self.client.send(struct.pack(">H", self.number) + packet[2:])

    def take(self) -> None:
        """Read the answers that are there; send as many questions."""
        while True:
            try:
                data = self.client.recv(2048)
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                time.sleep(0.01)
                return
            sent = self.sent.pop(struct.unpack(">H", data[:2])[0], None)
            if sent is not None:
                self.latencies.append(time.perf_counter() - sent)
                self.send()


def udp(address: Address, packets: list[bytes], seconds: float, in_flight: int) -> Answers:
    """Send (packets) round and round, so many in flight, and count the answers."""
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.connect(address)
        client.setblocking(False)
        poll = select.poll()
        poll.register(client, select.POLLIN)
        window = _Window(client, packets, in_flight)
        start = now = time.perf_counter()
        window.fill()
        while now < start + seconds:
            if poll.poll(200):
                window.take()
            else:
                window.fill()
            now = time.perf_counter()
    times = sorted(window.latencies)
    if not times:
        raise OSError("no datagram was answered")
    count = len(times)
    p50, p99 = times[count // 2] * 1e3, times[count * 99 // 100] * 1e3
    return Answers(count, count / (now - start), p50, p99, window.lost)


def tcp_send(address: Address, size: int) -> float:
    """Send (size) bytes to apps/tcp_bulk.py; seconds until it has counted them."""
    data = bytes(65536)
    with connect(address) as client:
        client.settimeout(60)
        start = time.perf_counter()
        left = size
        while left > 0:
            left -= client.send(data[:left] if left < len(data) else data)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while b"\n" not in answer and (more := client.recv(64)):
            answer += more
        seconds = time.perf_counter() - start
    if answer.strip() != b"OK %d" % size:
        raise OSError(f"the guest counted {answer!r} of {size}")
    return seconds


def tcp_receive(address: Address, size: int) -> float:
    """Have (size) bytes sent by apps/tcp_bulk.py; seconds until all are here."""
    with connect(address) as client:
        client.settimeout(60)
        start = time.perf_counter()
        client.sendall(b"%d\n" % size)
        got = 0
        while data := client.recv(262144):
            got += len(data)
        seconds = time.perf_counter() - start
    if got != size:
        raise OSError(f"got {got} of {size} bytes")
    return seconds


def allow_files(count: int) -> None:
    """Let this process have (count) files open, or as many as it may."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count), hard))


def hold(address: Address, count: int, clients: list[socket.socket]) -> None:
    """Connect until (clients) are (count), in groups that a listen queue has room for."""
    while len(clients) < count:
        for attempt in range(5):
            try:
                clients.append(connect(address))
                break
            except OSError:
                if attempt == 4:
                    raise
                time.sleep(0.2)
        if len(clients) % 100 == 0:
            time.sleep(0.05)


def ask(client: socket.socket) -> dict[str, int]:
    """The figures that apps/conns.py answers any byte with."""
    client.settimeout(60)
    client.sendall(b"?")
    answer = b""
    while not answer.endswith(b"\n"):
        data = client.recv(4096)
        if not data:
            raise ConnectionError("the server closed the connection")
        answer += data
    words = answer.decode().split()
    return {words[i]: int(words[i + 1]) for i in range(0, len(words), 2)}
