# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""dnsmasq as the DHCP and DNS server: leases through their whole life, and names."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from bench.network import HOST

PROGRAM = shutil.which("dnsmasq", path="/usr/sbin:/usr/bin:/usr/local/sbin")
MAC = "52:54:00:12:34:56"
# A guest whose clock counts instructions, 256 ns each, and a program that spins: a minute of its
# time passes in a second or less of ours.
FAST = ("-icount", "shift=8,sleep=on")

APP = """
import net
net.eth0.on_up(lambda nic: print("up", nic.address, nic.ipconfig("gw4")))
net.eth0.on_down(lambda nic: print("down"))
print("ready")
"""
SPIN = "while True:\n    pass\n"


class Dnsmasq:
    """A server on tap0 of a name space. Its log is `log`; start() may be called again."""

    def __init__(self, space, directory: Path) -> None:
        self.space, self.directory = space, directory
        self.log = directory / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, first: str = "10.9.0.50", last: str = "10.9.0.60", *options: str) -> None:
        """Lease these addresses for two minutes, the shortest time it knows. It forgets others."""
        (self.directory / "leases").unlink(missing_ok=True)
        command = [
            *self.space.prefix(), PROGRAM, "--keep-in-foreground", "--conf-file=/dev/null",
            "--user=root", "--pid-file", "--no-resolv", "--no-hosts", "--no-ping",
            "--interface=tap0", "--bind-interfaces", "--except-interface=lo",
            f"--dhcp-range={first},{last},255.255.255.0,2m", "--dhcp-authoritative",
            f"--dhcp-leasefile={self.directory / 'leases'}", f"--log-facility={self.log}",
            "--log-queries", "--log-dhcp", *options,
        ]  # fmt: skip
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        self.wait("started, version")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None
            self.log.rename(self.directory / f"log{time.monotonic_ns()}")

    def wait(self, pattern: str, count: int = 1, seconds: float = 60.0) -> None:
        """Until (pattern) stands (count) times in the log of this start."""
        deadline = time.monotonic() + seconds
        while True:
            text = self.log.read_text() if self.log.exists() else ""
            if len(re.findall(pattern, text)) >= count:
                return
            assert time.monotonic() < deadline, f"no {pattern!r} in\n{text[-2000:]}"
            time.sleep(0.02)


@pytest.fixture
def dnsmasq(space, tmp_path):
    if PROGRAM is None:
        pytest.skip("dnsmasq is not installed: apt-get install dnsmasq-base")
    server = Dnsmasq(space, tmp_path)
    yield server
    server.stop()


@pytest.fixture
def leased(tapped, build_image, dnsmasq):
    """leased(app) -> a guest that asks for its address, on a fast clock if it spins."""

    def start(app: str, **how: object):
        guest = tapped(build_image(app), append="", **how)
        guest.at_prompt = True
        return guest

    return start


def test_a_lease_is_renewed(dnsmasq, leased):
    dnsmasq.start()
    guest = leased(APP + SPIN, extra=FAST)
    guest.expect(r"up (10\.9\.0\.5\d) 10\.9\.0\.1\r\n")
    acknowledged = rf"DHCPACK\(tap0\) {guest.match[1]} {MAC}"
    # Every minute, at half of the lease. An answer that was late may have been asked for twice.
    dnsmasq.wait(acknowledged, len(re.findall(acknowledged, dnsmasq.log.read_text())) + 6)
    assert guest.log_text().count("up ") == 1
    assert "down" not in guest.log_text()


def test_a_refused_lease_is_given_up(dnsmasq, leased):
    dnsmasq.start()
    guest = leased(APP + SPIN, extra=FAST)
    guest.expect(r"up 10\.9\.0\.5\d 10\.9\.0\.1\r\n")
    dnsmasq.stop()
    dnsmasq.start("10.9.0.80", "10.9.0.90")
    dnsmasq.wait("DHCPNAK")
    guest.expect_text("down\r\n")
    guest.expect(r"up 10\.9\.0\.[89]\d 10\.9\.0\.1\r\n")


