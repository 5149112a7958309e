# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Bad input: one clear message with its code, the right status, and no output file."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import elf_builder
import fake_qemu
import pytest

from importos import elf


@pytest.fixture
def build(command, folder):
    """build(files, *arguments) runs mkimage on app.py; nothing may be left behind."""

    def run(files: dict, *arguments: str, code: int, name: str = "app.py"):
        root = folder(files)
        before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file() and os.access(p, 4)}
        result = command("mkimage", *([name] if name else []), *arguments)
        after = {p: p.read_bytes() for p in root.rglob("*") if p.is_file() and os.access(p, 4)}
        assert result.code == code, result.err
        assert result.out == ""
        assert after == before, "a file was written or changed"
        return result.err

    return run


def test_an_unknown_module(build):
    assert build({"app.py": "import os\n\nimport requestz\n"}, code=1) == (
        "error[M101]: module `requestz` not found\n"
        "  --> app.py:3:8\n"
        "   |\n"
        " 3 | import requestz\n"
        "   |        ^^^^^^^^ not in the app, the kernel or this environment\n"
        "   |\n"
        "hint: if it is a package written for MicroPython: `pip install requestz`\n"
        "hint: if the app can do without: `--optional requestz`\n"
    )


def test_a_module_of_cpython(build):
    err = build({"app.py": "from threading import Thread\n"}, code=1)
    assert "error[M102]: `threading` is a module of CPython; MicroPython does not have it" in err
    assert " 1 | from threading import Thread\n   |      ^^^^^^^^^\n" in err
    assert "hint: use `asyncio`" in err


def test_a_syntax_error(build):
    err = build({"app.py": "def f(x)\n    return x\n"}, code=1)
    assert "error[M201]: invalid syntax: expected ':'" in err
    assert "--> app.py:1:9\n" in err


def test_a_syntax_error_in_a_module(build):
    err = build({"app.py": "import util", "util.py": "x = (1,\n"}, code=1)
    assert "error[M201]: invalid syntax: '(' was never closed" in err
    assert "--> util.py:1:5\n" in err


def test_syntax_that_micropython_lacks(build):
    err = build({"app.py": "match 1:\n    case 1:\n        pass\n"}, code=1)
    assert err.startswith("error[M202]: `match` is not in MicroPython: use if/elif\n")
    assert "--> app.py:1:1\n" in err


def test_syntax_that_only_its_compiler_refuses(build):
    err = build({"app.py": "x = 1\nprint(x[y := 0])\n"}, code=1)
    assert "error[M202]: MicroPython's compiler does not take this" in err
    assert "2 | print(x[y := 0])\n" in err


def test_a_compiled_package(build, monkeypatch, tmp_path_factory):
    site = tmp_path_factory.mktemp("site")
    (site / "fast").mkdir()
    (site / "fast/__init__.py").write_text("from ._core import run\n")
    (site / "fast/_core.abi3.so").write_bytes(elf.MAGIC)
    monkeypatch.syspath_prepend(str(site))
    err = build({"app.py": "import fast\n"}, code=1)
    assert "error[M103]: `fast` is compiled C; it cannot run here" in err
    assert "--> app.py:1:8\n" in err


def test_a_missing_entry(build):
    err = build({"apple.py": ""}, code=1, name="appel.py")
    assert err == 'error[M001]: entry "appel.py" does not exist\nhint: did you mean `apple.py`?\n'


def test_a_folder_without_main(build):
    err = build({"app/util.py": ""}, code=1, name="app")
    assert "error[M001]: the folder has no main.py or __main__.py" in err


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"\xa7\r\r\n" + bytes(12), "app.pyc", "the entry is CPython's bytecode"),
        (b"\x27\x05\x19\x56" + bytes(60), "uImage", "the entry is a U-Boot image"),
        (elf.MAGIC + bytes(60), "app.elf", "the entry is an ELF file, not Python"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "app.png", "the entry is not Python source"),
        (b"", "disk.img", "the entry is empty, and not named .py"),
    ],
)
def test_an_entry_that_is_not_python(build, content, name, message):
    assert f"error[M002]: {message}" in build({name: content}, code=1, name=name)


def test_uboots_command_line(build):
    err = build({"app.py": ""}, "-A", "arm", "-T", "kernel", "-d", "zImage", code=2)
    assert "this is ImportOS's mkimage, not U-Boot's" in err


def test_a_missing_extra_file(build):
    err = build({"app.py": ""}, "data.json", code=1)
    assert err == "error[M003]: the file or folder does not exist\n  --> data.json\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_an_unreadable_folder(build, folder):
    root = folder({"app.py": "", "data/x": ""})
    (root / "data").chmod(0)
    try:
        err = build({}, "data", code=3)
    finally:
        (root / "data").chmod(0o755)
    assert "error[M003]: the folder cannot be read: Permission denied\n  --> data\n" in err


