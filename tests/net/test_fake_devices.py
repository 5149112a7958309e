# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Cards that are nonsense before they work: registers of virtio-mmio in plain memory, and what
QEMU's own options can make of a card. (What only a device of our own can say is in tests/fuzz.)"""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

# Below the first MiB of microvm, which has no ROM there and whose map of memory leaves it out.
ADDRESS, IRQ = 0xB0000, 12
MAGIC, NET = 0x74726976, 1
APP = """
import net
print("cards", len(net.interfaces()))
for nic in net.interfaces():
    print(nic.mac, nic.config("mtu"), nic)
"""


@pytest.fixture(scope="module")
def app(build_image):
    return build_image(APP)


def registers(**values: int) -> bytes:
    """A register window; the names are those of virtio 1.1, 4.2.2, and their offsets."""
    offsets = {"magic": 0, "version": 4, "device": 8, "features": 0x10, "queue_size": 0x34,
               "ready": 0x44, "interrupt": 0x60, "status": 0x70}  # fmt: skip
    window = bytearray(0x200)
    for name, value in {"magic": MAGIC, "version": 2, "device": NET, "features": 0xFFFFFFFF,
                        "queue_size": 256, **values}.items():  # fmt: skip
        struct.pack_into("<I", window, offsets[name], value)
    return bytes(window)


FAKES = {
    "wrong magic": {"magic": 0x12345678},
    "legacy": {"version": 1},
    "version 0": {"version": 0},
    "version of the future": {"version": 3},
    "no device": {"device": 0},
    "a device nobody knows": {"device": 0xFFFFFFFF},
    "no modern features": {"features": 0},
    "no queue": {"queue_size": 0},
    "a queue of 3": {"queue_size": 3},
    "an enormous queue": {"queue_size": 0xFFFFFFFF},
    "a queue of 65536": {"queue_size": 65536},
    "a queue that is in use": {"ready": 1},
    "one that is all ones": dict.fromkeys(("ready", "interrupt", "queue_size"), 0xFFFFFFFF),
}


@pytest.mark.parametrize("fake", FAKES)
def test_a_window_of_nonsense_is_no_card_and_no_harm(boot, app, tmp_path: Path, fake: str) -> None:
    window = tmp_path / "window"
    window.write_bytes(registers(**FAKES[fake]))
    guest = boot(
        app,
        append=f"virtio_mmio.device=512@{ADDRESS:#x}:{IRQ}",
        extra=("-device", f"loader,file={window},addr={ADDRESS:#x},force-raw=on"),
    )
    guest.expect_text("cards 0\r\n")
    guest.expect_exit(0)


def test_the_window_would_be_a_card_if_it_made_sense(boot, app, tmp_path: Path) -> None:
    """Memory keeps what is written to one queue's registers, so the second one is in use."""
    window = tmp_path / "window"
    window.write_bytes(registers())
    guest = boot(
        app,
        append=f"virtio_mmio.device=512@{ADDRESS:#x}:{IRQ}",
        extra=("-device", f"loader,file={window},addr={ADDRESS:#x},force-raw=on"),
    )
    guest.expect_text("virtio-net0: could not start the queues")
    guest.expect_exit(0)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("mac=ff:ff:ff:ff:ff:ff", r"[0-9a-f][26ae]:\S+ 1500 LAN\(0"),
        ("mac=01:00:5e:00:00:01", r"[0-9a-f][26ae]:\S+ 1500 LAN\(0"),
        ("host_mtu=1", r"52:\S+ 1500 LAN\(0"),
        ("host_mtu=68", r"52:\S+ 68 LAN\(0"),
        ("host_mtu=65535", r"52:\S+ 9000 LAN\(0"),
        ("vectors=0", r"52:\S+ 1500 LAN\(0.*intx"),
        ("vectors=1", r"52:\S+ 1500 LAN\(0.*intx"),
        ("vectors=2", r"52:\S+ 1500 LAN\(0.*msix"),
        ("vectors=2000", r"52:\S+ 1500 LAN\(0.*(msix|intx)"),
        ("event_idx=off,csum=off,guest_csum=off,mrg_rxbuf=off", r"52:\S+ 1500 LAN\(0"),
        ("rx_queue_size=1024,tx_queue_size=256", r"52:\S+ 1500 LAN\(0"),
        ("packed=on,iommu_platform=off", r"52:\S+ 1500 LAN\(0"),
        ("disable-modern=on,disable-legacy=off", None),
    ],
    ids=lambda value: value if value and "=" in value else "",
)
def test_odd_cards_of_qemu(boot, app, options: str, told: str | None) -> None:
    def edit(command: list[str]) -> list[str]:
        return [f"{w},{options}" if w.startswith("virtio-net-pci") else w for w in command]

    guest = boot(app, machine="q35", network=True, edit=edit)
    if told is None:
        guest.expect_text("no modern interface")
        guest.expect_text("cards 0\r\n")
    else:
        guest.expect_text("cards 1\r\n")
        guest.expect(told)
    guest.expect_exit(0)
