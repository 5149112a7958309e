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
RECORDS = 400  # in one file

# Appends records for ever and says so after each; first checks those of the boots before.
WRITER = f"""
import os
from machine import Disk
{RECORDS=}

def recover():
    names = sorted((int(n[3:]) for n in os.listdir("/") if n.startswith("log")))
    following = None
    for name in names:
        with open(f"/log{{name}}") as f:
            lines = f.read().split("\\n")
        for line in lines[:-1]:
            n, text = line.split(" ")
            assert text == "x" * (int(n) % 90), line
            assert following is None or int(n) == following, (n, following)
            following = int(n) + 1
        if lines[-1]:
            # Half a record, which nobody was told of: make the file end before it.
            with open("/part", "w") as f:
                f.write("\\n".join(lines[:-1]) + "\\n" if lines[:-1] else "")
            os.rename("/part", f"/log{{name}}")
    return following or 0

n = recover()
print("have", n)
while True:
    f = open(f"/log{{n // RECORDS}}", "a")
    old = f"/log{{n // RECORDS - 3}}"
    try:
        os.remove(old)
    except OSError:
        pass
    while True:
        f.write(f"{{n}} {{'x' * (n % 90)}}\\n")
        f.flush()
        os.sync()
        n += 1
        print("ack", n, Disk(0).stats().flushes)
        if n % RECORDS == 0:
            break
    f.close()
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
    disk = make_disk(image=disk_images.littlefs(4 * MIB) if filesystem == "littlefs" else b"")
    if filesystem == "fat":
        maker = boot(repl_image, extra=attach(disk))
        maker.prompt()
        maker.exec("import vfs, machine; vfs.VfsFat.mkfs(machine.Disk(0, block_size=512))")
        maker.close()
    chance = random.Random(5)
    promised = 0
    for _ in range(CUTS):
        guest = boot(image, extra=attach(disk))
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
    names = sorted((n for n in fs.listdir("/") if n.startswith("log")), key=lambda n: int(n[3:]))
    for name in names:
        with fs.open(name, "rb") as file:
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
    for _ in range(RECORDS + 50):
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
