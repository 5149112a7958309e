# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""machine.Disk, mounting, and what the host then finds on the disk."""

from __future__ import annotations

from pathlib import Path

import disk_images
import pytest
from guest import Boot, Guest
from littlefs import LittleFS, UserContext

from .conftest import MIB, MakeDisk, attach

FORMAT = "import vfs, os, machine; d = machine.Disk(0); vfs.VfsLfs2.mkfs(d); vfs.mount(d, '/d')"


def host_files(path: Path, block_size: int = 4096) -> dict[str, bytes]:
    """The files at the top of a littlefs image, read by the host's library."""
    context = UserContext(path.stat().st_size)
    context.buffer = bytearray(path.read_bytes())
    fs = LittleFS(
        context=context, block_size=block_size, block_count=len(context.buffer) // block_size
    )
    files = {}
    for name in fs.listdir("/"):
        with fs.open(name, "rb") as file:
            files[name] = file.read()
    return files


def flushes(guest: Guest) -> int:
    """How often the guest's flush reached the host's file, as QEMU counts it."""
    (stats,) = [s for s in guest.qmp.command("query-blockstats") if s["qdev"].find("blk0") >= 0]
    return stats["stats"]["flush_operations"]


@pytest.mark.parametrize("kind", ["pc", "q35", "microvm", "microvm,pcie=on"])
def test_files_are_there_after_the_next_boot(
    boot: Boot, repl_image: Path, make_disk: MakeDisk, kind: str
) -> None:
    disk = make_disk()
    content = "data = bytes(range(256)) * 300"
    first = boot(repl_image, machine=kind, extra=attach(disk, machine=kind))
    first.prompt()
    first.exec(f"{FORMAT}; {content}; f = open('/d/a', 'wb'); f.write(data); f.close()")
    first.exec("machine.Disk(0).stats().interrupts > 0 or 1 / 0")
    first.close()  # no power-off, no sync: close() of the file must be enough
    second = boot(repl_image, machine=kind, extra=attach(disk, machine=kind))
    second.prompt()
    assert second.exec(f"{content}; print(open('/a', 'rb').read() == data)") == "True\n"
    second.at_prompt = True
    assert host_files(disk) == {"a": bytes(range(256)) * 300}


@pytest.mark.parametrize("filesystem", ["VfsLfs2", "VfsFat"])
def test_flush_and_sync_reach_the_host(
    boot: Boot, repl_image: Path, make_disk: MakeDisk, filesystem: str
) -> None:
    guest = boot(repl_image, extra=attach(make_disk(), device=""))
    guest.prompt()
    guest.exec(FORMAT.replace("VfsLfs2", filesystem) + "; f = open('/d/a', 'w')")
    before = flushes(guest)
    guest.exec("f.write('x' * 1000)")
    assert flushes(guest) == before
    guest.exec("f.flush(); os.sync()")
    after = flushes(guest)
    assert after > before
    guest.exec("f.write('y' * 1000); f.close()")
    assert flushes(guest) > after
    guest.at_prompt = True


def test_sync_covers_what_was_written_past_the_file_systems(
    boot: Boot, repl_image: Path, make_disk: MakeDisk
) -> None:
    disk = make_disk()
    guest = boot(repl_image, extra=attach(disk))
    guest.prompt()
    guest.exec("import os, machine; d = machine.Disk(0); d.writeblocks(3, b'raw', 100); os.sync()")
    guest.close()
    assert disk.read_bytes()[3 * 4096 + 100 :][:3] == b"raw"


def test_power_off_keeps_what_is_in_open_files(
    boot: Boot, build_image, littlefs_disk: Path
) -> None:
    guest = boot(
        build_image("f = open('/log', 'w')\nf.write('kept')\n"), extra=attach(littlefs_disk)
    )
    guest.expect_exit(0)
    assert host_files(littlefs_disk)["log"] == b"kept"


@pytest.mark.parametrize("block", [512, 4096])
def test_physical_blocks_of_any_size(
    boot: Boot, repl_image: Path, make_disk: MakeDisk, block: int
) -> None:
    options = f",logical_block_size={block},physical_block_size={block}"
    guest = boot(repl_image, extra=attach(make_disk(), device=options))
    guest.prompt()
    guest.exec(f"{FORMAT}; assert d.info().sector_size == {block}")
    assert guest.exec("print(d.info().filesystem)") == "littlefs\n"
    guest.exec("f = open('/d/a', 'w'); f.write('x' * 5000); f.close()")
    guest.exec("b = bytearray(10); assert d.writeblocks(9, b'odd', 77) == 0")
    guest.exec("d.readblocks(9, b, 76); assert bytes(b[1:4]) == b'odd'")
    guest.exec("assert open('/d/a').read() == 'x' * 5000")
    guest.at_prompt = True


