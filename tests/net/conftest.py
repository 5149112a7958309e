# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Guests with a network: QEMU's user network, a wire of our own, or a card that lies."""

from __future__ import annotations

import contextlib
import http.client
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bench.network import GUEST, HOST, Network, can_tap
from guest import Guest
from lying_device import LyingDevice
from tls_server import NET, SSL, Authority, server_app
from wire import APPEND, Wire

from importos import qemu


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A guest whose ports are reachable from here: .tcp[80] and .udp[53] are host ports."""

    def __init__(self, guest: Guest, tcp: dict[int, int], udp: dict[int, int]) -> None:
        self.guest, self.tcp, self.udp = guest, tcp, udp

    def connect(self, port: int, seconds: float = 5.0) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.tcp[port]), timeout=seconds)

    def datagram(self, port: int, seconds: float = 2.0) -> socket.socket:
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.settimeout(seconds)
        client.connect(("127.0.0.1", self.udp[port]))
        return client

    def get(self, path: str = "/", port: int = 80) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.tcp[port], timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def wait_http(self, path: str = "/", port: int = 80, seconds: float = 20.0) -> bytes:
        """The first answer. QEMU accepts before the guest listens, so try with short limits."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            connection = http.client.HTTPConnection("127.0.0.1", self.tcp[port], timeout=0.3)
            with (
                contextlib.closing(connection),
                contextlib.suppress(OSError, http.client.HTTPException),
            ):
                connection.request("GET", path)
                return connection.getresponse().read()
            time.sleep(0.05)
        raise AssertionError(f"no answer on port {port}")

    def stop(self) -> None:
        """The test is over, and the guest serves for ever."""
        assert self.guest.process.poll() is None, "the guest has left"
        self.guest.at_prompt = True


@pytest.fixture
def serve(boot: Callable[..., Guest]) -> Callable[..., Server]:
    """serve(image, tcp=(80,), udp=(), machine=...) -> a Server on QEMU's user network."""

    def start(
        image: Path, *, tcp: tuple[int, ...] = (80,), udp: tuple[int, ...] = (), **how: object
    ) -> Server:
        tcp_ports = {port: free_port() for port in tcp}
        udp_ports = {port: free_port(socket.SOCK_DGRAM) for port in udp}
        ports = tuple(qemu.Port(guest, host) for guest, host in tcp_ports.items())
        ports += tuple(qemu.Port(g, h, protocol="udp") for g, h in udp_ports.items())
        return Server(boot(image, ports=ports, **how), tcp_ports, udp_ports)

    return start


@pytest.fixture
def wire() -> Iterator[Wire]:
    peer = Wire()
    yield peer
    peer.close()


@pytest.fixture
def wired(boot: Callable[..., Guest], wire: Wire) -> Callable[..., Guest]:
    """wired(image, machine=...) -> a guest at the other end of (wire), with a fixed address."""

    def start(image: Path, *, append: str = "", **how: object) -> Guest:
        def edit(command: list[str]) -> list[str]:
            return [wire.netdev if word.startswith("user,id=n0") else word for word in command]

        guest = boot(image, network=True, edit=edit, append=f"{APPEND} {append}".strip(), **how)
        wire.wait_for_guest()
        return guest

    return start


@pytest.fixture
def space() -> Iterator[Network]:
    """A name space with a tap device, whose address is HOST; skips where that cannot be."""
    if not can_tap():
        pytest.skip("name spaces and tap devices need root and /dev/net/tun")
    try:
        network = Network("tap")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no name space with a tap device here: {error}")
    with network:
        yield network


@pytest.fixture
def tapped(boot: Callable[..., Guest], space: Network) -> Callable[..., Guest]:
    """tapped(image, append=...) -> a guest on the tap device of (space), GUEST by default."""

    def start(image: Path, *, append: str = f"ip={GUEST}/24 gateway={HOST}", **how) -> Guest:
        def edit(command: list[str]) -> list[str]:
            words = (space.netdev() if w.startswith("user,id=n0") else w for w in command)
            return [*space.prefix(), *words]

        return boot(image, network=True, edit=edit, append=append, **how)

    return start


@pytest.fixture
def lying(boot: Callable[..., Guest], tmp_path: Path) -> Iterator[Callable[..., tuple]]:
    """lying(image, features=0) -> (guest, device): a guest whose card is ours."""
    devices = []

    def start(image: Path, features: int = 0) -> tuple[Guest, LyingDevice]:
        device = LyingDevice(tmp_path / "vhost", features)
        devices.append(device)
        arguments = device.arguments(64)

        def edit(command: list[str]) -> list[str]:
            return ["q35,memory-backend=m" if word == "q35" else word for word in command]

        guest = boot(image, machine="q35", append=APPEND, edit=edit, extra=tuple(arguments))
        device.wait_ready()
        return guest, device

    yield start
    for device in devices:
        device.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def tls_server(serve, build_image, authority):
    """tls_server(files, *options) -> a guest that echoes once over TLS on both ports."""

    def start(files: tuple[Path, Path], *options: str, **how: object):
        image = build_image(server_app(files), *files, authority.ca[0], *options)
        server = serve(image, tcp=(NET, SSL), **how)
        server.guest.expect_text("serving\r\n")
        return server

    return start