def test_a_server_that_vanishes_and_returns(dnsmasq, leased):
    dnsmasq.start()
    guest = leased(APP + SPIN, extra=FAST)
    guest.expect(r"up 10\.9\.0\.5\d 10\.9\.0\.1\r\n")
    for _ in range(2):
        dnsmasq.stop()
        guest.expect_text("down\r\n", timeout=60)  # the lease has run out
        guest.expect(r"up 169\.254\.\d+\.\d+ ", timeout=60)
        dnsmasq.start()
        guest.expect_text("down\r\n", timeout=60)
        guest.expect(r"up 10\.9\.0\.5\d 10\.9\.0\.1\r\n", timeout=60)


def test_a_static_lease_and_a_late_server(dnsmasq, leased):
    guest = leased(APP)
    guest.expect_text("ready\r\n")
    time.sleep(1)  # the first requests find nobody
    dnsmasq.start("10.9.0.50", "10.9.0.60", f"--dhcp-host={MAC},10.9.0.142")
    guest.expect_text("up 10.9.0.142 10.9.0.1\r\n")


NAMES = """
import net, socket, time

def first(name):
    try:
        return sorted(set(entry[-1][0] for entry in socket.getaddrinfo(name, 80)))
    except OSError as error:
        return "OSError %d" % error.errno

while not net.eth0.is_up:
    time.sleep_ms(20)
print("a", first("web.test"))
print("aaaa", first("six.test"))
print("both", first("both.test"))
print("alias", first("alias.test"))
print("nothing", first("nothing.test"))
begun = time.ticks_ms()
print("slow", first("name.slow"), time.ticks_diff(time.ticks_ms(), begun) < 20000)
for name in ("web.test", "six.test", "nothing.test"):
    net.resolve(name, lambda address, error, name=name: print("net", name, address, error))
net.resolve("other.slow", lambda address, error: print("late", address, error), timeout="1s")
"""


def test_names(dnsmasq, leased):
    dnsmasq.start(
        "10.9.0.50", "10.9.0.60", "--local=/test/", "--server=/slow/10.9.0.9",
        "--host-record=web.test,10.9.0.7", "--host-record=six.test,fd00::7",
        "--host-record=both.test,10.9.0.8,fd00::8", "--cname=alias.test,web.test",
    )  # fmt: skip
    guest = leased(NAMES)
    for line in (
        r"a \['10.9.0.7'\]", r"aaaa \['(?i:fd00)::7'\]", r"both \['10.9.0.8'",
        r"alias \['10.9.0.7'\]", "nothing OSError ", r"slow OSError \S+ True\r\n",
    ):  # fmt: skip
        guest.expect(line)
    guest.expect_text("net web.test 10.9.0.7 None\r\n")
    guest.expect_text("late None ")
    guest.at_prompt = False
    guest.expect_exit(0)
    text = guest.log_text().replace("\r\n", "\n")
    assert "net six.test fd00::7 None\n" in text.replace("FD00", "fd00")
    assert re.search(r"net nothing.test None \[Errno \d+\] ENOENT", text), text


def test_a_name_that_its_server_is_called_by(dnsmasq, leased):
    """The host name of the guest is in the lease, so the server's DNS knows it."""
    dnsmasq.start("10.9.0.50", "10.9.0.60", "--domain=lan")
    guest = leased(APP)
    guest.expect(r"up (10\.9\.0\.5\d) ")
    if shutil.which("dig") is None:
        pytest.skip("dig is not installed: apt-get install bind9-dnsutils")
    names = re.findall(r"client provides name: (\S+)", dnsmasq.log.read_text())
    assert names
    command = [*dnsmasq.space.prefix(), "dig", "+short", f"@{HOST}", names[0]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.stdout.strip() == guest.match[1]
