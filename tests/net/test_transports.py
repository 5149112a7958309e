# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Each way in which a machine carries its cards: INTx, MSI-X, MMIO, several at once."""

from __future__ import annotations

import struct

import pytest
from wire import APPEND, IP4, UDP, Wire, udp

from importos.qemu import QBOOT

APP = """
import net

@net.udp(7)
def echo(packet):
    packet.reply(packet.data)

print("ready", len(net.interfaces()))
"""
# QEMU's microvm without ACPI has 8 virtio-mmio slots, on the ISA inputs from 5 up.
MMIO_SLOTS = " ".join(
    f"virtio_mmio.device=512@{0xFEB00000 + 512 * slot:#x}:{5 + slot}" for slot in range(8)
)
# Name: machine of the command line, machine that QEMU gets, the card's options. qboot.rom gives no
# card an address.
CARDS = {
    "pc MSI-X": ("pc", "pc", ""),
    "pc INTx": ("pc", "pc", ",vectors=0"),
    "q35 MSI-X": ("q35", "q35", ""),
    "q35 INTx": ("q35", "q35", ",vectors=0"),
    "pc qboot MSI-X": ("pc", "pc", ""),
    "pc qboot INTx": ("pc", "pc", ",vectors=0"),
    "q35 qboot MSI-X": ("q35", "q35", ""),
    "q35 qboot INTx": ("q35", "q35", ",vectors=0"),
    "microvm": ("microvm", "microvm", ""),
    "microvm MSI-X": ("microvm,pcie=on", "microvm,pcie=on", ""),
    "microvm INTx": ("microvm,pcie=on", "microvm,pcie=on", ",vectors=0"),
    "microvm INTx, one I/O APIC": ("microvm,pcie=on", "microvm,pcie=on,ioapic2=off", ",vectors=0"),
    "microvm without ACPI": ("microvm", "microvm,acpi=off", ""),
}


@pytest.fixture(scope="module")
def app(build_image):
    return build_image(APP)


def is_answer(frame: bytes, data: bytes) -> bool:
    header = frame[12:14] == struct.pack("!H", IP4) and frame[23] == UDP
    return header and frame[34:36] == b"\0\7" and frame[42 : 42 + len(data)] == data


def echoes(wire: Wire, count: int) -> bool:
    for number in range(count):
        data = struct.pack("!I", number)
        wire.send(udp(data, 7))
        if wire.wait(lambda f, data=data: is_answer(f, data), 3.0) is None:
            return False
    return True


@pytest.mark.parametrize("card", CARDS)
def test_a_card_serves(boot, app, wire, card):
    like, machine, options = CARDS[card]

    def edit(command: list[str]) -> list[str]:
        words = [wire.netdev if word.startswith("user,id=n0") else word for word in command]
        words[words.index("-M") + 1] = machine
        return [w + options if w.startswith("virtio-net-") else w for w in words]

    # Without ACPI the command line alone names the cards, as Firecracker does it.
    slots = MMIO_SLOTS if "acpi=off" in machine else ""
    append = f"{APPEND} {slots}".strip()
    bios = QBOOT if "qboot" in card else ""
    guest = boot(app, machine=like, bios=bios, network=True, edit=edit, append=append)
    guest.expect_text("ready 1\r\n")
    wire.wait_for_guest()
    assert echoes(wire, 300)
    guest.at_prompt = True


@pytest.mark.parametrize("machine", ["pc", "q35", "microvm"])
@pytest.mark.parametrize("vectors", ["", ",vectors=0"], ids=["messages", "lines"])
def test_several_cards_serve_at_once(boot, app, wire, machine, vectors):
    if machine == "microvm" and vectors:
        pytest.skip("virtio-mmio has lines only")
    bus, rom = ("device", "") if machine == "microvm" else ("pci", ",romfile=")
    others = [
        word
        for number in (1, 2)
        for word in ("-netdev", f"user,id=n{number}",
                     "-device", f"virtio-net-{bus},netdev=n{number}{rom}{vectors}")
    ]  # fmt: skip

    def edit(command: list[str]) -> list[str]:
        words = [wire.netdev if word.startswith("user,id=n0") else word for word in command]
        return [w + vectors if w.startswith("virtio-net-") and "n0" in w else w for w in words]

    guest = boot(app, machine=machine, network=True, edit=edit, append=APPEND, extra=tuple(others))
    guest.expect_text("ready 3\r\n")
    wire.wait_for_guest()
    assert echoes(wire, 200)
    guest.at_prompt = True
