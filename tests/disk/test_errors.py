# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Disks that fail: errors that QEMU's blkdebug injects, disks that vanish, hang, or grow."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from guest import Boot, Guest, PythonError

from .conftest import MIB, MakeDisk, attach


def failing(disk: Path, *errors: str) -> tuple[str, ...]:
    """QEMU's options for a disk with (errors): "iotype=write,errno=5,once=on" for example."""
    node = f"driver=blkdebug,node-name=bad,image.driver=file,image.filename={disk}"
    for number, error in enumerate(errors):
        for item in ("event=none," + error).split(","):
            node += f",inject-error.{number}.{item}"
    device = "virtio-blk-device,drive=bad,id=blk0,rerror=report,werror=report"
    return ("-blockdev", node, "-device", device)


def start(boot: Boot, image: Path, options: tuple[str, ...]) -> Guest:
    guest = boot(image, extra=options)
    guest.prompt()
    return guest


def raises(guest: Guest, code: str, error: str, *, timeout: float = 60) -> None:
    with pytest.raises(PythonError, match=error):
        guest.exec(code, timeout=timeout)


def test_disk_that_cannot_be_read(boot: Boot, repl_image: Path, littlefs_disk: Path) -> None:
    guest = boot(repl_image, extra=failing(littlefs_disk, "iotype=read,errno=5"))
    before = guest.prompt()
    assert "disk0: cannot be mounted" in guest.log_text() + before
    guest.exec("import machine; d = machine.Disk(0); assert d.info().filesystem is None")
    guest.exec("assert d.readblocks(0, bytearray(100)) == -5; assert d.stats().errors > 0")
    raises(guest, "d.partitions()", "EIO")
    guest.exec("open('/on_the_ram_disk', 'w').close()")
    guest.at_prompt = True


def test_sector_that_cannot_be_read(boot: Boot, repl_image: Path, littlefs_disk: Path) -> None:
    first = start(boot, repl_image, attach(littlefs_disk))
    first.exec("f = open('/big', 'wb'); f.write(bytes(range(256)) * 1000); f.close()")
    first.exec("import machine, os; d = machine.Disk(0); b = bytearray(4096)")
    where = first.exec(
        "for n in range(900):\n d.readblocks(n, b)\n"
        " k = b[1000]\n if all(b[1000 + i] == (k + i) % 256 for i in range(256)): last = n\n"
        "print(last)"
    )
    first.close()
    sector = int(where) * 8 + 3
    guest = start(boot, repl_image, failing(littlefs_disk, f"iotype=read,errno=5,sector={sector}"))
    raises(guest, "f = open('/big', 'rb')\nwhile f.read(4096): pass", "EIO")
    assert guest.exec("print(open('/hello.txt').read())") == "hello\n\n"
    guest.at_prompt = True


def test_disk_that_cannot_be_written(boot: Boot, repl_image: Path, littlefs_disk: Path) -> None:
    guest = start(boot, repl_image, failing(littlefs_disk, "iotype=write,errno=5"))
    raises(guest, "f = open('/new', 'w'); f.write('x' * 10000); f.close()", "EIO")
    assert guest.exec("print(open('/hello.txt').read())") == "hello\n\n"
    raises(guest, "import os; os.sync()", "EIO")
    guest.send("import sys; sys.exit()\r")
    guest.expect("soft reboot")
    guest.prompt()
    guest.at_prompt = True


def test_disk_that_cannot_be_flushed(boot: Boot, repl_image: Path, littlefs_disk: Path) -> None:
    guest = start(boot, repl_image, failing(littlefs_disk, "iotype=flush,errno=5"))
    raises(guest, "f = open('/new', 'w'); f.write('x'); f.flush()", "EIO")
    raises(guest, "import os; os.sync()", "EIO")
    guest.at_prompt = True


def test_write_that_failed_once_is_tried_again(
    boot: Boot, repl_image: Path, littlefs_disk: Path
) -> None:
    guest = start(boot, repl_image, failing(littlefs_disk, "iotype=write,errno=5,once=on"))
    guest.exec("import os, machine; d = machine.Disk(0); d.writeblocks(900, b'kept', 8)")
    raises(guest, "os.sync()", "EIO")
    guest.exec("os.sync()")
    guest.close()
    assert littlefs_disk.read_bytes()[900 * 4096 + 8 :][:4] == b"kept"


def test_cache_full_of_what_cannot_be_written(
    boot: Boot, repl_image: Path, littlefs_disk: Path
) -> None:
    guest = start(boot, repl_image, failing(littlefs_disk, "iotype=write,errno=28"))
    guest.exec("import machine; d = machine.Disk(0); n = 0; b = b'x' * 4096")
    guest.exec("while d.writeblocks(500 + n, b) == 0: n += 1")
    assert 4 <= int(guest.exec("print(n)")) <= 128
    guest.exec("assert d.writeblocks(700, b) == -5; c = bytearray(4096)")
    guest.exec("assert d.readblocks(500, c) == 0 and c == b")
    guest.at_prompt = True


def test_disk_that_is_taken_away(boot: Boot, repl_image: Path, littlefs_disk: Path) -> None:
    guest = start(boot, repl_image, attach(littlefs_disk))
    guest.exec("import os; f = open('/new', 'w'); f.write('x' * 10)")
    guest.monitor("drive_del d0")
    raises(guest, "f.flush()", "OSError")
    raises(guest, "os.sync()", "OSError")
    guest.exec("import machine; print(machine.Disk(0).readblocks(999, bytearray(9)))")
    guest.at_prompt = True


