# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""The wire between a guest and the load: a tap device in a network name space of its own (needs
root), or QEMU's user network, which is slower and works everywhere."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from typing import TypeVar

GUEST, HOST, MASK = "10.9.0.2", "10.9.0.1", "255.255.255.0"
USER_GUEST, USER_GATEWAY = "10.0.2.15", "10.0.2.2"
CLONE_NEWNET = 0x40000000
T = TypeVar("T")


class Network:
    """One wire, for one guest. (kind) is "tap" or "user"; `ports` are the guest's TCP ports that
    must be reachable, or "udp5353"; (suffix) tells a second one from the first."""

    def __init__(self, kind: str, ports: tuple[int | str, ...] = (), suffix: str = "") -> None:
        self.kind = kind
        self.name = f"bench{os.getpid()}{suffix}"
        self.forwarded: dict[int | str, int] = {}
        if kind == "user":
            self.forwarded = {port: free_port(*_protocol(port)) for port in ports}
            return
        run = ["ip", "netns", "exec", self.name, "ip"]
        _do("ip", "netns", "add", self.name)
        _do(*run, "link", "set", "lo", "up")
        _do(*run, "tuntap", "add", "dev", "tap0", "mode", "tap")
        _do(*run, "addr", "add", f"{HOST}/24", "dev", "tap0")
        _do(*run, "link", "set", "tap0", "up")

    @property
    def addresses(self) -> tuple[str, str]:
        """The guest's and its gateway's."""
        return (GUEST, HOST) if self.kind == "tap" else (USER_GUEST, USER_GATEWAY)

    def netdev(self) -> str:
        """As QEMU's -netdev wants it, for the device's netdev=n0."""
        if self.kind == "tap":
            return "tap,id=n0,ifname=tap0,script=no,downscript=no,vhost=off"
        rules = []
        for port, host_port in self.forwarded.items():
            protocol, number = _protocol(port)
            rules.append(f"hostfwd={protocol}:127.0.0.1:{host_port}-{USER_GUEST}:{number}")
        return ",".join(["user", "id=n0", *rules])

    def address(self, port: int | str) -> tuple[str, int]:
        """Where a client reaches the guest's (port)."""
        if self.kind == "tap":
            return GUEST, _protocol(port)[1]
        return "127.0.0.1", self.forwarded[port]

    def prefix(self) -> list[str]:
        """What starts a command inside."""
        return ["ip", "netns", "exec", self.name] if self.kind == "tap" else []

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """function(*arguments), in a thread that is inside. Raises what it raises."""
        result: list[T] = []
        errors: list[BaseException] = []

        def inside() -> None:
            try:
                self._enter()
                result.append(function(*arguments))
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return result[0]

    def _enter(self) -> None:
        if self.kind != "tap":
            return
        fd = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        failed = ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET)
        os.close(fd)
        if failed:
            raise OSError(ctypes.get_errno(), "setns")

    def close(self) -> None:
        if self.kind == "tap":
            _do("ip", "netns", "del", self.name)

    def __enter__(self) -> Network:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def can_tap() -> bool:
    """Whether this process may make tap devices and name spaces."""
    return os.geteuid() == 0 and os.access("/dev/net/tun", os.R_OK | os.W_OK)


def free_port(protocol: str, _number: int = 0) -> int:
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(type=kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _protocol(port: int | str) -> tuple[str, int]:
    if isinstance(port, str):
        return "udp", int(port.removeprefix("udp"))
    return "tcp", port


def _do(*command: str) -> None:
    subprocess.run(command, check=True)
