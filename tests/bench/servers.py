# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Servers under load, and servers that nobody asks anything."""

from __future__ import annotations

import socket
import time

from . import load
from .measure import Measure, Row, Samples, interleaved
from .running import Guest, Settings
from .targets import Target

CONNECTIONS = (1, 16, 64, 256)
IN_FLIGHT = (1, 16)
BULK = 100_000_000  # bytes
HTTP_PORT = 8080
UDP_PORT = "udp5353"
SETTLE_S = 25  # an interface asks for routers that long
IDLE_S = 70  # the stack wakes once a minute at least
CONNS_MEMORY = 64 << 20  # bytes, of a guest of ours that holds connections
HEAP = "64M"  # of MicroPython on Linux, where the default of 1 MB holds few connections


def higher(name: str, unit: str) -> Measure:
    return Measure(name, unit, lower_is_better=False)


def http(settings: Settings) -> list[Row]:
    """A hello-world server: asyncio with read(), asyncio with readline(), and callbacks."""
    rows = []
    for app in ("http_read", "http_readline"):
        for connections in CONNECTIONS:
            rows += interleaved(settings, _http_sample(settings, app, connections))
        rows += interleaved(settings, _http_instructions(settings, app), 1)
    return rows


def _http_sample(settings: Settings, app: str, connections: int):
    name = f"{app}, {connections} connections"

    def take(target: Target, machine: str) -> Samples:
        if not target.runs(app):
            return {}
        source = target.source(app)
        with (
            settings.wire(HTTP_PORT) as wire,
            Guest(settings, target, source, machine=machine, wire=wire, heap=HEAP) as guest,
        ):
            guest.wait()
            address = wire.address(HTTP_PORT)
            wire.call(load.http, address, 200)  # TCG translates the code
            before = guest.cpu()
            seen = load.wrk(wire.prefix(), address, connections, int(settings.seconds))
            return {
                higher(name, "requests/s"): seen.per_s,
                Measure(f"{name}, p50", "ms"): seen.p50_ms,
                Measure(f"{name}, p99", "ms"): seen.p99_ms,
                Measure(f"{name}, errors", ""): seen.lost,
                Measure(f"{name}, CPU", "s/1000"): (guest.cpu() - before) * 1000 / seen.count,
            }

    return take


def _http_instructions(settings: Settings, app: str, count: int = 1000):
    def take(target: Target, machine: str) -> Samples:
        if not target.runs(app):
            return {}
        source = target.source(app)
        with (
            settings.wire(HTTP_PORT) as wire,
            Guest(settings, target, source, machine=machine, wire=wire, count="blocks") as guest,
        ):
            guest.wait()
            address = wire.address(HTTP_PORT)
            wire.call(load.http, address, 200)
            before = guest.instructions()
            wire.call(load.http, address, count)
            per_request = (guest.instructions() - before) / count
        return {Measure(f"{app}, guest instructions", "per request"): per_request}

    return take


def udp(settings: Settings) -> list[Row]:
    """UDP echo and a DNS server: answers per second."""
    rows = []
    for app in ("udp_echo", "dns_server"):
        packets = load.dns_questions() if app == "dns_server" else [bytes(64)] * 8
        for in_flight in IN_FLIGHT:
            rows += interleaved(settings, _udp_sample(settings, app, packets, in_flight))
        rows += interleaved(settings, _udp_sample(settings, app, packets, 1, "blocks"), 1)
    return rows


def _udp_sample(
    settings: Settings, app: str, packets: list[bytes], in_flight: int, count: str = ""
):
    name = f"{app}, {in_flight} in flight"

    def take(target: Target, machine: str) -> Samples:
        if not target.runs(app):
            return {}
        source = target.source(app)
        with (
            settings.wire(UDP_PORT) as wire,
            Guest(settings, target, source, machine=machine, wire=wire, count=count) as guest,
        ):
            guest.wait()
            address = wire.address(UDP_PORT)
            wire.call(load.udp, address, packets, 1, in_flight)
            before, instructions = guest.cpu(), guest.instructions()
            seen = wire.call(load.udp, address, packets, settings.seconds, in_flight)
            if count:
                per_answer = (guest.instructions() - instructions) / seen.count
                return {Measure(f"{app}, guest instructions", "per answer"): per_answer}
            return {
                higher(name, "answers/s"): seen.per_s,
                Measure(f"{name}, p99", "ms"): seen.p99_ms,
                Measure(f"{name}, lost", ""): seen.lost,
                Measure(f"{name}, CPU", "s/1000"): (guest.cpu() - before) * 1000 / seen.count,
            }

    return take


