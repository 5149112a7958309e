# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""nmap looks at a guest in each of its ways: it sees what is there, and does no harm."""

from __future__ import annotations

import http.client
import shutil
import subprocess
import time
from xml.etree import ElementTree

import pytest
from bench.network import GUEST
from leaks import TELL, usage, wait_until_level
from support import LONG, ROOT

pytestmark = pytest.mark.skipif(not shutil.which("nmap"), reason="nmap is not installed")

HELLO = (ROOT / "examples/hello_http.py").read_text("utf-8")
MORE = """
@net.udp(7)
def echo(packet):
    packet.reply(packet.data)

@net.listen(81)
def curt(connection):
    connection.on_data(lambda data: connection.end(ANSWER))
"""
TCP_PORTS = 65535 if LONG else 2000
UDP_PORTS = 65535 if LONG else 1000
# What nmap says of an open port, and of a closed one. Without an answer, which is right (RFC 9293,
# 3.10.7.2: no SYN, no ACK, no RST), an open one looks as if it were filtered.
SCANS = {
    "-sS": ("open", "closed"),
    "-sT": ("open", "closed"),
    "-sN": ("open|filtered", "closed"),
    "-sF": ("open|filtered", "closed"),
    "-sX": ("open|filtered", "closed"),
    "-sA": ("unfiltered", "unfiltered"),
    "-sU": ("open", "closed"),
}
FAST = ("-n", "-Pn", "-T5", "--max-retries", "6", "-oX", "-")


@pytest.fixture(scope="module")
def app(build_image):
    return build_image(HELLO + MORE + TELL)


@pytest.fixture
def served(tapped, space, app):
    guest = tapped(app)
    guest.expect_text("ready\r\n")
    yield guest
    guest.at_prompt = True


def nmap(space, *arguments: str, seconds: float) -> ElementTree.Element:
    command = [*space.prefix(), "nmap", *FAST, *arguments, GUEST]
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=True)
    print(f"{' '.join(arguments)}: {time.monotonic() - begun:.1f} s")
    host = ElementTree.fromstring(done.stdout).find("host")
    assert host is not None, done.stdout + done.stderr
    return host


def states(host: ElementTree.Element, count: int) -> dict[int, str]:
    """The state of each of the ports 1 to (count); nmap folds what most of them have."""
    most = host.find("ports/extraports")
    told = dict.fromkeys(range(1, count + 1), "" if most is None else most.get("state"))
    if most is not None:
        assert len(host.findall("ports/extraports")) == 1
    for port in host.findall("ports/port"):
        told[int(port.get("portid"))] = port.find("state").get("state")
    return told


def get() -> bytes:
    connection = http.client.HTTPConnection(GUEST, 80, timeout=5)
    connection.request("GET", "/")
    body = connection.getresponse().read()
    connection.close()
    return body


@pytest.mark.timeout(1200 if LONG else 120)
@pytest.mark.parametrize("scan", SCANS)
def test_a_scan_sees_what_is_open_and_leaves_nothing(served, space, scan):
    space.call(get)
    before = usage(space)
    is_open, is_closed = SCANS[scan]
    count, ours = (UDP_PORTS, (7, 8)) if scan == "-sU" else (TCP_PORTS, (80, 81))
    host = nmap(space, scan, "-p", f"1-{count}", seconds=1000 if LONG else 60)
    told = states(host, count)
    assert {told.pop(port) for port in ours} == {is_open}
    assert set(told.values()) == {is_closed}
    assert b"bare metal" in space.call(get)
    wait_until_level(space, before)


LOOKS = {
    # With a server that waits for the end of a request each of 40 probes takes 5 s.
    "version": ("-sS", "-sV", "--version-all", "-p", "80,81" if LONG else "81"),
    "system": ("-sS", "-O", "--max-os-tries", "5" if LONG else "1", "-p", "80-82"),
}


@pytest.mark.timeout(900 if LONG else 120)
@pytest.mark.parametrize("what", LOOKS)
def test_a_closer_look_does_no_harm(served, space, what):
    space.call(get)
    before = usage(space)
    host = nmap(space, *LOOKS[what], seconds=800 if LONG else 90)
    assert host.find("ports/port[@portid='81']/state").get("state") == "open"
    assert b"bare metal" in space.call(get)
    wait_until_level(space, before)
