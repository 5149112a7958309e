# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""A network card that is taken out while it works: its connections end, the other card goes on."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest
from guest import Guest

# Of QEMU's ACPI PCI hot-plug (docs/specs/acpi_pci_hotplug.rst): writing bit (n) lets slot (n) go.
EJECT, SLOT = 0xAE08, 9
OTHER = "10.0.3.15"
APP = f"""
import errno, gc, machine, net, os, socket

def name(error):
    return error and errno.errorcode.get(error.errno, error.errno)

@net.listen(80)
def server(connection):
    connection.on_data(connection.write)
    connection.on_close(lambda error: print("closed", name(error)))

@net.listen(81)
def pour(connection):
    block = bytes(60000)

    def fill():
        while connection.write(block):
            pass

    connection.on_drain(fill)
    connection.on_close(lambda error: print("poured", name(error)))
    fill()

@net.udp(9)
def eject(packet):
    machine.port32[{EJECT}] = 1 << {SLOT}

@net.udp(8)
def tell(packet):
    gc.collect()
    packet.reply("%d" % net.stats()["memory_used"])

net.eth0.on_down(lambda nic: print("down", nic.name, nic.is_up, nic.address))
client = socket.socket()
client.connect(("10.0.2.2", int(os.getenv("PORT"))))
print("connected")
try:
    client.recv(1)
except OSError as error:
    print("received", name(error))
try:
    net.eth0.send_frame(bytes(60))
except OSError as error:
    print("sent", name(error))
print([nic.is_up for nic in net.interfaces()], "ready")
"""


def free_port(kind: int) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cards(kind: str, ports: dict[str, int]) -> tuple[str, ...]:
    """Two cards, the first one in a slot of which it can be taken."""
    forward = "hostfwd=tcp:127.0.0.1:{}-{}:{}"
    first = ["user,id=n0,net=10.0.2.0/24"]
    first += [forward.format(ports[f"first{port}"], "10.0.2.15", port) for port in (80, 81)]
    second = ["user,id=n1,net=10.0.3.0/24", forward.format(ports["second"], OTHER, 80)]
    second += [f"hostfwd=udp:127.0.0.1:{ports[f'udp{n}']}-{OTHER}:{n}" for n in (8, 9)]
    options = "romfile=" + kind
    return (
        *("-netdev", ",".join(first)),
        *("-device", f"virtio-net-pci,netdev=n0,id=card,addr={SLOT},{options}"),
        *("-netdev", ",".join(second)),
        *("-device", f"virtio-net-pci,netdev=n1,addr={SLOT + 1},mac=52:54:00:12:34:57,{options}"),
    )


def echo(port: int, data: bytes = b"hello") -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.sendall(data)
    assert client.recv(100) == data
    return client


def datagram(port: int, seconds: float = 5) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(seconds)
        client.sendto(b"x", ("127.0.0.1", port))
        return client.recv(100)


def take_out(guest: Guest, port: int) -> None:
    guest.qmp.command("device_del", id="card")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"", ("127.0.0.1", port))
    deadline = time.monotonic() + 10
    while not any(event["event"] == "DEVICE_DELETED" for event in guest.qmp.events):
        assert time.monotonic() < deadline, "QEMU did not take the card out"
        time.sleep(0.02)


@pytest.mark.parametrize("kind", ["", ",vectors=0"], ids=["MSI-X", "line"])
def test_a_card_that_is_taken_out(boot, build_image, kind: str) -> None:
    ports = {name: free_port(socket.SOCK_STREAM) for name in ("first80", "first81", "second")}
    ports |= {name: free_port(socket.SOCK_DGRAM) for name in ("udp8", "udp9")}
    listener = socket.create_server(("127.0.0.1", 0))
    image = build_image(APP, "--env", f"PORT={listener.getsockname()[1]}")
    guest = boot(image, machine="pc", extra=cards(kind, ports))
    guest.expect_text("connected\r\n")
    peer = listener.accept()[0]
    lives = echo(ports["second"])
    before = int(datagram(ports["udp8"]))
    idle = echo(ports["first80"])
    pouring = socket.create_connection(("127.0.0.1", ports["first81"]), timeout=10)
    stop = threading.Event()

    def drain() -> None:
        """What was on its way may still come; nothing does afterwards."""
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                pouring.recv(1 << 20)

    pouring.settimeout(0.2)
    reader = threading.Thread(target=drain)
    reader.start()
    time.sleep(0.5)
    take_out(guest, ports["udp9"])
    seen = ""
    for text in ("down eth0 False None\r\n", "[False, True] ready\r\n"):
        seen += guest.expect_text(text)
    assert "virtio-net0: taken out" in seen
    for line in ("closed ECONNABORTED", "poured ECONNABORTED", "received ECONNABORTED",
                 "sent ENODEV"):  # fmt: skip
        assert f"{line}\r\n" in seen, seen
    stop.set()
    reader.join()
    lives.sendall(b"still here")
    assert lives.recv(100) == b"still here"
    echo(ports["second"]).close()
    deadline = time.monotonic() + 20
    while (after := int(datagram(ports["udp8"]))) > before + 512:
        assert time.monotonic() < deadline, f"{before} bytes became {after}"
        time.sleep(0.5)
    for end in (lives, idle, pouring, peer, listener):
        end.close()
    guest.at_prompt = True
