# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Writes into the middle of a file: littlefs keeps them in memory until the flush."""

from __future__ import annotations

import random
import re
from pathlib import Path

import disk_images
import pytest
from guest import Boot
from littlefs import LittleFS, UserContext

from .conftest import MIB, MakeDisk, attach
from .test_power_cut import BLOCK, WriteLog

# Random operations on a file beside the same ones on a bytearray.
MODEL = """
import os, random, sys

def check(right, *what):
    if not right:
        print("WRONG", *what)
        sys.exit(1)

SIZE = int(sys.argv[1])
model = bytearray(os.urandom(1000) * (SIZE // 1000))
with open("/f", "wb") as f:
    f.write(model)
for seed in range(int(sys.argv[2])):
    random.seed(seed)
    f = open("/f", "r+b")
    pos = 0
    for n in range(200):
        what = random.randrange(20)
        if what < 6:
            pos = random.choice((random.randrange(len(model) + 1), len(model) // 8192 * 4096))
            check(f.seek(pos) == pos, "seek", seed, n)
        elif what < 13:
            size = random.choice((1, 10, 4096, random.randrange(9000), random.randrange(100)))
            if what == 12 and random.randrange(8) == 0:
                size = random.randrange(100000)
            data = os.urandom(size)
            check(f.write(data) == size, "write", seed, n)
            model[pos:pos + size] = data
            pos += size
        elif what < 18:
            size = random.choice((1, 10, 4096, random.randrange(20000)))
            data = f.read(size)
            check(data == bytes(model[pos:pos + size]), "read", seed, n, pos, size)
            pos += len(data)
        elif what == 18:
            f.flush()
        else:
            pos = f.seek(-random.randrange(100), 2)
        check(f.tell() == pos, "tell", seed, n)
    f.close()
    if len(model) > 3 * SIZE:
        model = model[:SIZE]
        with open("/f", "wb") as f:
            f.write(model)
    with open("/f", "rb") as f:
        check(f.read() == model, "contents", seed)
print("GOOD")
"""


@pytest.mark.parametrize("filesystem", ["littlefs", "fat"])
def test_file_never_differs_from_an_array(
    boot: Boot, build_image, tmp_path: Path, filesystem: str
) -> None:
    from importos import disk as images

    path = tmp_path / "disk.img"
    images.create(path, 16 * MIB, filesystem)
    guest = boot(build_image(MODEL), append="-- 300000 12", extra=attach(path))
    guest.expect(r"GOOD\r\n", timeout=60)
    guest.expect_exit(0)


def test_file_never_differs_where_memory_is_short(
    boot: Boot, build_image, make_disk: MakeDisk
) -> None:
    disk = make_disk(image=disk_images.littlefs(4 * MIB))
    guest = boot(build_image(MODEL), append="-- 60000 8", megabytes=4, extra=attach(disk))
    guest.expect(r"GOOD\r\n", timeout=60)
    guest.expect_exit(0)


PAGES = "f = open('/f', 'r+b')\nfor n in range(0, 60, 3): f.seek(n * 4096); f.write(b'new!' * 500)"
FILE = {"f": b"old!" * 61440}  # 60 pages


def test_changes_are_written_at_the_flush_and_not_before(
    boot: Boot, repl_image: Path, make_disk: MakeDisk
) -> None:
    guest = boot(repl_image, extra=attach(make_disk(image=disk_images.littlefs(MIB, FILE))))
    guest.prompt()
    guest.exec("import machine; d = machine.Disk(0); before = d.stats().write_bytes")
    guest.exec(PAGES)
    guest.exec("d.sync(); assert d.stats().write_bytes == before")
    guest.exec("f.seek(3 * 4096 + 1996); assert f.read(8) == b'new!old!', 1")
    guest.exec("assert open('/f', 'rb').read() == b'old!' * 61440")  # as littlefs has it
    guest.exec("f.flush(); assert d.stats().write_bytes - before < 600000")
    guest.exec("g = open('/f', 'rb'); g.seek(3 * 4096 + 1996); assert g.read(8) == b'new!old!'")
    guest.at_prompt = True


