# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""The stubs name exactly what the guest's modules and objects have."""

from __future__ import annotations

import ast
import json

import pytest

from importos.scaffold import STUBS

MODULES = {"os": "os/__init__", "os.path": "os/path"} | {
    name: name for name in ("net", "network", "machine", "time")
}
# An object in the guest, and the class of the stubs that it is.
OBJECTS = {
    "os.event()": "os.Event",
    "os.stats()": "os._Stats",
    "os.interrupts()[0]": "os._Interrupt",
    "os.uname()": "os._Uname",
    "net.listen(99, print)": "net.Server",
    "net.connect('127.0.0.1', 1)": "net.Connection",
    "net.udp(7, box.append)": "net.UDP",
    "packet": "net.Packet",
    "net.Frame": "net.Frame",
    "net.interfaces()[0]": "net.Interface",
    "machine.pci()[0]": "machine._PCIDevice",
    "[b for d in machine.pci() for b in d.bars if b][0]": "machine._BAR",
    "machine.Timer": "machine.Timer",
    "machine.WDT": "machine.WDT",
    "machine.RTC": "machine.RTC",
    "machine.Signal": "machine.Signal",
    "machine.PinBase": "machine.PinBase",
    "machine.UART": "machine.UART",
    "machine.UART(1).irq()": "machine._IRQ",
    "machine.Console": "machine.Console",
    "machine.Share": "machine.Share",
    "disk": "machine.Disk",
    "disk.info()": "machine._DiskInfo",
    "disk.stats()": "machine._DiskStats",
}
# For the stubs of Python's own library, for signatures, and what the guest makes on demand.
ONLY_STUBS = {
    "os": {"PathLike"},
    "time": {"struct_time"},
    "machine": {"PCIInterrupt"},
    "net": {"eth0", "eth1"},
}
SET_UP = """
import json, machine, net, network, os, time
box = []
listener = net.udp(7, box.append)
net.udp().send(b"x", ("127.0.0.1", 7))
for _ in range(5000):
    if box: break
    time.sleep_ms(1)
packet = box[0]
listener.close()
disk = machine.Disk(0)
"""


# Calls that go through, or fail otherwise, with a keyword whose value is of no use.
KEYWORD = """
try:
    {function}(**{{"{name}": object()}})
except Exception as error:
    if "keyword" in str(error):
        print("{function}({name}=):", error)
"""


def parsed(module: str) -> ast.Module:
    return ast.parse((STUBS / f"{MODULES[module]}.pyi").read_text("utf-8"))


def names(body: list[ast.stmt]) -> set[str]:
    """The public names that (body) defines; imports only `as` themselves."""
    found: set[str] = set()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        elif isinstance(node, ast.ImportFrom):
            found |= {a.name for a in node.names if a.asname == a.name}
        elif isinstance(node, ast.Assign) and node.targets[0].id == "__all__":
            return set(ast.literal_eval(node.value))
    return {name for name in found if not name.startswith("_")}


def members(module: str, name: str) -> set[str]:
    """The public names of a class and of its bases in the same module."""
    body = parsed(module).body
    node = next(n for n in body if isinstance(n, ast.ClassDef) and n.name == name)
    found = names(node.body)
    for base in node.bases:
        if isinstance(base, ast.Name) and base.id != "NamedTuple":
            found |= members(module, base.id)
    return found


@pytest.fixture
def listed(boot, repl_image):
    """listed(expressions) -> {expression: the public names in the guest's dir()}."""
    disk = ("-drive", "if=none,id=d,driver=null-co,size=1M", "-device", "virtio-blk-pci,drive=d")
    serial = ("-chardev", "null,id=com2", "-serial", "chardev:com2")
    guest = boot(repl_image, machine="q35", network=True, extra=disk + serial)
    guest.prompt()
    guest.exec(SET_UP)

    def ask(expressions) -> dict[str, set[str]]:
        told = {}
        for text in expressions:
            out = guest.exec(f"print(json.dumps([n for n in dir({text}) if n[0] != '_']))")
            told[text] = set(json.loads(out))
        return told

    yield ask
    guest.at_prompt = True


def test_modules(listed):
    for module, found in listed(MODULES).items():
        stub = names(parsed(module).body) - ONLY_STUBS.get(module, set())
        assert stub == found, module


def test_functions_take_the_keywords_of_their_stubs(boot, build_image):
    calls = {
        (f"{module}.{node.name}", argument.arg)
        for module in MODULES
        for node in parsed(module).body
        if isinstance(node, ast.FunctionDef)
        for argument in [*node.args.args, *node.args.kwonlyargs]
    }
    assert ("os.every", "start") in calls
    assert ("os.exit", "status") not in calls
    tries = "".join(KEYWORD.format(function=f, name=name) for f, name in sorted(calls))
    imports = "import machine, net, network, os, os.path, time\n"
    guest = boot(build_image(imports + tries + "print('tried')\nos.exit(0)\n"), network=True)
    guest.expect_exit(0)
    assert guest.log_text().replace("\r", "").strip().splitlines()[0] == "tried"


def test_objects(listed):
    for text, found in listed(OBJECTS).items():
        assert members(*OBJECTS[text].split(".")) == found, text
