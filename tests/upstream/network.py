# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Networks for upstream's tests of two sides: two guests, or a guest and the unix port; and one
for the tests that want the Internet."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from . import internet
from .target import Target

# In a namespace the host and the guest are the two ends of a cable, which is a TAP device. The
# host names itself by the default route, as upstream's runner asks it.
HOST = "192.168.78.1"
GUEST = "192.168.78.2"
NAMESPACE = f"""\
ip link set lo up && ip tuntap add tap0 mode tap && ip address add {HOST}/24 dev tap0 &&
ip link set tap0 up && ip route add default dev tap0 src {HOST} &&
if [ -n "$1" ]; then mount --bind "$1" /etc/hosts; fi && echo ready && read ignored
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
def namespace(outer: tuple[str, ...] = (), hosts: str = "") -> Iterator[tuple[str, ...]]:
    """A network namespace with the host's end of the cable; yields the command that runs others in
    it. The file (hosts) is its /etc/hosts; the command then needs --wd= for another directory.

    One that is made with (outer), the command of another one, can be entered from there too, by
    inner(). Raises NetworkError.
    """
    spaces = ("--net", "--mount") if hosts else ("--net",)
    user = () if outer else ("--map-root-user",)
    holder = subprocess.Popen(
        [*outer, "unshare", *user, *spaces, "sh", "-c", NAMESPACE, "sh", hosts],
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
            *("nsenter", "--preserve-credentials", "--user", *spaces),
            *("--target", str(holder.pid)),
        )
    finally:
        holder.stdin.close()
        holder.stdout.close()
        holder.wait(10)


def beside_host(kernel: Path, log: Path, prefix: tuple[str, ...], away_ms: int = 0) -> Target:
    """A guest at the other end of the cable in the namespace that (prefix) enters. What the host
    sends is kept back up to (away_ms)."""
    netdev = "tap,id=n0,ifname=tap0,script=no,downscript=no"
    extra = ["-netdev", netdev, "-device", "virtio-net-device,netdev=n0"]
    if away_ms:
        extra += ["-object", f"filter-buffer,id=away,netdev=n0,interval={away_ms * 1000}"]
    return Target(
        kernel,
        log,
        append=f"ip={GUEST}::{HOST}:255.255.255.0:::off:{HOST}",
        network=False,
        extra=tuple(extra),
        prefix=prefix,
    )


def inner(prefix: tuple[str, ...]) -> tuple[str, ...]:
    """What enters the namespace of (prefix) from the one that it was made in."""
    return ("nsenter", "--net", *prefix[-2:])


@contextlib.contextmanager
def with_internet(certificates: Path) -> Iterator[tuple[str, ...]]:
    """A namespace in which the host plays the part of the Internet that the tests name. The
    (certificates) are made there. Raises NetworkError."""
    hosts = internet.prepare(certificates, HOST)
    with namespace(hosts=str(hosts)) as prefix:
        server = subprocess.Popen(
            [*prefix, sys.executable, internet.__file__, HOST, str(certificates)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert server.stdout is not None
        try:
            line = server.stdout.readline()
            if line != "ready\n":
                raise NetworkError(f"no Internet: {line.strip()}")
            yield prefix
        finally:
            server.kill()
            server.wait()
            server.stdout.close()


def write_wrapper(
    path: Path, prefix: tuple[str, ...], program: Path, words: dict[str, str] | None = None
) -> Path:
    """Write a script that starts (program) in the namespace that (prefix) enters, and puts other
    (words) in place of some that it prints."""
    filters = "".join(f" -e 's/{old}/{new}/'" for old, new in (words or {}).items())
    output = f" > >(exec sed -u{filters}) 2>&1" if filters else ""
    command = f'exec {" ".join(prefix)} {program} "$@"{output}'
    path.write_text(f"#!/bin/bash\n{command}\n", encoding="utf-8")
    path.chmod(0o755)
    return path