def test_disk_that_hangs_is_reset(boot: Boot, repl_image: Path, littlefs_disk: Path) -> None:
    guest = start(boot, repl_image, attach(littlefs_disk, drive=",throttling.bps-write=1000000"))
    guest.qmp.command(
        "block_set_io_throttle",
        **dict.fromkeys(("bps", "bps_rd", "iops", "iops_rd", "iops_wr"), 0),
        id="blk0",
        bps_wr=1,
    )
    guest.exec("import os, machine; d = machine.Disk(0); d.writeblocks(900, b'once', 0)")
    # The first request passes, and throttles those that follow for hours.
    guest.exec("os.sync(); d.writeblocks(901, b'late', 0)")
    began = time.monotonic()
    raises(guest, "os.sync()", "ETIMEDOUT", timeout=90)
    assert 29 < time.monotonic() - began < 60
    guest.qmp.command(
        "block_set_io_throttle",
        **dict.fromkeys(("bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"), 0),
        id="blk0",
    )
    guest.exec("assert d.stats().resets == 1; os.sync()")
    assert guest.exec("print(open('/hello.txt').read())") == "hello\n\n"
    guest.close()
    assert littlefs_disk.read_bytes()[901 * 4096 :][:4] == b"late"


def test_disk_that_is_resized(boot: Boot, repl_image: Path, littlefs_disk: Path) -> None:
    guest = start(boot, repl_image, attach(littlefs_disk))
    guest.exec("import machine; d = machine.Disk(0); d.writeblocks(900, b'before', 0)")
    guest.qmp.command("block_resize", device="d0", size=8 * MIB)
    guest.exec(f"assert machine.Disk(0).info().size == {8 * MIB}")
    guest.exec("b = bytearray(6); d.readblocks(900, b); assert b == b'before'")
    guest.exec("assert machine.Disk(0, block_size=512).writeblocks(16000, bytes(512)) == 0")
    guest.at_prompt = True


def test_polled_where_interrupts_are_off(
    boot: Boot, repl_image: Path, littlefs_disk: Path
) -> None:
    guest = start(boot, repl_image, attach(littlefs_disk))
    guest.exec(
        "import machine\nd = machine.Disk(0)\nb = bytearray(4096)\nbefore = d.stats()\n"
        "state = machine.disable_irq()\n"
        "r = [d.readblocks(n, b) for n in range(300, 600, 20)]\n"
        "machine.enable_irq(state)\nafter = d.stats()\n"
        "assert not any(r) and after.interrupts == before.interrupts, (r, before, after)\n"
        "assert after.reads - before.reads == 15"
    )
    guest.at_prompt = True


EJECT = (
    0xAE08  # of QEMU's ACPI PCI hot-plug (docs/specs/acpi_pci_hotplug.rst): bit (n) is slot (n)
)


def test_disk_that_is_unplugged(boot: Boot, repl_image: Path, littlefs_disk: Path) -> None:
    guest = boot(
        repl_image, machine="pc", extra=attach(littlefs_disk, machine="pc", device=",addr=9")
    )
    guest.prompt()
    guest.exec("import machine, os; f = open('/new', 'w'); f.write('x' * 100); f.flush()")
    guest.qmp.command("device_del", id="blk0")
    # What waits for the guest's consent goes on working.
    guest.exec("f.write('y' * 100); f.flush()")
    guest.exec(f"machine.port32[{EJECT}] = 1 << 9")
    for _ in range(100):
        if any(event["event"] == "DEVICE_DELETED" for event in guest.qmp.events):
            break
        guest.exec("import time; time.sleep_ms(20)")
    else:
        pytest.fail("QEMU did not take the disk out")
    guest.exec("d = machine.Disk(0)\nb = bytearray(4096)")
    guest.exec("assert d.readblocks(900, b) < 0", timeout=90)
    raises(guest, "f.write('z' * 100); f.flush()", "OSError", timeout=90)
    raises(guest, "os.sync()", "OSError", timeout=90)
    assert guest.exec("print(machine.Disk(0).readblocks(901, b) < 0)") == "True\n"
    guest.at_prompt = True


def test_host_that_is_full(boot: Boot, repl_image: Path, littlefs_disk: Path) -> None:
    guest = start(boot, repl_image, failing(littlefs_disk, "iotype=write,errno=28"))
    raises(guest, "f = open('/new', 'w'); f.write('x' * 10000); f.close()", "EIO|ENOSPC")
    assert guest.exec("print(open('/hello.txt').read())") == "hello\n\n"
    raises(guest, "import os; os.sync()", "EIO|ENOSPC")
    guest.at_prompt = True


def test_disk_without_a_table_or_a_file_system(
    boot: Boot, repl_image: Path, make_disk: MakeDisk
) -> None:
    guest = start(boot, repl_image, attach(make_disk(image=bytes(range(256)) * 1000)))
    guest.exec("import machine, os, vfs; d = machine.Disk(0)")
    assert guest.exec("print(d.partitions(), d.info().filesystem)") == "[] None\n"
    raises(guest, "vfs.mount(d, '/d')", "ENODEV|ENOENT")
    guest.exec("b = bytearray(256); d.readblocks(0, b); assert b == bytes(range(256))")
    guest.at_prompt = True
