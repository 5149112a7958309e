# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""A disk, or a source of entropy, that breaks the rules of virtio: an OSError, never worse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from guest import Boot, Guest

from .lying_disk import IO_ERROR, READ, WRITE, Answer, Lie, LyingDisk, LyingEntropy, LyingQueue

MakeLying = Callable[[LyingQueue], Guest]
READS = (
    "import machine; d = machine.Disk(0, block_size=512); b = bytearray(512)\n"
    "n = 100\n"
    "def read():\n"
    " global n\n"
    " n += 100\n"
    " return d.readblocks(n, b)"
)


@pytest.fixture
def lying(boot: Boot, repl_image: Path) -> Iterator[MakeLying]:
    """lying(device) -> a guest at its prompt, whose only disk or entropy is that one."""
    devices = []

    def start(device: LyingQueue) -> Guest:
        devices.append(device)

        def edit(command: list[str]) -> list[str]:
            at = command.index("virtio-rng-pci")  # QEMU's own, which would come first
            words = command[: at - 1] + command[at + 1 :]
            return ["q35,memory-backend=m" if word == "q35" else word for word in words]

        guest = boot(repl_image, machine="q35", edit=edit, extra=tuple(device.arguments(64)))
        guest.prompt()
        guest.at_prompt = True
        return guest

    yield start
    for device in devices:
        device.close()


def test_honest_disk_works(lying: MakeLying, tmp_path: Path) -> None:
    disk = LyingDisk(tmp_path / "vhost")
    guest = lying(disk)
    guest.exec("import machine, vfs; d = machine.Disk(0); vfs.VfsLfs2.mkfs(d)")
    guest.exec("vfs.mount(d, '/d'); f = open('/d/a', 'w'); f.write('x' * 9000); f.close()")
    assert guest.exec("print(len(open('/d/a').read()), d.stats().resets)") == "9000 0\n"
    assert b"x" * 4000 in disk.contents


def error(answer: Answer) -> None:
    answer.status = IO_ERROR


def unknown_status(answer: Answer) -> None:
    answer.status = 77


def no_status(answer: Answer) -> None:
    answer.status = None


def too_short(answer: Answer) -> None:
    answer.told = 100


def nothing_written(answer: Answer) -> None:
    answer.told = 0


def too_long(answer: Answer) -> None:
    answer.told = 0xFFFFFFFF


@pytest.mark.parametrize(
    "lie", [error, unknown_status, no_status, too_short, nothing_written, too_long]
)
def test_wrong_answer_to_a_read_is_an_error(lying: MakeLying, tmp_path: Path, lie: Lie) -> None:
    disk = LyingDisk(tmp_path / "vhost", contents=bytearray(b"d" * (1 << 20)))
    guest = lying(disk)
    guest.exec(READS)
    guest.exec("assert read() == 0 and b == b'd' * 512")
    disk.lie = lambda answer: lie(answer) if answer.kind == READ else None
    guest.exec("assert read() == -5, 1; assert d.stats().errors > 0, 2")
    disk.lie = None
    guest.exec("assert read() == 0 and b == b'd' * 512")
    assert guest.exec("print(d.stats().resets)") == "0\n"


def id_out_of_range(answer: Answer) -> None:
    answer.head = 0x12345678


def id_of_nothing(answer: Answer) -> None:
    answer.head = (answer.head + 3) % 128


def answered_twice(answer: Answer) -> None:
    answer.times = 2


def answered_a_thousand_times(answer: Answer) -> None:
    answer.times = 1000


@pytest.mark.parametrize(
    "lie", [id_out_of_range, id_of_nothing, answered_twice, answered_a_thousand_times]
)
def test_ring_out_of_order_resets_the_disk_and_at_last_gives_it_up(
    lying: MakeLying, tmp_path: Path, lie: Lie
) -> None:
    disk = LyingDisk(tmp_path / "vhost", contents=bytearray(b"d" * (1 << 20)))
    guest = lying(disk)
    guest.exec(READS)
    disk.lie = lie
    guest.exec("r = [read(), read()]; assert -5 in r, r")
    disk.lie = None
    guest.exec("r = [read(), read()]; assert r[1] == 0 and b == b'd' * 512, r")
    assert int(guest.exec("print(d.stats().resets)")) >= 1
    disk.lie = lie
    guest.exec("r = [read() for _ in range(12)]; assert r[-1] == -19, r")
    guest.exec("import os\ntry: os.sync()\nexcept OSError as e: print(e)")


def test_write_that_fails_is_told_and_kept(lying: MakeLying, tmp_path: Path) -> None:
    disk = LyingDisk(tmp_path / "vhost")
    guest = lying(disk)
    guest.exec(READS)
    disk.lie = lambda answer: no_status(answer) if answer.kind == WRITE else None
    guest.exec("d.writeblocks(7, b'k' * 512); assert d.ioctl(3, 0) == -5")
    disk.lie = None
    guest.exec("assert d.ioctl(3, 0) == 0")
    assert disk.contents[7 * 512 : 8 * 512] == b"k" * 512


@pytest.mark.parametrize(
    ("what", "value", "works"),
    [
        ("capacity", 1 << 63, True),
        ("capacity", 0, True),
        ("block_size", 0, False),
        ("block_size", 3000, False),
        ("block_size", 1 << 31, False),
        ("pieces_max", 0, False),
        ("pieces_max", 0xFFFFFFFF, True),
    ],
)
def test_configuration_that_makes_no_sense(
    lying: MakeLying, tmp_path: Path, what: str, value: int, works: bool
) -> None:
    guest = lying(LyingDisk(tmp_path / "vhost", **{what: value}))
    guest.exec("import machine")
    assert guest.exec("print(len(machine.Disk.all()))") == f"{works:d}\n"
    if what == "capacity":
        guest.exec("d = machine.Disk(0); assert d.info().size == 0")
        guest.exec("assert d.readblocks(0, bytearray(512)) == -22")
    guest.exec("open('/on_the_ram_disk', 'w').close()")


def test_honest_entropy_is_taken(lying: MakeLying, tmp_path: Path) -> None:
    lies = []
    lying(LyingEntropy(tmp_path / "vhost", lie=lies.append)).exec("import os; os.urandom(64)")
    assert lies, "the guest did not ask"


@pytest.mark.parametrize(
    "lie", [too_long, nothing_written, id_out_of_range, answered_twice, answered_a_thousand_times]
)
def test_entropy_that_lies_does_no_harm(lying: MakeLying, tmp_path: Path, lie: Lie) -> None:
    guest = lying(LyingEntropy(tmp_path / "vhost", lie=lie))
    guest.exec("import os; a, b = os.urandom(64), os.urandom(64)")
    guest.exec("assert a != b and a != bytes(range(64)) and len(set(a + b)) > 50")