def test_an_unreadable_folder_by_another_name(build, monkeypatch):
    """The same as above, for the superuser too."""
    real = os.scandir

    def scandir(path):
        if str(path).endswith("data"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    err = build({"app.py": "", "data/x": ""}, "data", code=3)
    assert "error[M003]: the folder cannot be read: Permission denied\n  --> data\n" in err


def test_an_unreadable_folder_of_the_search_path(build, monkeypatch):
    real = os.listdir

    def listdir(path="."):
        if str(path).endswith("lib1"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "listdir", listdir)
    err = build({"app.py": "import x", "lib1/x.py": ""}, "-I", "lib1", code=3)
    assert "error[M003]: the folder cannot be read: Permission denied\n  --> lib1\n" in err


def test_a_missing_kernel(build, monkeypatch):
    monkeypatch.setenv("IMPORTOS_KERNEL", "nothing.elf")
    err = build({"app.py": ""}, code=1)
    assert err.startswith("error[M302]: there is no kernel\n  --> nothing.elf\n")


def test_an_installation_without_a_kernel(build, monkeypatch, tmp_path):
    from importos import kernel

    monkeypatch.delenv("IMPORTOS_KERNEL")
    monkeypatch.setattr(kernel, "DATA", tmp_path / "none")
    err = build({"app.py": ""}, code=3)
    assert "error[M302]: this installation has no kernel" in err
    assert "`make kernel`" in err


def mutated(at: int, form: str, value: int) -> bytes:
    data = bytearray(elf_builder.build())
    struct.pack_into(form, data, at, value)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the kernel cannot be used: it is not an ELF file"),
        (elf_builder.build()[:3000], "the kernel cannot be used: it is cut off"),
        (elf_builder.build(machine=40), "the kernel cannot be used: it is for machine 40"),
        (elf_builder.build(mark=b""), "a bootable kernel, but not ImportOS"),
        (mutated(0x1800, "<I", 77), "the kernel is damaged"),
    ],
)
def test_a_corrupted_or_foreign_kernel(build, kernel_path, data, message):
    files = {"app.py": "", "k/kernel.elf": data}
    files["k/kernel.json"] = kernel_path.with_suffix(".json").read_text()
    err = build(files, "--kernel", "k/kernel.elf", code=1)
    assert "error[M302]: " in err
    assert message in err
    assert "--> k/kernel.elf\n" in err


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema": 2}', "{"])
def test_a_damaged_description_of_the_kernel(build, text):
    files = {"app.py": "", "k/kernel.elf": elf_builder.build(), "k/kernel.json": text}
    err = build(files, "--kernel", "k", code=1)
    assert "error[M302]: the kernel's description is missing or wrong\n" in err


@pytest.mark.parametrize("keep", [0, 100, 9_000, 17_000])
def test_a_truncated_image(command, folder, keep):
    root = folder({"app.py": "print(1)\n" * 200})
    assert command("mkimage", "-q", "app.py").code == 0
    whole = (root / "app.elf").read_bytes()
    assert keep < len(whole)
    (root / "cut.elf").write_bytes(whole[:keep])
    for name in ("info", "ls", "tree"):
        result = command("importos", name, "cut.elf")
        assert result.code == 1
        assert "error[M303]: this is not a whole ImportOS image: " in result.err
        assert result.out == ""


def test_a_changed_image(command, folder):
    root = folder({"app.py": ""})
    command("mkimage", "-q", "app.py")
    data = bytearray((root / "app.elf").read_bytes())
    data[-5] ^= 1
    (root / "app.elf").write_bytes(data)
    assert "its checksum is wrong" in command("importos", "info", "app.elf").err


def test_a_mpy_of_another_version(build):
    err = build({"app.py": "import old", "old.mpy": b"M\x05\x00\x1f" + bytes(20)}, code=1)
    assert "error[M204]: the .mpy cannot be loaded: v5, the kernel wants v6.3\n" in err
    assert "--> old.mpy\n" in err


def test_an_image_that_is_larger_than_the_memory(build):
    files = {"app.py": "", "big.bin": bytes(7 << 20)}
    err = build(files, "big.bin", "--memory", "8M", code=1)
    assert "error[M301]: the image needs 11 MiB of memory, the machine has 8 MiB\n" in err
    assert "hint: --memory 11M, or more; or leave files out\n" in err


def test_an_image_that_does_not_fit_the_machine_it_is_run_on(command, folder, monkeypatch):
    root = folder({"app.py": "", "big.bin": bytes(7 << 20)})
    monkeypatch.setenv("IMPORTOS_QEMU", str(fake_qemu.write(root)))
    assert command("mkimage", "-q", "app.py", "big.bin").code == 0
    result = command("importos", "run", "app.elf", "--memory", "8M")
    assert result.code == 1
    assert "error[M301]: the image needs 11 MiB" in result.err


@pytest.fixture
def with_qemu(folder, monkeypatch):
    monkeypatch.setenv("IMPORTOS_QEMU", str(fake_qemu.write(folder())))


def test_a_folder_to_search_that_is_not_there(build):
    err = build({"app.py": ""}, "--path", "lib", code=1)
    assert err == "error[M003]: there is no such folder to search\n  --> lib\n"


@pytest.mark.usefixtures("with_qemu")
@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no such disk image"),
        ({"d.img/x": ""}, "the disk image is a folder"),
        ({"d.img": ""}, "the disk image has no bytes"),
    ],
)
def test_a_disk_that_is_none(build, files, message):
    err = build({"app.py": "", **files}, "--run", "--disk", "d.img", code=1)
    assert f"error[M306]: {message}\n  --> d.img\n" in err


