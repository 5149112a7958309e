# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""What was acknowledged survives: QEMU killed at random moments, and every state that a disk may
be left in by a power cut, which the host's log of writes tells.

IMPORTOS_POWER_CUTS sets how many times QEMU is killed, IMPORTOS_CUT_STATES how many places of the
log are looked at (0: all); 300 and 0 were made before a release.
"""

from __future__ import annotations

import os
import random
import re
import struct
import time
from pathlib import Path

import disk_images
import pytest
from guest import Boot
from littlefs import LittleFS, LittleFSError, UserContext

from .conftest import MIB, MakeDisk, attach

CUTS = int(os.environ.get("IMPORTOS_POWER_CUTS", "10"))
# Cuts in each way in the log of writes; 0: at each entry of it.
STATES = int(os.environ.get("IMPORTOS_CUT_STATES", "60"))
BLOCK = 4096
RECORDS = 450  # for the test that needs them in one file

# Appends records for ever and says so after each; first checks those of the boots before. Every
# boot has a file of its own. Behind the last record that was acknowledged littlefs has nothing;
# FAT, which writes the length and the contents in any order, may have anything.
WRITER = """
import os, sys
from machine import Disk

littlefs = "fat" not in sys.argv
lies = "lies" in sys.argv  # says that it flushed, and did not

def read(name):
    global n
    with open(name, "rb") as f:
        for line in f:
            number, _, text = line.partition(b" ")
            good = number.isdigit() and int(number) == n and text == b"x" * (n % 90) + b"\\n"
            if not good:
                assert not littlefs or line[-1:] != b"\\n", (name, n, line)
                return
            n += 1

if "logs" not in os.listdir("/"):
    os.mkdir("/logs")
names = sorted(int(name) for name in os.listdir("/logs"))
n = 0
for name in names:
    read("/logs/%d" % name)
if littlefs and n >= 20:
    # Replaced as a whole every ten records: old or new, but there.
    latest = open("/latest").read().split()
    assert n - 10 <= int(latest[0]) <= n and latest[1] == "x" * 5000, (n, latest)

