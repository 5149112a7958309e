# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""`importos disk`, and how disks and shares get onto QEMU's command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from importos import cli_types, disk, qemu
from importos.errors import ImageError

MIB = 1 << 20


@pytest.mark.parametrize("format_", disk.FORMATS)
def test_what_is_copied_in_comes_out_again(tmp_path: Path, format_: str) -> None:
    image = tmp_path / "data.img"
    disk.create(image, 4 * MIB, format_)
    assert image.stat().st_size == 4 * MIB
    source = tmp_path / "source"
    (source / "sub" / "empty").mkdir(parents=True)
    (source / "a file.txt").write_bytes(b"a")
    (source / "sub" / "big.bin").write_bytes(bytes(range(256)) * 999)
    assert disk.copy(str(source), f"{image}:/new") == ["/new/a file.txt", "/new/sub/big.bin"]
    assert disk.copy(str(source / "a file.txt"), f"{image}:/new") == ["/new/a file.txt"]
    with disk.open_disk(image) as files:
        paths = [(entry.path, entry.size) for entry in files.walk("/new")]
    assert paths == [
        *(("/new/a file.txt", 1), ("/new/sub", 0), ("/new/sub/big.bin", 255744)),
        ("/new/sub/empty", 0),
    ]
    disk.copy(f"{image}:/new", str(tmp_path / "back"))
    assert (tmp_path / "back/sub/big.bin").read_bytes() == bytes(range(256)) * 999
    assert (tmp_path / "back/sub/empty").is_dir()
    disk.copy(f"{image}:/new/a file.txt", str(tmp_path / "other"))
    assert (tmp_path / "other").read_bytes() == b"a"


@pytest.mark.parametrize("format_", disk.FORMATS)
def test_full_disk_is_told(tmp_path: Path, format_: str) -> None:
    image = tmp_path / "data.img"
    disk.create(image, MIB, format_)
    (tmp_path / "big").write_bytes(bytes(2 * MIB))
    with pytest.raises(ImageError, match="M306"):
        disk.copy(str(tmp_path / "big"), f"{image}:/")


def test_mistakes_are_told(tmp_path: Path) -> None:
    image = tmp_path / "data.img"
    with pytest.raises(ImageError, match="No such file"), disk.open_disk(image):
        pass
    image.write_bytes(bytes(MIB))
    with pytest.raises(ImageError, match="no littlefs and no FAT"), disk.open_disk(image):
        pass
    with pytest.raises(ImageError, match="is there already"):
        disk.create(image)
    with pytest.raises(ImageError, match="64 KiB to 2 GiB"):
        disk.create(tmp_path / "small", 512)
    assert not (tmp_path / "small").exists()
    for source, target in (("a", "b"), (f"{image}:/a", f"{image}:/b")):
        with pytest.raises(ImageError, match="one of the two places"):
            disk.copy(source, target)


def test_damaged_image_gives_a_message(tmp_path: Path) -> None:
    image = tmp_path / "data.img"
    disk.create(image, MIB)
    data = bytearray(image.read_bytes())
    data[40:4096] = b"\xa5" * 4056
    data[4096 + 40 : 8192] = b"\xa5" * 4056
    image.write_bytes(data)
    with pytest.raises(ImageError, match="M306"), disk.open_disk(image) as files:
        list(files.walk())


def test_name_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    image = tmp_path / "data.img"
    disk.create(image, MIB)
    with disk.open_disk(image, write=True) as files:
        files.write("/good", b"")
    data = image.read_bytes().replace(b"good", b"../x")
    image.write_bytes(data)
    # The name is under a checksum; a disk made by hand could have it right.
    with pytest.raises(ImageError), disk.open_disk(image) as files:
        files.entries = lambda folder: [disk.Entry("/../x", 0, False)]
        disk._copy_out(files, "/", tmp_path)
    assert not (tmp_path.parent / "x").exists()


def test_disk_in_use_is_refused(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    image = tmp_path / "data.img"
    disk.create(image, MIB)
    import multiprocessing

    def hold(ready, done) -> None:
        with image.open("r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_SH, 1, 201)  # as QEMU does
            ready.set()
            done.wait(30)

    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    process = context.Process(target=hold, args=(ready, done))
    process.start()
    ready.wait(30)
    try:
        with pytest.raises(ImageError, match="a machine is using"):
            disk.copy(__file__, f"{image}:/")
    finally:
        done.set()
        process.join()


def test_command_line_of_qemu(tmp_path: Path) -> None:
    disks = (tmp_path / "a,b.img", tmp_path / "c.qcow2")
    disks[1].write_bytes(b"QFI\xfb" + bytes(100))
    shares = (cli_types.parse_share(f"{tmp_path}:/data:ro"), cli_types.parse_share("."))
    assert (shares[0].mount_point, shares[0].read_only) == ("/data", True)
    assert (shares[1].mount_point, shares[1].read_only) == ("/host", False)
    machine = qemu.Machine(kernel=Path("k"), machine="microvm", disks=disks, shares=shares)
    line = " ".join(qemu.command(machine))
    assert "a,,b.img,format=raw," in line
    assert "c.qcow2,format=qcow2," in line
    assert f"path={tmp_path},security_model=none,readonly=on" in line
    assert "virtio-9p-device,fsdev=s1,mount_tag=/host" in line


@pytest.mark.parametrize("text", ["", ":ro", ".:/../x", ".:/" + "x" * 40])
def test_share_that_cannot_be(text: str) -> None:
    with pytest.raises(ValueError, match="is not DIR"):
        cli_types.parse_share(text)