@pytest.mark.usefixtures("with_qemu")
def test_a_disk_that_may_not_be_written(build, monkeypatch):
    monkeypatch.setattr("os.access", lambda _, mode: not mode & os.W_OK)
    err = build({"app.py": "", "d.img": "x"}, "--run", "--disk", "d.img", code=3)
    assert "error[M306]: you may not read and write the disk image\n" in err


@pytest.mark.usefixtures("with_qemu")
def test_a_port_in_use(build):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        err = build({"app.py": ""}, "--run", "-p", f"{port}:80", code=3)
    assert f"error[M301]: port {port} is in use" in err
    assert f"hint: -p {port + 1}:80 takes another one\n" in err


def test_qemu_missing(build, monkeypatch):
    monkeypatch.setenv("IMPORTOS_QEMU", "/nowhere/qemu-system-x86_64")
    err = build({"app.py": ""}, "--run", code=3)
    assert "error[M301]: IMPORTOS_QEMU names `/nowhere/qemu-system-x86_64`" in err


@pytest.mark.usefixtures("with_qemu")
def test_qemu_too_old(build, monkeypatch):
    monkeypatch.setenv("FAKE_QEMU_VERSION", "QEMU emulator version 4.2.0")
    err = build({"app.py": ""}, "--run", code=3)
    assert "error[M301]: QEMU 4.2 is too old: 5.0 or newer is needed\n" in err
    assert "hint: " in err


def test_an_output_that_cannot_be_written(build):
    err = build({"app.py": ""}, "-o", "nowhere/app.elf", code=3)
    assert "error[M304]: the output cannot be written: No such file or directory\n" in err
    err = build({"app.py": "", "out/x": ""}, "-o", "out", code=3)
    assert "error[M304]: the output cannot be written: it is a folder\n" in err


def test_a_pipe_is_written_to_and_not_replaced(command, folder):
    root = folder({"app.py": ""})
    os.mkfifo(root / "pipe")
    with ThreadPoolExecutor() as reader:
        got = reader.submit((root / "pipe").read_bytes)
        assert command("mkimage", "-q", "app.py", "-o", "pipe").code == 0
    assert got.result(timeout=20).startswith(elf.MAGIC)
    assert (root / "pipe").is_fifo()


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [["ls", "app.elf"], ["cat", "app.elf", "main.mpy"]])
def test_a_full_disk_behind_standard_output(folder, command, arguments):
    root = folder({"app.py": ""})
    command("mkimage", "-q", "app.py")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "importos", *arguments],
            cwd=root,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.stderr == "error[M304]: the output cannot be written: No space left on device\n"
    assert done.returncode == 3


def test_a_folder_that_is_gone(folder, command):
    root = folder({"app.py": "", "x/y": ""})
    os.chdir(root / "x")
    shutil.rmtree(root / "x")
    result = command("mkimage", root / "app.py", "-o", "out.elf")
    assert (result.code, result.err) == (3, "error[M304]: the current folder is gone\n")


def test_an_option_that_the_kernel_could_not_keep(build):
    err = build({"app.py": ""}, "--env", "A=" + "x" * 3000, code=1)
    assert "error[M004]: the image cannot be made: the boot options take 3002 bytes" in err
    err = build({"app.py": ""}, "--env", "ip=1", code=2)
    assert "error[M004]: --env ip: this is the name of a boot option" in err


def test_a_suffix_that_promises_another_format(build):
    err = build({"app.py": ""}, "-o", "app.qcow2", code=2)
    assert "error[M004]: mkimage makes no `.qcow2`: there are elf, iso and raw (.img)\n" in err
    assert "hint: mkimage -o app.img; qemu-img convert -O qcow2 app.img app.qcow2\n" in err
    assert "hint: --format elf " in build({"app.py": ""}, "-o", "app.ova", code=2)


@pytest.mark.usefixtures("with_qemu")
def test_a_disk_for_a_machine_without_bios(build):
    err = build({"app.py": ""}, "-r", "-f", "raw", "-M", "microvm", code=2)
    assert "error[M004]: microvm has no BIOS that boots disks\n" in err


def test_two_files_for_one_place(build):
    err = build({"app.py": "", "a": "1", "b": "2"}, "a:x", "b:x", code=1)
    assert "error[M003]: two files would become /rom/x\n" in err


@pytest.mark.parametrize("extra", ["a:../x", "a:x/../y", "a:./x"])
def test_a_place_outside_of_the_image(build, extra):
    assert "cannot be a path in the image" in build({"app.py": "", "a": ""}, extra, code=1)
