# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""machine.Console: bytes there and back, names, a host that is slow or absent, and the prompt."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from guest import Boot, Guest, PythonError

MIB = 1 << 20


def options(path: Path, machine: str = "microvm", port: str = "", device: str = "") -> tuple:
    """QEMU's options for one port whose host end is the unix socket (path)."""
    bus = "device" if machine == "microvm" else "pci"
    kind = port or "virtserialport,name=org.example.data"
    return (
        *("-chardev", f"socket,id=vc,path={path},server=on,wait=off"),
        *("-device", f"virtio-serial-{bus},id=vs{device}"),
        *("-device", f"{kind},chardev=vc,id=port"),
    )


@contextlib.contextmanager
def connected(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as host:
        host.settimeout(20)
        host.connect(str(path))
        yield host


def receive(host: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = host.recv(65536)
        assert part, "the guest's end was closed"
        data += part
    return data


def start(boot: Boot, image: Path, path: Path, **how: str) -> Guest:
    machine = how.pop("machine", "microvm")
    guest = boot(image, machine=machine, extra=options(path, machine, **how))
    guest.prompt()
    guest.exec("import machine, os, select, time")
    guest.at_prompt = True
    return guest


@pytest.mark.parametrize("kind", ["pc", "q35", "microvm"])
def test_bytes_go_there_and_back(boot: Boot, repl_image: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "port"
    guest = start(boot, repl_image, path, machine=kind)
    with connected(path) as host:
        guest.exec("c = machine.Console('org.example.data')")
        assert guest.exec("print(c)") == "Console(1, name=org.example.data)\n"
        assert guest.exec("print(c.write(b'to the host'))") == "11\n"
        assert receive(host, 11) == b"to the host"
        host.sendall(b"line one\nline two")
        guest.exec("p = select.poll(); p.register(c, select.POLLIN); assert p.poll(20000)")
        assert guest.exec("print(c.readline(), c.read())") == "b'line one\\n' b'line two'\n"
        assert guest.exec("print(c.read(), c.any(), p.poll(0))") == "None 0 []\n"


def test_everything_arrives_of_a_megabyte_each_way(
    boot: Boot, repl_image: Path, tmp_path: Path
) -> None:
    path = tmp_path / "port"
    guest = start(boot, repl_image, path)
    guest.exec(
        "def echo(total):\n b = bytearray(3000); v = memoryview(b); sent = 0\n"
        " p = select.poll(); p.register(c, select.POLLIN)\n"
        " while sent < total:\n  p.poll(); n = c.readinto(b); done = 0\n"
        "  while n and done < n: done += c.write(v[done:n]) or 0\n"
        "  sent += n or 0\n"
    )
    data = bytes(i * i // 251 & 0xFF for i in range(MIB))
    with connected(path) as host:
        guest.exec("c = machine.Console()")
        guest.send(f"echo({MIB})\r")
        back = b""
        for at in range(0, MIB, 32768):
            host.sendall(data[at : at + 32768])
            back += receive(host, 32768)
        assert back == data
        guest.expect(r"\r\n>>> ")


def test_what_is_not_read_waits_on_the_host(boot: Boot, repl_image: Path, tmp_path: Path) -> None:
    path = tmp_path / "port"
    guest = start(boot, repl_image, path)
    with connected(path) as host:
        guest.exec("c = machine.Console()")
        host.setblocking(False)
        data = b"0123456789abcdef" * 65536
        sent = host.send(data)
        guest.exec("time.sleep_ms(300); assert 3584 < c.any() <= 4096, c.any()")
        guest.exec(
            f"import hashlib\nh = hashlib.sha256(); n = 0\n"
            f"while n < {sent}:\n d = c.read(4096)\n if d: h.update(d); n += len(d)\n"
        )
        expected = hashlib.sha256(data[:sent]).hexdigest()
        assert guest.exec("print(h.digest().hex())").strip() == expected


def test_host_that_does_not_read_costs_half_a_second_once(
    boot: Boot, repl_image: Path, tmp_path: Path
) -> None:
    path = tmp_path / "port"
    guest = start(boot, repl_image, path)
    with connected(path) as host:
        guest.exec("c = machine.Console(); n = 0; t = time.ticks_ms()")
        guest.exec("while (k := c.write(bytes(4096))) == 4096: n += k")
        guest.exec("t = time.ticks_diff(time.ticks_ms(), t); n += k or 0")
        guest.exec("u = time.ticks_ms(); assert all(c.write(b'x') is None for i in range(1000))")
        guest.exec("u = time.ticks_diff(time.ticks_ms(), u); assert u < 400, u; assert t >= 500")
        with pytest.raises(PythonError, match="ETIMEDOUT"):
            guest.exec("c.flush()")
        waiting = int(guest.exec("print(n)"))
        assert receive(host, waiting) == bytes(waiting)
        guest.exec("assert c.write(b'again') == 5; c.flush()")
        assert receive(host, 5) == b"again"


def test_host_that_goes_and_comes_back(boot: Boot, repl_image: Path, tmp_path: Path) -> None:
    path = tmp_path / "port"
    guest = start(boot, repl_image, path)
    guest.exec("c = machine.Console(); p = select.poll(); p.register(c, select.POLLIN)")
    assert guest.exec("print(c.isconnected(), c.write(b'to nobody'))") == "False 9\n"
    for _ in range(3):
        with connected(path) as host:
            host.sendall(b"hello")
            guest.exec("p.poll(20000); assert c.read(5) == b'hello' and c.isconnected()")
            guest.exec("c.write(b'world')")
            assert receive(host, 5) == b"world"
        guest.exec("for i in range(2000):\n if not c.isconnected(): break\n time.sleep_ms(1)")
        assert guest.exec("print(c.isconnected(), c.read())") == "False None\n"


def test_ports_are_found_by_name_and_number(boot: Boot, repl_image: Path, tmp_path: Path) -> None:
    names = ["virtconsole", "virtserialport,nr=2,name=two", "virtserialport,nr=3,name=three"]
    extra = ["-device", "virtio-serial-device"]
    for number, name in enumerate(names):
        extra += ["-chardev", f"null,id=c{number}", "-device", f"{name},chardev=c{number}"]
    guest = boot(repl_image, extra=tuple(extra))
    guest.prompt()
    guest.exec("import machine")
    assert guest.exec("print(machine.Console.all())") == (
        "[Console(0, name=), Console(2, name=two), Console(3, name=three)]\n"
    )
    guest.exec("assert machine.Console('two') is machine.Console(2)")
    guest.exec("assert machine.Console() is machine.Console(0); print(machine.Console().size())")
    for wrong in ("'four'", "1", "-1", "77"):
        with pytest.raises(PythonError, match="ENODEV"):
            guest.exec(f"machine.Console({wrong})")
    guest.at_prompt = True


def test_console_of_one_port(boot: Boot, repl_image: Path, tmp_path: Path) -> None:
    path = tmp_path / "port"
    guest = start(boot, repl_image, path, port="virtconsole", device=",max_ports=1")
    with connected(path) as host:
        guest.exec("c = machine.Console(); c.write(b'one')")
        assert receive(host, 3) == b"one"
        host.sendall(b"two")
        guest.exec("p = select.poll(); p.register(c, select.POLLIN); assert p.poll(20000)")
        assert guest.exec("print(c.read())") == "b'two'\n"


def test_machine_without_one_says_so(guest: Guest) -> None:
    guest.exec("import machine; assert machine.Console.all() == []")
    with pytest.raises(PythonError, match="ENODEV"):
        guest.exec("machine.Console()")


def test_port_that_is_unplugged(boot: Boot, repl_image: Path, tmp_path: Path) -> None:
    guest = start(boot, repl_image, tmp_path / "port", machine="pc")
    guest.exec("c = machine.Console()")
    guest.qmp.command("device_del", id="port")
    guest.exec("for i in range(2000):\n if not machine.Console.all(): break\n time.sleep_ms(1)")
    for use in ("c.read()", "c.write(b'x')"):
        with pytest.raises(PythonError, match="ENODEV"):
            guest.exec(use)


# --- the prompt -----------------------------------------------------------------------------


@pytest.fixture
def terminal(boot: Boot, repl_image: Path) -> tuple[Guest, int]:
    """A guest whose prompt is on the port as well, and the TCP port of the host's end."""
    guest = boot(
        repl_image,
        machine="pc",
        extra=(
            *("-chardev", "socket,id=vc,host=127.0.0.1,port=0,server=on,wait=off,nodelay=on"),
            *("-device", "virtio-serial-pci", "-device", "virtconsole,chardev=vc"),
        ),
    )
    guest.prompt()
    guest.exec("import os, machine, time; os.dupterm(machine.Console())")
    (name,) = [c["filename"] for c in guest.qmp.command("query-chardev") if c["label"] == "vc"]
    guest.at_prompt = True
    return guest, int(re.search(r"127\.0\.0\.1:(\d+)", name)[1])


def mpremote(port: int, *arguments: str) -> str:
    command = [sys.executable, "-m", "mpremote", "connect", f"socket://127.0.0.1:{port}"]
    result = subprocess.run(
        [*command, "resume", *arguments], check=False, text=True, capture_output=True, timeout=60
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout.replace("\r\n", "\n")


def test_mpremote_works_over_the_port(terminal: tuple[Guest, int], tmp_path: Path) -> None:
    _, port = terminal
    assert mpremote(port, "exec", "import sys; print(sys.platform)") == "x86\n"
    data = bytes(range(256)) * 40
    (tmp_path / "there").write_bytes(data)
    mpremote(port, "fs", "cp", str(tmp_path / "there"), ":file.bin")
    mpremote(port, "fs", "cp", ":file.bin", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == data


def test_ctrl_c_on_the_port_stops_a_program(terminal: tuple[Guest, int]) -> None:
    guest, port = terminal
    with socket.create_connection(("127.0.0.1", port), timeout=20) as host:
        host.sendall(b"if 1:\rprint('run' 'ning')\rwhile 1: pass\r\r\r\r")
        guest.expect_text("running\r\n")
        host.sendall(b"\x03")
        with guest.allow("traceback"):
            guest.expect_text("KeyboardInterrupt")
        guest.expect(r"\r\n>>> ")


def test_idle_terminal_costs_nothing(terminal: tuple[Guest, int]) -> None:
    guest, _ = terminal
    guest.exec("time.sleep(2); a = os.stats()")
    assert int(guest.exec("time.sleep(2); print(os.stats().busy)")) <= 3
