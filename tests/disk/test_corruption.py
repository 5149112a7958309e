# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""File systems damaged at random places: an OSError at worst, never a crash or a hang.

IMPORTOS_CORRUPTIONS sets the number of cases for each file system; 10,000 were made once.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import Boot

from .conftest import MIB, MakeDisk, attach

CASES = int(os.environ.get("IMPORTOS_CORRUPTIONS", "150"))
# A seed to begin with, for another ten thousand.
SEED = int(os.environ.get("IMPORTOS_SEED", "1"))

DAMAGE = """
import os, sys, vfs, random, gc
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
    for entry in list(os.ilistdir(path))[:100]:
        inner = path + "/" + entry[0]
        try:
            os.stat(inner)
            if entry[1] == 0x4000:
                if depth < 5:
                    walk(inner, depth + 1)
            else:
                with open(inner, "rb") as f:
                    for _ in range(100):
                        if not f.read(1000):
                            break
        except OSError:
            pass

def use():
    walk("/d")
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

failed = 0
for case in range(seed, seed + cases):
    random.seed(case)
    disk.writeblocks(0, sound)
    spoil()
    if case % 10 == 0:
        print("case", case)
    try:
        vfs.mount(make(disk), "/d")
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
print("done", cases, failed)
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
        guest.expect(r"case \d+\r\n|done \d+ (\d+)\r\n", timeout=60)
        if guest.match[1]:
            break
    # A harness that damages nothing would find nothing.
    assert int(guest.match[1]) > CASES // 20
    guest.expect_exit(0)