def test_several_disks_and_the_names_of_their_mounts(
    boot: Boot, repl_image: Path, make_disk: MakeDisk
) -> None:
    one = make_disk(image=disk_images.littlefs(MIB, {"one": b"1"}))
    blank = make_disk()
    two = make_disk(image=disk_images.littlefs(MIB, {"two": b"2"}, block_size=512))
    guest = boot(repl_image, extra=attach(one, blank, two))
    guest.prompt()
    guest.exec("import os")
    assert guest.exec("print(open('/one').read())") == "1\n"
    assert guest.exec("print(open('/disk2/two').read())") == "2\n"
    assert guest.exec("print([d.info().filesystem for d in os.disks()])") == (
        "['littlefs', None, 'littlefs']\n"
    )
    assert guest.exec("print('disk1' in os.listdir('/'))") == "False\n"
    guest.at_prompt = True


@pytest.mark.parametrize("table", ["mbr", "gpt"])
def test_file_system_in_a_partition_is_mounted(
    boot: Boot, repl_image: Path, make_disk: MakeDisk, table: str
) -> None:
    content = disk_images.littlefs(MIB, {"inside": b"yes"})
    if table == "mbr":
        image = disk_images.mbr(4 * MIB, [(0x0C, 64, 1000), (0x83, 2048, 2048)])
    else:
        image = disk_images.gpt(4 * MIB, [("empty", 64, 127), ("data", 2048, 4095)])
    image[2048 * 512 : 2048 * 512 + len(content)] = content
    guest = boot(repl_image, extra=attach(make_disk(image=image)))
    guest.prompt()
    assert guest.exec("print(open('/inside').read())") == "yes\n"
    assert (
        guest.exec(
            "import machine; p = machine.Disk(0).partitions(); print([tuple(x[:3]) for x in p])"
        )
        == str([(1, 64 * 512, (1000 if table == "mbr" else 64) * 512), (2, MIB, MIB)]) + "\n"
    )
    with pytest.raises(Exception, match="ENODEV"):
        guest.exec("machine.Disk(0, 3)")
    guest.at_prompt = True


def test_read_only_disk(boot: Boot, repl_image: Path, littlefs_disk: Path) -> None:
    guest = boot(repl_image, extra=attach(littlefs_disk, drive=",readonly=on"))
    guest.prompt()
    assert guest.exec("print(open('/hello.txt').read())") == "hello\n\n"
    with pytest.raises(Exception, match="EROFS"):
        guest.exec("open('/new', 'w').close()")
    guest.exec("import machine; assert machine.Disk(0).writeblocks(0, b'x', 0) == -30")
    guest.at_prompt = True


@pytest.mark.parametrize("filesystem", ["VfsLfs2", "VfsFat"])
def test_full_disk(boot: Boot, repl_image: Path, make_disk: MakeDisk, filesystem: str) -> None:
    guest = boot(repl_image, extra=attach(make_disk(MIB)))
    guest.prompt()
    guest.exec(FORMAT.replace("VfsLfs2", filesystem).replace("Disk(0)", "Disk(0, block_size=512)"))
    guest.exec("f = open('/d/keep', 'w'); f.write('keep'); f.close()")
    with pytest.raises(Exception, match="ENOSPC"):
        guest.exec("f = open('/d/fill', 'wb')\nwhile True: f.write(bytes(10000))")
    with pytest.raises(Exception, match=r"ENOSPC|^$"):
        guest.exec("f.close(); raise OSError('ENOSPC')")
    guest.exec("os.remove('/d/fill'); f = open('/d/b', 'wb'); f.write(bytes(100000)); f.close()")
    assert guest.exec("print(open('/d/keep').read())") == "keep\n"
    guest.at_prompt = True


@pytest.mark.parametrize("size", [0, 512, 4096])
def test_disk_that_is_too_small(
    boot: Boot, repl_image: Path, make_disk: MakeDisk, size: int
) -> None:
    guest = boot(repl_image, extra=attach(make_disk(size)))
    guest.prompt()
    guest.exec("import vfs, machine; d = machine.Disk(0); print(d, d.partitions())")
    with pytest.raises(Exception, match="OSError"):
        guest.exec("vfs.VfsLfs2.mkfs(d); vfs.mount(d, '/d')")
    guest.exec("assert d.readblocks(1 << 40, bytearray(1)) == -22")
    guest.exec("assert d.readblocks(-1, bytearray(1)) == -22")
    guest.at_prompt = True