def replace():
    with open("/part", "w") as part:
        part.write("%d %s" % (n // 10 * 10, "x" * 5000))
    os.rename("/part", "/latest")

print("have", n)
if littlefs:
    replace()  # power may have failed between the record and this
with open("/logs/%d" % len(names), "wb") as f:
    while True:
        f.write(b"%d %s\\n" % (n, b"x" * (n % 90)))
        if not lies:
            f.flush()
            os.sync()
        n += 1
        print("ack", n, Disk(0).stats().flushes)
        if littlefs and n % 10 == 0:
            replace()
"""


def acknowledged(text: str) -> list[tuple[int, int]]:
    """(records, flushes) of each whole line that told of a record."""
    return [(int(n), int(f)) for n, f in re.findall(r"ack (\d+) (\d+)\r?\n", text)]


@pytest.mark.parametrize("filesystem", ["littlefs", "fat"])
@pytest.mark.timeout(120 + 10 * CUTS)
def test_no_acknowledged_record_is_lost_when_qemu_is_killed(
    boot: Boot, build_image, repl_image: Path, make_disk: MakeDisk, filesystem: str
) -> None:
    image = build_image(WRITER)
    littlefs = filesystem == "littlefs"
    disk = make_disk(image=disk_images.littlefs(32 * MIB) if littlefs else b"", size=32 * MIB)
    if not littlefs:
        maker = boot(repl_image, extra=attach(disk))
        maker.prompt()
        maker.exec("import vfs, machine; vfs.VfsFat.mkfs(machine.Disk(0, block_size=512))")
        maker.close()
    chance = random.Random(5)
    promised = 0
    for _ in range(CUTS):
        guest = boot(image, append=f"-- {filesystem}", extra=attach(disk))
        guest.expect(r"have (\d+)\r\n", timeout=120)  # 300 cuts leave 90,000 records to check
        have = int(guest.match[1])
        assert have >= promised, f"{promised} records were acknowledged, {have} are there"
        guest.expect(r"ack \d+ \d+\r\n")
        deadline = time.monotonic() + chance.uniform(0, 0.4)
        while time.monotonic() < deadline:
            guest.expect(r"ack \d+ \d+\r\n")
        guest.process.kill()
        promised = max([have, *(n for n, _ in acknowledged(guest.log_text()))])
        guest.close()
    assert promised > CUTS


class WriteLog:
    """The log of QEMU's blklogwrites: what was written, and where the flushes were."""

    SUPER = struct.Struct("<QQQI")
    ENTRY = struct.Struct("<QQQQ")
    MAGIC = 0x6A736677736872
    FLUSH = 1

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        magic, _, count, sector = self.SUPER.unpack_from(data)
        assert magic == self.MAGIC
        self.entries: list[tuple[int, bytes, bool]] = []
        at = sector
        for _ in range(count):
            place, sectors, flags, _ = self.ENTRY.unpack_from(data, at)
            at += sector
            size = sectors * sector
            self.entries.append((place * sector, data[at : at + size], bool(flags & self.FLUSH)))
            at += size

    def cut(
        self, image: bytearray, end: int, how: str, chance: random.Random, flush_works: bool = True
    ) -> tuple[bytearray, int]:
        """The disk when power fails at entry (end), and how many flushes had succeeded.

        Everything before the last flush is there, if (flush_works). Of the rest it is, by (how):
        "order" all, "torn" all but a part of the last write, "subset" any part, sector by sector.
        """
        flushes = [i for i in range(end) if self.entries[i][2]]
        last = flushes[-1] if flushes and flush_works else 0
        image = bytearray(image)
        for index in range(end):
            place, data, _ = self.entries[index]
            torn = how == "torn" and index == end - 1
            for at in range(0, len(data), 512):
                lost = torn or how == "subset"
                if index < last or not lost or chance.random() < 0.5:
                    image[place + at : place + at + 512] = data[at : at + 512]
        return image, len(flushes)


def records(image: bytearray) -> int:
    """Records in a littlefs image; raises if it does not mount or one in between is missing."""
    context = UserContext(len(image))
    context.buffer = image
    fs = LittleFS(context=context, block_size=BLOCK, block_count=len(image) // BLOCK)
    following = None
    if "logs" not in fs.listdir("/"):
        return 0
    for name in fs.listdir("/logs"):
        with fs.open(f"/logs/{name}", "rb") as file:
            lines = file.read().decode().split("\n")
        for line in lines[:-1]:
            n = int(line.split(" ")[0])
            assert following is None or n == following
            following = n + 1
    return following or 0


def write_log(boot: Boot, image: Path, make_disk: MakeDisk, lies: str = "") -> tuple:
    """Write RECORDS; returns the empty disk, the log of its writes, and what was promised."""
    start = disk_images.littlefs(MIB)
    disk = make_disk(image=start)
    log = make_disk(0)
    drive = f"driver=blklogwrites,node-name=log,file.driver=file,file.filename={disk}"
    options = ["-blockdev", f"{drive},log.driver=file,log.filename={log},log-sector-size=512"]
    options += ["-device", "virtio-blk-device,drive=log"]
    guest = boot(image, append=f"-- {lies}", extra=tuple(options))
    for _ in range(RECORDS):
        guest.expect(r"ack \d+ \d+\r\n")
    guest.qmp.command("quit")
    guest.process.wait(timeout=60)
    promises = acknowledged(guest.log_text())
    guest.close()
    return start, WriteLog(log), promises


def unsound_states(
    start: bytearray, written: WriteLog, promises: list, flush_works: bool = True
) -> tuple[int, int]:
    """Of the states after a cut, how many lose a promised record or do not mount; and of how many.

    STATES cuts in each way, spread over the log; 0 stands for each entry of it.
    """
    chance = random.Random(9)
    bad = total = 0
    count = len(written.entries)
    for number in range(STATES or count):
        end = 1 + number * (count - 1) // max((STATES or count) - 1, 1)
        for how in ("order", "torn", "subset"):
            image, flushes = written.cut(start, end, how, chance, flush_works)
            promised = max([n for n, f in promises if f <= flushes], default=0)
            total += 1
            try:
                bad += records(image) < promised
            except (AssertionError, LittleFSError, ValueError):
                bad += 1
    return bad, total


@pytest.mark.timeout(600)
def test_every_state_that_a_power_cut_may_leave_is_sound(
    boot: Boot, build_image, make_disk: MakeDisk
) -> None:
    start, written, promises = write_log(boot, build_image(WRITER), make_disk)
    assert len([1 for entry in written.entries if entry[2]]) >= promises[-1][1]
    bad, total = unsound_states(start, written, promises)
    assert (bad, total >= 3 * STATES) == (0, True), f"{bad} of {total} states"
    # The controls: if the device's flush does nothing, records are lost, and it is seen.
    bad, total = unsound_states(start, written, promises, flush_works=False)
    assert bad > total // 4, f"{bad} of {total} states"


def test_program_that_does_not_flush_fails_the_same_check(
    boot: Boot, build_image, make_disk: MakeDisk
) -> None:
    start, written, promises = write_log(boot, build_image(WRITER), make_disk, "lies")
    # It acknowledges what is in its memory only.
    bad, total = unsound_states(start, written, promises)
    assert bad > total // 4, f"{bad} of {total} states"
