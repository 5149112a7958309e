# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""What was acknowledged survives: QEMU killed at random moments, and every state that a disk may
be left in by a power cut, which the host's log of writes tells.

IMPORTOS_POWER_CUTS sets how many times QEMU is killed; 300 were made before a release.
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
from conftest import Boot
from littlefs import LittleFS, UserContext

from .conftest import MIB, MakeDisk, attach

CUTS = int(os.environ.get("IMPORTOS_POWER_CUTS", "10"))
BLOCK = 4096
RECORDS = 450  # for the test that needs them in one file

# Appends records for ever and says so after each; first checks those of the boots before. Every
# boot has a file of its own. Behind the last record that was acknowledged littlefs has nothing;
# FAT, which writes the length and the contents in any order, may have anything.
WRITER = """
import os, sys
from machine import Disk

littlefs = "fat" not in sys.argv

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
print("have", n)
with open("/logs/%d" % len(names), "wb") as f:
    while True:
        f.write(b"%d %s\\n" % (n, b"x" * (n % 90)))
        f.flush()
        os.sync()
        n += 1
        print("ack", n, Disk(0).stats().flushes)
        if littlefs and n % 10 == 0:
            with open("/part", "w") as part:
                part.write("%d %s" % (n, "x" * 5000))
            os.rename("/part", "/latest")
"""


def acknowledged(text: str) -> list[tuple[int, int]]:
    """(records, flushes) of each whole line that told of a record."""
    return [(int(n), int(f)) for n, f in re.findall(r"ack (\d+) (\d+)\r?\n", text)]


@pytest.mark.parametrize("filesystem", ["littlefs", "fat"])
@pytest.mark.timeout(60 + 10 * CUTS)
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
        guest.expect(r"have (\d+)\r\n")
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

    def cut(self, image: bytearray, end: int, chance: random.Random) -> tuple[bytearray, int]:
        """The disk when power fails at entry (end), and how many flushes had succeeded.

        Everything before the last flush is there; of the rest, any part, sector by sector.
        """
        flushes = [i for i in range(end) if self.entries[i][2]]
        last = flushes[-1] if flushes else 0
        image = bytearray(image)
        for index in range(end):
            place, data, _ = self.entries[index]
            for at in range(0, len(data), 512):
                if index < last or chance.random() < 0.5:
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


def test_every_state_that_a_power_cut_may_leave_is_sound(
    boot: Boot, build_image, make_disk: MakeDisk, tmp_path: Path
) -> None:
    start = disk_images.littlefs(MIB)
    disk = make_disk(image=start)
    log = make_disk(0)
    drive = f"driver=blklogwrites,node-name=log,file.driver=file,file.filename={disk}"
    options = ["-blockdev", f"{drive},log.driver=file,log.filename={log},log-sector-size=512"]
    options += ["-device", "virtio-blk-device,drive=log"]
    guest = boot(build_image(WRITER), extra=tuple(options))
    for _ in range(RECORDS):
        guest.expect(r"ack \d+ \d+\r\n")
    guest.qmp.command("quit")
    guest.process.wait(timeout=60)
    promises = acknowledged(guest.log_text())
    guest.close()
    written = WriteLog(log)
    chance = random.Random(9)
    assert len([1 for entry in written.entries if entry[2]]) >= promises[-1][1]
    for _ in range(150):
        image, flushes = written.cut(start, chance.randrange(len(written.entries)), chance)
        promised = max([n for n, f in promises if f <= flushes], default=0)
        assert records(image) >= promised
