# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Each flavour of the kernel boots, ends with its status, tells of faults and of what it lacks.

Which one an app gets is tests/unit/test_flavour_choice.py's; examples that talk run with the one
that mkimage chooses in tests/net/test_net_examples.py.
"""

from __future__ import annotations

import re
import struct

import pagetable
import pytest
from elftools.elf.elffile import ELFFile
from gdbstub import GdbStub
from support import ROOT, run_tool

from importos import compress, kernel, symbolize

FLAVOURS = ("full", "standard", "net", "udp", "small")
BARE = ("net", "udp", "small")  # without compiler, prompt and disks
PANIC_STATUS = 125
LSR_THR_EMPTY = 0x20
SENT = ("write", "0")  # to the transmitter
MAX_700_KB = 700_000  # the kernel file, for apps without TLS

APP = """
import sys, time
def inner():
    hash(1)
def outer():
    inner()
print("ready", sys.platform)
time.sleep_ms(10)
class Closing:
    def __enter__(self): return self
    def __exit__(self, *e): print("closed", 2**70, 1 / 3, sorted({3, 1}), "%5.2f" % 2.5)
with Closing():
    pass
"""
END = "import sys\nsys.exit(42)\n"
FAULT = APP + "while True:\n    time.sleep_ms(20)\n    outer()\n"


def symbols(flavour: str) -> list[symbolize.Symbol]:
    text = kernel.load(None, flavour).path.with_suffix(".sym").read_text()
    return symbolize.parse_symbols(text)


def symbol(flavour: str, name: str) -> int:
    """The address of a symbol; of a static one that the compiler changed, its name begins so."""
    return next(s.address for s in symbols(flavour) if s.name.partition(".")[0] == name)


def test_the_flavours_are_what_is_told_of_them():
    """tools/importos/flavours.json, which `make run` asks before it builds one of them."""
    built, told = kernel.flavours(), kernel.described()
    assert list(told) == sorted(built, key=lambda name: built[name].size)
    for name, meta in built.items():
        for names in ("parts", "builtin", "extensible", "frozen"):
            assert getattr(told[name], names) == getattr(meta, names), (name, names)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_hello(boot, build_image, flavour):
    guest = boot(build_image(ROOT / "examples/hello.py", "--flavour", flavour), protocol="pvh")
    guest.expect_text("Hello from Python on bare metal!\r\n")
    guest.expect_exit(0)


def test_hello_on_every_machine(boot, build_image, machine):
    guest = boot(build_image(ROOT / "examples/hello.py", "--flavour", "small"), **machine)
    guest.expect_text("Hello from Python on bare metal!\r\n")
    guest.expect_exit(0)


@pytest.mark.parametrize("flavour", BARE)
def test_a_program_ends_with_its_status(boot, build_image, flavour):
    guest = boot(build_image(APP + END, "--flavour", flavour))
    guest.expect_text("ready x86\r\n")
    guest.expect_text("closed 1180591620717411303424 0.3333333333333333 [1, 3]  2.50\r\n")
    guest.expect_exit(42)


@pytest.mark.parametrize("flavour", BARE)
def test_an_exception_is_told_with_its_lines_and_ends_the_machine(boot, build_image, flavour):
    guest = boot(
        build_image("def f():\n    raise ValueError('no')\n\nf()\n", "--flavour", flavour)
    )
    with guest.allow("traceback"):
        guest.expect(r'File "app.py", line 4, in <module>')
        guest.expect(r'File "app.py", line 2, in f')
        guest.expect_text("ValueError: no\r\n")
        guest.expect_exit(1)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_fault_is_told_with_python_lines_and_symbols(boot, build_image, flavour):
    address = symbol(flavour, "mp_builtin_hash")
    guest = boot(build_image(FAULT, "--on-crash", "poweroff", "--flavour", flavour))
    guest.expect_text("closed")
    with GdbStub(guest.gdb_path) as gdb:
        gdb.write(address, b"\x0f\x0b")
    assert guest.status().code == PANIC_STATUS
    report = symbolize.Symbols(symbols(flavour)).annotate(guest.log_text())
    assert "panic: invalid opcode (#UD)" in report
    assert "<mp_builtin_hash" in report
    assert "<mp_execute_bytecode+" in report
    assert 'File "app.py", line 4, in inner' in report
    assert 'File "app.py", line 6, in outer' in report


@pytest.mark.parametrize("flavour", ("standard", *BARE))
def test_a_missing_module_names_the_flavour(boot, build_image, flavour):
    app = "try:\n    import tls\nexcept ImportError as e:\n    print(e)\n"
    guest = boot(build_image(app, "--flavour", flavour))
    guest.expect_text(f"no module named 'tls' (the kernel is the flavour '{flavour}', not 'full')")
    guest.expect_exit(0)


def test_a_bare_kernel_without_an_app_has_no_prompt(boot, build_image):
    guest = boot(build_image(None, "--flavour", "small"))
    guest.expect_text("no prompt: the kernel is the flavour 'small'\r\n")
    guest.expect_exit(1)


def test_events_of_os_run_from_the_rom(boot, build_image):
    app = "import os\nos.after('10ms', lambda event: print('fired', os.path.join('a', 'b')))\n"
    guest = boot(build_image(app, "--flavour", "auto"))
    guest.expect_text("fired a/b\r\n")
    guest.expect_exit(0)


def test_the_kernel_without_tls_is_small_enough():
    assert kernel.load(None, "standard").elf.size <= MAX_700_KB


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_size_is_what_the_readme_says(flavour):
    readme = (ROOT / "tools/importos/README.md").read_text("utf-8")
    said = int(re.search(rf"^\| `{flavour}` \|.*\| (\d+) \|$", readme, re.MULTILINE)[1])
    assert kernel.load(None, flavour).elf.size / 1000 == pytest.approx(said, rel=0.03)


@pytest.mark.parametrize("machine", ["pc", "q35", "microvm"])
@pytest.mark.parametrize("packed", [(), ("--compress",)], ids=["plain", "compressed"])
def test_hello_runs_in_2_mib(boot, build_image, machine, packed):
    image = build_image(ROOT / "examples/hello.py", "--flavour", "auto", *packed)
    guest = boot(image, machine=machine, megabytes=2)
    guest.expect_text("Hello from Python on bare metal!\r\n")
    guest.expect_exit(0)


def test_importos_run_takes_2_mib():
    options = ("--memory", "2M", "-M", "microvm", "--timeout", "30s")
    done = run_tool("run", ROOT / "examples/hello.py", *options)
    assert "Hello from Python on bare metal!" in done.stdout, done.stderr
    assert done.returncode == 0


UNPACKED = "import sys\nprint('unpacked')\nsys.exit(7)\n"


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_compressed_image(boot, build_image, flavour):
    guest = boot(build_image(UNPACKED, "--flavour", flavour, "--compress"))
    guest.expect_text("unpacked\r\n")
    guest.expect_exit(7)


def test_a_compressed_image_boots_on_every_machine(boot, build_image, machine):
    guest = boot(build_image(UNPACKED, "--flavour", "small", "--compress"), **machine)
    guest.expect_text("unpacked\r\n")
    guest.expect_exit(7)


def test_a_damaged_compressed_image_is_told(boot, build_image):
    image = build_image("print(1)\n", "--flavour", "small", "--compress")
    data = bytearray(image.read_bytes())
    data[-2000] ^= 0xFF
    image.write_bytes(data)
    guest = boot(image)
    assert guest.status().code == PANIC_STATUS
    assert "panic: " in guest.log_text()


def test_the_unpacker_waits_for_the_serial_port(boot, build_image, tmp_path):
    """Each byte of its message goes out after the line status said that there is room."""
    image = build_image("print(1)\n", "--flavour", "small", "--compress")
    data = bytearray(image.read_bytes())
    place = data.index(compress.MARK) + 20
    (packed_size,) = struct.unpack_from("<I", data, place)
    struct.pack_into("<I", data, place, packed_size // 2)
    image.write_bytes(data)
    log = tmp_path / "serial.log"
    guest = boot(image, extra=("-trace", "serial_read", "-trace", "serial_write", "-D", str(log)))
    assert guest.status().code == PANIC_STATUS
    events = re.findall(r"serial_(\w+) \w+ addr 0x0(\d) val 0x(\w\w)", log.read_text())
    written = [n for n, (what, register, _) in enumerate(events) if (what, register) == SENT]
    text = bytes(int(events[n][2], 16) for n in written)
    assert text == b"panic: the compressed image is damaged\r\n"
    for n in written:
        assert events[n - 1][:2] == ("read", "5")
        assert int(events[n - 1][2], 16) & LSR_THR_EMPTY


def test_a_fault_in_a_compressed_image_has_symbols(boot, build_image):
    image = build_image(FAULT, "--flavour", "udp", "--compress")
    address = symbol("udp", "mp_builtin_hash")
    guest = boot(image)
    guest.expect_text("closed")
    with GdbStub(guest.gdb_path) as gdb:
        gdb.write(address, b"\x0f\x0b")
    assert guest.status().code == PANIC_STATUS
    log = image.with_suffix(".log")
    log.write_text(guest.log_text())
    done = run_tool("symbolize", image, "--log", log)
    assert "<mp_builtin_hash" in done.stdout, done.stderr
    assert 'File "app.py", line 4, in inner' in done.stdout


def test_the_kernel_is_protected_after_unpacking(boot, build_image):
    app = "print('up')\ninput()\n"
    guest = boot(build_image(app, "--flavour", "udp", "--compress"))
    guest.expect_text("up\r\n")
    mapped = pagetable.pages(guest)
    with (ROOT / "build/kernel-udp/kernel.elf").open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        at = {symbol.name: symbol["st_value"] for symbol in table.iter_symbols()}
    assert not [page for page in mapped if page.write and page.execute]
    assert pagetable.at(mapped, 0) is None
    assert pagetable.at(mapped, at["main_stack_bottom"] - 1) is None
    assert pagetable.at(mapped, at["text_start"]).execute
    guest.send("\r")
    guest.expect_exit(0)
