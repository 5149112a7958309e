# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Networks for upstream's tests of two sides: two guests, or a guest and the unix port."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from importos import qemu

from .target import Target

# In the namespace of a guest with the unix port the host has two addresses. The guest reaches
# the unix port at HOST, through QEMU's user network. The unix port reaches the guest at the
# guest's own address, which the host has too, and where QEMU listens for the guest.
HOST = "10.9.9.9"
GUEST = "10.0.2.15"
PORTS = range(8000, 8008)
NAMESPACE = f"""\
ip link set lo up && ip address add {HOST}/32 dev lo && ip address add {GUEST}/32 dev lo &&
ip route replace local {GUEST} dev lo table local src {HOST} &&
ip route add default dev lo src {HOST} && echo ready && read ignored
"""


class NetworkError(Exception):
    """The host does not let us make a network namespace."""


def two_on_a_cable(
    kernel: Path, logs: list[Path], stack: contextlib.ExitStack
) -> Iterator[Target]:
    """Two guests at the ends of a network cable, which is a pair of sockets."""
    cable = stack.enter_context(tempfile.TemporaryDirectory())
    for end, log in enumerate(logs):
        netdev = "dgram,id=n0"
        for side, number in (("local", end), ("remote", 1 - end)):
            netdev += f",{side}.type=unix,{side}.path={cable}/{number}"
        card = f"virtio-net-device,netdev=n0,mac=52:54:00:00:00:0{end + 1}"
        yield Target(
            kernel,
            log,
            append=f"ip=192.168.77.{end + 1}/24",
            network=False,
            extra=("-netdev", netdev, "-device", card),
        )


@contextlib.contextmanager
def namespace(outer: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """A network namespace with the two addresses; yields the command that runs others in it.

    One that is made with (outer), the command of another one, can be entered from there too, by
    inner(). Raises NetworkError.
    """
    holder = subprocess.Popen(
        [
            *outer,
            "unshare",
            *([] if outer else ["--map-root-user"]),
            "--net",
            "sh",
            "-c",
            NAMESPACE,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert holder.stdin is not None and holder.stdout is not None
    try:
        line = holder.stdout.readline()
        if line != "ready\n":
            raise NetworkError(f"no network namespace: {line.strip()}")
        yield (
            *("nsenter", "--preserve-credentials", "--user", "--net"),
            *("--target", str(holder.pid)),
        )
    finally:
        holder.stdin.close()
        holder.stdout.close()
        holder.wait(10)


def beside_unix(kernel: Path, log: Path, prefix: tuple[str, ...], peer: str) -> Target:
    """A guest in the namespace that (prefix) enters; the unix port there, the (peer), reaches it
    if it is the client."""
    ports = tuple(
        qemu.Port(port, port, GUEST, protocol) for port in PORTS for protocol in ("tcp", "udp")
    )
    return Target(
        kernel,
        log,
        append=f"ip={GUEST}::10.0.2.2:255.255.255.0",
        ports=ports if peer == "client" else (),
        prefix=prefix,
    )


def inner(prefix: tuple[str, ...]) -> tuple[str, ...]:
    """What enters the namespace of (prefix) from the one that it was made in."""
    return ("nsenter", "--net", *prefix[-2:])


def write_wrapper(path: Path, prefix: tuple[str, ...], program: Path) -> Path:
    """Write a script that starts (program) in the namespace that (prefix) enters."""
    path.write_text(f'#!/bin/sh\nexec {" ".join(prefix)} {program} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return path
