# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""QEMU's command line, finding QEMU, and ports."""

from __future__ import annotations

import os
import shlex
import socket
from pathlib import Path

import fake_qemu
import pytest

from importos import qemu
from importos.errors import ImageError

KERNEL = Path("app.elf")


def line(**options) -> str:
    return shlex.join(qemu.command(qemu.Machine(KERNEL, **options)))


def test_the_default_machine_is_this_line():
    assert line(ports=(qemu.Port(80, 8080),), append="on-crash=poweroff a") == (
        "qemu-system-x86_64 -M q35 -accel tcg -m 64M -nodefaults -no-user-config -display none "
        "-no-reboot -chardev stdio,id=con,mux=on,signal=off -serial chardev:con "
        "-mon chardev=con,mode=readline -device isa-debug-exit,iobase=0xf4,iosize=0x04 "
        "-device virtio-rng-pci -netdev user,id=n0,hostfwd=tcp:127.0.0.1:8080-:80 "
        "-device virtio-net-pci,netdev=n0,romfile= -kernel app.elf -append 'on-crash=poweroff a'"
    )


def test_microvm_has_modern_virtio_on_its_own_bus():
    text = line(machine="microvm", disks=(Path("a,b.img"),))
    assert "-global virtio-mmio.force-legacy=false" in text
    assert "-device virtio-net-device,netdev=n0 " in text
    assert "virtio-rng-device" in text
    assert "file=a,,b.img,format=raw" in text
    assert "pci" not in text.replace("app.elf", "")
    assert "romfile" not in text


def test_everything_else_that_a_caller_may_want():
    text = line(cpu="max", smp=2, memory=8 << 20, network=False, extra=("-d", "int"),
                gdb="tcp::1234", qmp="/run/q", paused=True, serial="null")  # fmt: skip
    assert "-cpu max -m 8M -smp 2" in text
    assert "netdev" not in text
    assert text.endswith("-kernel app.elf -d int")
    assert "-gdb tcp::1234 -S" in text
    assert text.count("-S") == 1
    assert "-chardev socket,id=qmp,path=/run/q -mon chardev=qmp,mode=control" in text
    assert "-chardev null,id=con -serial chardev:con" in text
    assert "-m 1536K" in line(memory=1536 << 10)


@pytest.mark.parametrize(
    ("serial", "chardev"),
    [
        ("pty", "pty,id=con"),
        ("unix:/tmp/a,b", "socket,id=con,path=/tmp/a,,b,server=on,wait=off"),
        ("tcp:127.0.0.1:99", "socket,id=con,host=127.0.0.1,port=99,server=on,wait=off,nodelay=on"),
        ("tcp::99", "socket,id=con,host=127.0.0.1,port=99,server=on,wait=off,nodelay=on"),
    ],
)
def test_the_console_can_be_elsewhere(serial, chardev):
    assert f"-chardev {chardev} -serial chardev:con" in line(serial=serial)


def test_qemu_is_found_on_the_path(folder, monkeypatch):
    root = folder()
    fake_qemu.write(root)
    monkeypatch.setenv("PATH", str(root))
    assert qemu.find_qemu() == "qemu-system-x86_64"
    assert qemu.check_version(str(root / "qemu-system-x86_64")) == (7, 2)


@pytest.mark.skipif(
    any(Path(p, qemu.PROGRAM).exists() for p in ("/opt/homebrew/bin", "/usr/local/bin")),
    reason="QEMU is installed where it is found without PATH",
)
def test_a_missing_qemu_is_told_with_the_line_to_type(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder()))
    with pytest.raises(ImageError) as raised:
        qemu.find_qemu()
    assert raised.value.exit_code == 3
    assert raised.value.diagnostics[0].code == "M301"
    assert qemu.install_hint("darwin") == "brew install qemu"
    assert "winget install" in qemu.install_hint("win32")


def test_a_qemu_that_is_named_must_exist(folder, monkeypatch):
    folder()
    monkeypatch.setenv("IMPORTOS_QEMU", "/nowhere/qemu")
    with pytest.raises(ImageError, match="IMPORTOS_QEMU names `/nowhere/qemu`"):
        qemu.find_qemu()


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("QEMU emulator version 4.2.1 (Debian 1:4.2-3)", r"QEMU 4\.2 is too old: 5\.0 or newer"),
        ("segmentation fault", "does not tell its version"),
    ],
)
def test_a_qemu_that_is_too_old_is_told(folder, monkeypatch, told, message):
    program = fake_qemu.write(folder())
    monkeypatch.setenv("FAKE_QEMU_VERSION", told)
    with pytest.raises(ImageError, match=message) as raised:
        qemu.check_version(str(program))
    assert raised.value.exit_code == 3


def test_a_port_in_use_is_told_with_its_owner():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = qemu.Port(80, server.getsockname()[1])
        with pytest.raises(ImageError) as raised:
            qemu.check_ports([port])
    (found,) = raised.value.diagnostics
    assert found.message.startswith(f"port {port.host_port} is in use")
    if Path("/proc/net/tcp").exists():
        assert f"by PID {os.getpid()} (" in found.message
    assert raised.value.exit_code == 3
    qemu.check_ports([port])


def test_a_udp_port_in_use_is_told():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = qemu.Port(53, server.getsockname()[1], protocol="udp")
        with pytest.raises(ImageError, match="is in use"):
            qemu.check_ports([port])


def test_an_address_that_is_not_ours_is_told():
    with pytest.raises(ImageError, match=r"port 8080 on 192\.0\.2\.1 cannot be used"):
        qemu.check_ports([qemu.Port(80, 8080, "192.0.2.1")])


def test_pc_and_q35_start_with_the_quick_firmware_where_qemu_has_it(folder, monkeypatch):
    root = folder({"bin/none": ""})
    fake_qemu.write(root / "bin")
    monkeypatch.setenv("PATH", str(root / "bin"))
    assert qemu.choose_bios("q35") == ""
    folder({"share/qemu/qboot.rom": ""})
    assert [qemu.choose_bios(name) for name in qemu.MACHINES] == [qemu.QBOOT, qemu.QBOOT, ""]
    assert "-M q35 -accel tcg -bios qboot.rom -m" in line(bios=qemu.QBOOT)
    assert "-bios" not in line()


def test_the_accelerator_can_be_given(monkeypatch):
    assert qemu.choose_accel("tcg") == ("tcg", "")
    monkeypatch.setenv("IMPORTOS_ACCEL", "hvf")
    assert qemu.choose_accel() == ("hvf", "")
    monkeypatch.delenv("IMPORTOS_ACCEL")
    accel, why = qemu.choose_accel()
    assert accel in qemu.ACCELERATORS
    assert bool(why) == (accel == "tcg") or os.uname().sysname != "Linux"