def tcp(settings: Settings) -> list[Row]:
    """Streams of 100 MB, in and out."""
    ports = (5001, 5002)

    def take(target: Target, machine: str) -> Samples:
        if not target.runs("tcp_bulk"):
            return {}
        source = target.source("tcp_bulk")
        with (
            settings.wire(*ports) as wire,
            Guest(settings, target, source, machine=machine, wire=wire) as guest,
        ):
            guest.wait()
            into, out = (wire.address(port) for port in ports)
            wire.call(load.tcp_send, into, 1_000_000)
            wire.call(load.tcp_receive, out, 1_000_000)
            times = [guest.cpu()]
            seconds_in = wire.call(load.tcp_send, into, BULK)
            times.append(guest.cpu())
            seconds_out = wire.call(load.tcp_receive, out, BULK)
            times.append(guest.cpu())
            return {
                higher("TCP bulk in", "MB/s"): BULK / seconds_in / 1e6,
                higher("TCP bulk out", "MB/s"): BULK / seconds_out / 1e6,
                Measure("TCP bulk in, CPU", "s/100 MB"): (times[1] - times[0]) * 1e8 / BULK,
                Measure("TCP bulk out, CPU", "s/100 MB"): (times[2] - times[1]) * 1e8 / BULK,
            }

    return interleaved(settings, take)


def idle(settings: Settings) -> list[Row]:
    """A server that waits: CPU of QEMU, and guest instructions."""

    def take(target: Target, machine: str) -> Samples:
        source = target.source("http_read")
        with (
            settings.wire(HTTP_PORT) as wire,
            Guest(settings, target, source, machine=machine, wire=wire, count="blocks") as guest,
        ):
            guest.wait()
            time.sleep(SETTLE_S)
            before, instructions = guest.cpu(), guest.instructions()
            seconds = max(settings.seconds, IDLE_S)
            time.sleep(seconds)
            executed = guest.instructions() - instructions
            used = guest.cpu() - before
            return {
                Measure("idle, CPU of QEMU", "%"): used * 100 / seconds,
                Measure("idle, guest instructions", "per s"): executed / seconds,
                Measure("idle, QEMU's memory", "MiB"): guest.memory_mib(),
            }

    settings.targets = [t for t in settings.targets if t.name not in ("importos-net", "empty")]
    return interleaved(settings, take, 1)


def conns(settings: Settings) -> list[Row]:
    """Idle TCP connections: how many are accepted, ours in 64 MiB, and what each costs."""
    load.allow_files(20_000)

    def take(target: Target, machine: str) -> Samples:
        if not target.runs("conns"):
            return {}
        source = target.source("conns")
        memory = settings.memory if target.linux else CONNS_MEMORY
        with (
            settings.wire(HTTP_PORT) as wire,
            Guest(
                settings, target, source, machine=machine, wire=wire, memory=memory, heap=HEAP
            ) as guest,
        ):
            guest.wait()
            return wire.call(_hold, guest, wire.address(HTTP_PORT))

    return interleaved(settings, take, 1)


def _hold(guest: Guest, address: load.Address) -> Samples:
    clients: list[socket.socket] = []
    found: Samples = {}
    try:
        load.hold(address, 1, clients)
        resident = guest.memory_mib()
        for count in (1000, 5000, 10_000):
            start = time.perf_counter()
            load.hold(address, count, clients)
            opened = time.perf_counter() - start
            time.sleep(1)
            told = load.ask(clients[0])
            per_connection = (guest.memory_mib() - resident) * 1048576 / count
            found[higher(f"{count} connections, accepted", "")] = told["conns"]
            found[Measure(f"{count} connections, QEMU's memory each", "bytes")] = per_connection
            found[Measure(f"{count} connections, time to open", "s")] = opened
    except OSError as error:
        print(f"{guest.name}: {len(clients)} connections, then: {error}")
        found[higher("connections before the first failure", "")] = len(clients)
    finally:
        for client in clients:
            client.close()
    return found
