# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""File systems damaged at random places: an OSError at worst, never a crash or a hang.

IMPORTOS_CORRUPTIONS sets the number of cases for each file system; 10,000 were made once.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from guest import Boot, PythonError

from importos import disk as images

from .conftest import MIB, MakeDisk, attach

CASES = int(os.environ.get("IMPORTOS_CORRUPTIONS", "150"))
# A seed to begin with, for another ten thousand.
SEED = int(os.environ.get("IMPORTOS_SEED", "1"))

DAMAGE = """
import binascii, os, sys, vfs, random, gc
from machine import Disk

kind, cases, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
block = 512
disk = Disk(0, block_size=block)
make = vfs.VfsFat if kind == "fat" else vfs.VfsLfs2
make.mkfs(disk)
vfs.mount(make(disk), "/d")
for name in ("a", "dir", "dir/sub"):
    os.mkdir("/d/" + name)
for i in range(20):
    with open("/d/dir/file%d with a long name.txt" % i, "w") as f:
        f.write("content " * (i * i * 3))
for i in range(0, 20, 3):
    os.remove("/d/dir/file%d with a long name.txt" % i)
with open("/d/a/big", "wb") as f:
    f.write(bytes(40000))
os.rename("/d/a/big", "/d/dir/sub/bigger")
vfs.umount("/d")
size = disk.ioctl(4, 0) * block
sound = bytearray(size)
disk.readblocks(0, sound)
used = [i for i in range(0, size, block) if any(sound[i:i + block])]

def walk(path, depth=0):
    global seen
    for entry in list(os.ilistdir(path))[:100]:
        inner = path + "/" + entry[0]
        seen = binascii.crc32(inner, seen)
        try:
            os.stat(inner)
            if entry[1] == 0x4000:
                if depth < 5:
                    walk(inner, depth + 1)
            else:
                with open(inner, "rb") as f:
                    for _ in range(100):
                        data = f.read(1000)
                        seen = binascii.crc32(data, seen)
                        if not data:
                            break
        except OSError:
            seen += 1

def use():
    os.statvfs("/d")
    for action in (
        lambda: open("/d/new", "w").close(),
        lambda: os.mkdir("/d/newdir"),
        lambda: os.rename("/d/dir", "/d/newdir/dir"),
        lambda: os.remove("/d/dir/sub/bigger"),
    ):
        try:
            action()
        except OSError:
            pass
    with open("/d/x", "w") as f:
        f.write("more" * 1000)

def spoil():
    for _ in range(random.choice((1, 1, 2, 5, 30))):
        at = random.choice(used) + random.randrange(block)
        if random.randrange(3) == 0:
            at = random.choice(used[:8]) + random.randrange(64)
        new = random.choice((0, 0xff, 1, 0x7f, 0x80, random.getrandbits(8)))
        disk.writeblocks(0, bytes((new,)), at)

def look():
    global seen
    seen = 0
    walk("/d")
    return seen

vfs.mount(make(disk), "/d")
right = look()
vfs.umount("/d")
failed = differing = 0
for case in range(seed, seed + cases):
    random.seed(case)
    disk.writeblocks(0, sound)
    spoil()
    if case % 10 == 0:
        print("case", case)
    try:
        vfs.mount(make(disk), "/d")
        differing += look() != right
        use()
    except OSError:
        failed += 1
    except Exception as e:
        print("case", case, "gives", repr(e))
        sys.print_exception(e)
        sys.exit(1)
    try:
        vfs.umount("/d")
    except OSError:
        pass
    gc.collect()
print("done", failed, differing)
"""


@pytest.mark.parametrize("kind", ["littlefs", "fat"])
@pytest.mark.timeout(120 + CASES)
def test_damaged_file_systems_give_an_error_at_worst(
    boot: Boot, build_image, make_disk: MakeDisk, kind: str
) -> None:
    image: Path = build_image(DAMAGE)
    options = f"on-crash=poweroff -- {kind} {CASES} {SEED}"
    guest = boot(image, append=options, extra=attach(make_disk(MIB // 4)))
    while True:
        guest.expect(r"case \d+\r\n|done (\d+) (\d+)\r\n", timeout=60)
        if guest.match[1]:
            break
    # A harness that damages nothing would find nothing: the files are as before, all can be used.
    failed, differing = int(guest.match[1]), int(guest.match[2])
    assert failed > 0
    assert differing > CASES // 2
    guest.expect_exit(0)


def run_in_a_circle(path: Path, folder: bytes) -> int:
    """Link the last cluster of a FAT16 folder to its first; returns how many entries it has."""
    data = bytearray(path.read_bytes())
    sector, cluster, reserved, fats, entries = struct.unpack_from("<HBHBH", data, 11)
    fat, size = reserved * sector, struct.unpack_from("<H", data, 22)[0] * sector
    root = fat + fats * size
    (at,) = [i for i in range(root, root + 32 * entries, 32) if data[i : i + 11] == folder]
    first = struct.unpack_from("<H", data, at + 26)[0]
    chain = [first]
    while (following := struct.unpack_from("<H", data, fat + 2 * chain[-1])[0]) < 0xFFF0:
        chain.append(following)
    for number in range(fats):
        struct.pack_into("<H", data, fat + number * size + 2 * chain[-1], first)
    # Behind its last entry stand deleted ones, where an unused one would end it.
    last = root + 32 * entries + (chain[-1] - 2) * cluster * sector
    for at in range(last, last + cluster * sector, 32):
        data[at] = data[at] or 0xE5
    path.write_bytes(data)
    return len(chain) * cluster * sector // 32


def test_folder_that_runs_in_a_circle_is_an_error(
    boot: Boot, repl_image: Path, tmp_path: Path
) -> None:
    path = tmp_path / "disk.img"
    images.create(path, 32 << 20, "fat")
    with images.open_disk(path, write=True) as files:
        files.make_folder("/loop")
        for number in range(300):
            files.write(f"/loop/{number}", b"")
    entries = run_in_a_circle(path, b"LOOP       ")
    guest = boot(repl_image, extra=attach(path))
    guest.prompt()
    guest.exec("import os; found = 0; names = os.ilistdir('/loop')")
    guest.exec("for entry in names: found += 1")  # which ends without a word at an error
    assert 300 <= int(guest.exec("print(found)")) <= 2 * entries
    for code in ("open('/loop/none')", "open('/loop/new', 'w')", "os.stat('/loop/none')"):
        with pytest.raises(PythonError, match="EIO"):
            guest.exec(code)
    guest.exec("open('/loop/7').close(); open('/beside', 'w').close()")
    guest.at_prompt = True