def test_discard_frees_the_host_s_space(boot: Boot, repl_image: Path, make_disk: MakeDisk) -> None:
    disk = make_disk(image=b"x" * MIB)
    guest = boot(repl_image, extra=attach(disk, drive=",discard=unmap"))
    guest.prompt()
    guest.exec("import machine; d = machine.Disk(0); d.writeblocks(0, b'y' * 4096)")
    guest.exec("d.discard(0, 200); b = bytearray(4096); d.readblocks(0, b); assert not any(b)")
    guest.exec("d.readblocks(255, b); assert bytes(b) == b'x' * 4096")
    guest.exec("d.sync()")
    guest.close()
    assert disk.read_bytes()[: 200 * 4096] == bytes(200 * 4096)


def test_serial_number(boot: Boot, repl_image: Path, make_disk: MakeDisk) -> None:
    guest = boot(repl_image, extra=attach(make_disk(), device=",serial=data-7"))
    guest.prompt()
    assert guest.exec("import machine; print(machine.Disk(0).serial())") == "b'data-7'\n"
    guest.at_prompt = True


def test_grown_disk_still_mounts(boot: Boot, repl_image: Path, littlefs_disk: Path) -> None:
    with littlefs_disk.open("r+b") as file:
        file.truncate(8 * MIB)
    guest = boot(repl_image, extra=attach(littlefs_disk))
    guest.prompt()
    assert guest.exec("print(open('/hello.txt').read())") == "hello\n\n"
    guest.at_prompt = True


def test_app_of_the_image_goes_before_files_of_the_disk(
    boot: Boot, build_image, make_disk: MakeDisk
) -> None:
    files = {
        "main.py": b"print('disk')",
        "boot.py": b"print('disk boot')",
        "json.py": b"print('disk json')",
        "helper.py": b"name = 'disk helper'",
    }
    disk = make_disk(image=disk_images.littlefs(MIB, files))
    image = build_image("print('image')\nimport json\nprint(open('/main.py').read())")
    guest = boot(image, extra=attach(disk))
    guest.expect_exit(0)
    assert guest.log_text().split() == ["image", "print('disk')"]
    guest = boot(image, extra=attach(disk), append="override=yes")
    guest.expect_exit(0)
    assert guest.log_text().split() == ["disk", "boot", "disk"]


@pytest.mark.parametrize(
    ("option", "printed"),
    [("--override", "disk boot disk"), ("--no-override", "image")],
)
def test_image_says_whether_the_disk_may_take_its_place(
    boot: Boot, build_image, make_disk: MakeDisk, option: str, printed: str
) -> None:
    files = {"main.py": b"print('disk')", "boot.py": b"print('disk boot')"}
    disk = make_disk(image=disk_images.littlefs(MIB, files))
    guest = boot(build_image("print('image')", option), extra=attach(disk))
    guest.expect_exit(0)
    assert guest.log_text().split() == printed.split()
    # What the host says at the start goes before what the image says.
    other = "no" if option == "--override" else "yes"
    guest = boot(
        build_image("print('image')", option), append=f"override={other}", extra=attach(disk)
    )
    guest.expect_exit(0)
    assert ("image" in guest.log_text()) == (option == "--override")


def test_disk_survives_a_soft_reset(boot: Boot, repl_image: Path, littlefs_disk: Path) -> None:
    guest = boot(repl_image, extra=attach(littlefs_disk))
    guest.prompt()
    guest.exec("f = open('/a', 'w'); f.write('before')")
    guest.send("\x04")
    guest.prompt()
    assert guest.exec("print(open('/a').read())") == "before\n"
    guest.at_prompt = True


def test_smallest_machine_has_disks_too(boot: Boot, repl_image: Path, littlefs_disk: Path) -> None:
    guest = boot(repl_image, megabytes=4, extra=attach(littlefs_disk))
    guest.prompt()
    guest.exec("import machine; assert machine.Disk(0).info().memory < 80000")
    guest.exec("f = open('/a', 'w'); f.write('x' * 200000); f.close()")
    guest.exec("assert len(open('/a').read()) == 200000")
    guest.at_prompt = True


def test_names_on_fat_may_have_any_letter(
    boot: Boot, repl_image: Path, make_disk: MakeDisk
) -> None:
    guest = boot(repl_image, extra=attach(make_disk()))
    guest.prompt()
    guest.exec(FORMAT.replace("VfsLfs2", "VfsFat").replace("Disk(0)", "Disk(0, block_size=512)"))
    guest.exec("name = '/d/gr\\u00f6\\u00dfe \\u65e5\\u672c.txt'; f = open(name, 'w'); f.close()")
    guest.exec("assert os.listdir('/d') == [name[3:]], os.listdir('/d'); os.remove(name)")
    guest.exec("long = '/d/' + '\\u65e5' * 200; open(long, 'w').close()")
    guest.exec("assert os.listdir('/d') == [long[3:]]")
    guest.at_prompt = True
