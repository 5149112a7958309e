# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Folders of the host in the guest, by virtio-9p."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from guest import Boot, Guest, PythonError


def start(
    boot: Boot, image: Path, folder: Path, machine: str = "microvm", more: str = ""
) -> Guest:
    bus = "device" if machine == "microvm" else "pci"
    options = f"local,id=s0,path={folder},security_model=none{more}"
    device = f"virtio-9p-{bus},fsdev=s0,mount_tag=/host"
    guest = boot(image, machine=machine, extra=("-fsdev", options, "-device", device))
    guest.prompt()
    return guest


def raises(guest: Guest, code: str, error: str) -> None:
    with pytest.raises(PythonError, match=error):
        guest.exec(code)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to share, with something beside it that must not be seen."""
    (tmp_path / "secret.txt").write_text("secret")
    share = tmp_path / "share"
    (share / "sub" / "deep").mkdir(parents=True)
    (share / "hello.txt").write_text("hello\nworld\n")
    (share / "mod.py").write_text("value = 42\n")
    (share / "link").symlink_to("hello.txt")
    (share / "way_out").symlink_to("..")
    return share


@pytest.mark.parametrize("machine", ["q35", "microvm"])
def test_files_go_both_ways(boot: Boot, repl_image: Path, folder: Path, machine: str) -> None:
    guest = start(boot, repl_image, folder, machine)
    assert guest.exec("print(list(open('/host/hello.txt')))") == "['hello\\n', 'world\\n']\n"
    guest.exec("data = bytes(range(256)) * 1000; f = open('/host/sub/big', 'wb')")
    guest.exec("f.write(data[:100]); f.write(data[100:200000]); f.write(data[200000:])")
    guest.exec("f.close()")
    assert (folder / "sub/big").read_bytes() == bytes(range(256)) * 1000
    guest.exec("assert open('/host/sub/big', 'rb').read() == data")
    guest.exec("import os; assert os.stat('/host/sub/big')[6] == len(data)")
    guest.exec("import sys; sys.path.append('/host'); import mod; assert mod.value == 42")
    guest.at_prompt = True


def test_modes_and_places_in_a_file(boot: Boot, repl_image: Path, folder: Path) -> None:
    guest = start(boot, repl_image, folder)
    guest.exec("f = open('/host/a', 'w'); f.write('one\\ntwo\\n'); f.close()")
    guest.exec("f = open('/host/a', 'a'); f.write('three\\n'); f.flush()")
    assert (folder / "a").read_text() == "one\ntwo\nthree\n"
    guest.exec("f.close(); f = open('/host/a', 'r+'); f.seek(4); f.write('TWO'); f.seek(0)")
    guest.exec("assert f.read(8) == 'one\\nTWO\\n', 1; assert f.tell() == 8; f.close()")
    guest.exec("f = open('/host/a', 'rb'); f.seek(-6, 2); assert f.read() == b'three\\n'")
    raises(guest, "f.write(b'x')", "EBADF")
    raises(guest, "f.seek(-1)", "EINVAL")
    raises(guest, "f.close(); f.read()", "EBADF")
    raises(guest, "open('/host/a', 'x')", "EEXIST")
    raises(guest, "open('/host/a', 'q')", "bad mode")
    raises(guest, "open('/host/none')", "ENOENT")
    raises(guest, "open('/host/hello.txt/x')", "ENOENT|20")
    guest.exec("open('/host/a', 'w').close()")
    assert (folder / "a").read_bytes() == b""
    guest.at_prompt = True


def test_folders(boot: Boot, repl_image: Path, folder: Path) -> None:
    guest = start(boot, repl_image, folder)
    guest.exec("import os; os.mkdir('/host/new'); os.rename('/host/new', '/host/sub/moved')")
    assert (folder / "sub/moved").is_dir()
    guest.exec("os.chdir('/host/sub'); assert os.getcwd() == '/host/sub'")
    guest.exec("assert sorted(os.listdir()) == ['deep', 'moved']")
    guest.exec("open('here', 'w').close(); os.remove('here'); os.rmdir('moved'); os.chdir('..')")
    assert sorted(path.name for path in (folder / "sub").iterdir()) == ["deep"]
    raises(guest, "os.rmdir('/host/sub')", "39")
    raises(guest, "os.chdir('/host/hello.txt')", "20")
    raises(guest, "os.mkdir('/host/sub')", "EEXIST")
    guest.exec("for i in range(300): open('/host/sub/deep/%d' % i, 'w').close()")
    guest.exec("assert len(os.listdir('/host/sub/deep')) == 300; os.statvfs('/host')")
    guest.at_prompt = True


@pytest.mark.parametrize(
    "path",
    [
        "/host/../secret.txt",
        "/host/sub/../../secret.txt",
        "/host/way_out/secret.txt",
        "/host/link",
    ],
)
def test_no_path_leaves_the_share(boot: Boot, repl_image: Path, folder: Path, path: str) -> None:
    guest = start(boot, repl_image, folder)
    raises(guest, f"print(open('{path}').read())", "OSError")
    # ".." at the root of the share is the root: a file may be made there, but not outside.
    guest.exec(f"try: f = open('{path}', 'w'); f.write('inside'); f.close()\nexcept OSError: pass")
    raises(guest, "import os; os.chdir('/host/sub'); open('../../../../etc/passwd')", "OSError")
    assert (folder.parent / "secret.txt").read_text() == "secret"
    assert (folder / "hello.txt").read_text() == "hello\nworld\n"
    guest.at_prompt = True


def test_read_only_share(boot: Boot, repl_image: Path, folder: Path) -> None:
    guest = start(boot, repl_image, folder, more=",readonly=on")
    guest.exec("assert open('/host/hello.txt').read() == 'hello\\nworld\\n'")
    for code in ("open('/host/new', 'w')", "os.remove('/host/hello.txt')", "os.mkdir('/host/x')"):
        raises(guest, f"import os; {code}", "EROFS")
    guest.at_prompt = True


def test_mounted_read_only_by_the_guest(boot: Boot, repl_image: Path, folder: Path) -> None:
    guest = start(boot, repl_image, folder)
    guest.exec("import vfs, machine; vfs.umount('/host')")
    guest.exec("vfs.mount(machine.Share(0), '/r', readonly=True); open('/r/hello.txt').close()")
    raises(guest, "open('/r/new', 'w')", "EROFS")
    raises(guest, "machine.Share(1)", "ENODEV")
    assert guest.exec("print(machine.Share('/host'))") == "Share(0, tag=/host)\n"
    guest.at_prompt = True


def test_files_that_are_dropped_are_closed(boot: Boot, repl_image: Path, folder: Path) -> None:
    guest = start(boot, repl_image, folder)
    raises(guest, "l = [open('/host/hello.txt') for _ in range(70)]", "24")
    guest.exec("l = None; import gc; gc.collect(); gc.collect()")
    guest.exec("l = [open('/host/hello.txt') for _ in range(50)]; l = None; gc.collect()")
    guest.at_prompt = True


def test_share_that_the_host_takes_away(boot: Boot, repl_image: Path, folder: Path) -> None:
    guest = start(boot, repl_image, folder)
    guest.exec("import os; f = open('/host/hello.txt')")
    (folder / "hello.txt").unlink()
    guest.exec("assert f.read(5) == 'hello'")
    raises(guest, "open('/host/hello.txt')", "ENOENT")
    assert guest.exec("print('hello.txt' in os.listdir('/host'))") == "False\n"
    guest.at_prompt = True


def test_what_the_host_does_not_permit_is_an_error(
    boot: Boot, repl_image: Path, folder: Path
) -> None:
    (folder / "locked.txt").write_text("locked")
    (folder / "locked.txt").chmod(0)
    (folder / "closed").mkdir(mode=0)
    folder.chmod(0o555)
    options = f"local,id=s0,path={folder},security_model=none"
    extra = ["-fsdev", options, "-device", "virtio-9p-device,fsdev=s0,mount_tag=/host"]
    if os.getuid() == 0:  # to whom everything is permitted
        extra += ["-runas", "nobody"]
    guest = boot(repl_image, extra=tuple(extra))
    guest.prompt()
    guest.exec("import os; assert open('/host/hello.txt').read() == 'hello\\nworld\\n'")
    for code in (
        "open('/host/locked.txt')",
        "open('/host/locked.txt', 'w')",
        "os.listdir('/host/closed')",
        "open('/host/closed/new', 'w')",
        "open('/host/new', 'w')",
        "os.mkdir('/host/new')",
        "os.remove('/host/hello.txt')",
        "os.rename('/host/hello.txt', '/host/bye.txt')",
    ):
        raises(guest, code, "EACCES")
    assert (folder / "hello.txt").read_text() == "hello\nworld\n"
    (folder / "closed").chmod(0o700)
    folder.chmod(0o755)
    guest.at_prompt = True