def test_flush_tells_that_the_disk_is_full_and_the_file_stays(
    boot: Boot, repl_image: Path, make_disk: MakeDisk
) -> None:
    # The file is more than half of the disk: there is no room for the new one beside the old.
    disk = make_disk(image=disk_images.littlefs(MIB // 2, {"f": b"old!" * 61440 + b"x" * 60000}))
    guest = boot(repl_image, extra=attach(disk))
    guest.prompt()
    guest.exec(PAGES)
    with pytest.raises(Exception, match="ENOSPC"):
        guest.exec("f.flush()")
    guest.exec("f.close(); assert open('/f', 'rb').read(245760) == b'old!' * 61440")
    guest.at_prompt = True


def test_dropped_file_and_power_off_keep_changes(
    boot: Boot, build_image, make_disk: MakeDisk
) -> None:
    disk = make_disk(MIB, disk_images.littlefs(MIB, FILE))
    guest = boot(build_image(PAGES + "\n"), extra=attach(disk))
    guest.expect_exit(0)
    assert contents(disk.read_bytes(), "f")[3 * 4096 + 1996 :][:8] == b"new!old!"


def contents(image: bytes, name: str) -> bytes:
    """A file of a littlefs image, read by the host's library."""
    context = UserContext(len(image))
    context.buffer = bytearray(image)
    fs = LittleFS(context=context, block_size=BLOCK, block_count=len(image) // BLOCK)
    with fs.open(name, "rb") as file:
        return file.read()


# Each generation changes three of 16 pages, the same ones in model() below.
CHANGER = """
from machine import Disk
f = open("/f", "r+b")
for g in range(1, 41):
    for k in range(3):
        f.seek((g * 7 + k * 5) % 16 * 4096 + 100)
        f.write(bytes((g,)) * 50)
    f.flush()
    print("ack", g, Disk(0).stats().flushes)
"""


def model(generations: int) -> bytes:
    data = bytearray(16 * 4096)
    for g in range(1, generations + 1):
        for k in range(3):
            at = (g * 7 + k * 5) % 16 * 4096 + 100
            data[at : at + 50] = bytes((g,)) * 50
    return bytes(data)


def test_changes_are_there_together_after_a_power_cut(
    boot: Boot, build_image, make_disk: MakeDisk
) -> None:
    start = disk_images.littlefs(MIB, {"f": model(0)})
    disk, log = make_disk(MIB, start), make_disk(0)
    drive = f"driver=blklogwrites,node-name=log,file.driver=file,file.filename={disk}"
    options = ["-blockdev", f"{drive},log.driver=file,log.filename={log},log-sector-size=512"]
    options += ["-device", "virtio-blk-device,drive=log"]
    guest = boot(build_image(CHANGER), extra=tuple(options))
    guest.expect_exit(0)
    promises = [(int(g), int(n)) for g, n in re.findall(r"ack (\d+) (\d+)", guest.log_text())]
    assert len(promises) == 40
    written, chance = WriteLog(log), random.Random(3)
    whole = {model(g): g for g in range(41)}
    lost = 0
    for number in range(120):
        end = 1 + number * (len(written.entries) - 1) // 119
        for how in ("order", "torn", "subset"):
            image, flushes = written.cut(start, end, how, chance)
            promised = max([g for g, n in promises if n <= flushes], default=0)
            found = whole.get(contents(image, "f"))
            assert found is not None and found >= promised, (number, how, found, promised)
            lost += found < 40
    assert lost > 100, "the cuts were at the end only"


def test_random_changes_of_a_large_file_cost_one_rewrite(
    boot: Boot, repl_image: Path, make_disk: MakeDisk
) -> None:
    guest = boot(repl_image, extra=attach(make_disk(image=disk_images.littlefs(8 * MIB))))
    guest.prompt()
    guest.exec("f = open('/f', 'wb'); f.write(bytes(2 << 20)); f.close()")
    guest.exec("import machine, random; d = machine.Disk(0); before = d.stats().write_bytes")
    guest.exec(
        "f = open('/f', 'r+b')\nfor n in range(200):\n"
        " f.seek(random.randrange(512) * 4096); f.write(b'x' * 10)\nf.close()"
    )
    assert int(guest.exec("print(d.stats().write_bytes - before)")) < 3 * MIB
    guest.at_prompt = True
