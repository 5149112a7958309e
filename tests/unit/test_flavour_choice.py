# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Which flavour of the kernel an app gets, and what is said about it."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import elf_builder
import pytest

from importos import flavours, kernel, mkimage

FULL = ["COMPILER", "DISKS", "NET", "TCP", "TLS"]
FROZEN = ["asyncio", "net", "os"]
LIBRARY = {
    "net": ["net.py", "import _net\ndef listen():\n    from _net_tls import listen\n"],
    "os": ["os/__init__.py", "import _os\nfrom . import path\ntry:\n    import machine\n"
           "except ImportError:\n    pass\n"],
    "os.path": ["os/path.py", "import uos\n"],
    "asyncio": ["asyncio/__init__.py", "import select\n"],
}  # fmt: skip
KERNELS = {
    "full": (0x9000, FULL, ["_net", "_os", "select", "sys", "tls", "hashlib"], ["machine", "os"]),
    "middle": (
        0x5000,
        ["NET", "TCP"],
        ["_net", "_os", "select", "sys", "hashlib"],
        ["machine", "os"],
    ),
    "udp": (0x4000, ["NET"], ["_net", "_os", "sys", "hashlib"], ["os"]),
    "small": (0x3000, [], ["_os", "sys", "hashlib"], ["os"]),
}


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four flavours, only the whole one with frozen modules."""
    where = tmp_path_factory.mktemp("flavours")
    for name, (size, parts, builtin, extensible) in KERNELS.items():
        data = elf_builder.build(size)
        frozen = [*FROZEN, "os.path"] if name == "full" else []
        modules = {"builtin": builtin, "extensible": extensible, "frozen": frozen}
        told = elf_builder.meta(data, flavour=name, parts=parts, modules=modules)
        stem = "kernel" if name == "full" else f"kernel-{name}"
        (where / f"{stem}.elf").write_bytes(data)
        (where / f"{stem}.json").write_text(json.dumps(told))
    (where / "library.json").write_text(json.dumps(LIBRARY))
    return where / "kernel.elf"


@pytest.fixture
def build(folder, kernels, monkeypatch):
    """build(text) -> the image of the app, with what was chosen."""
    monkeypatch.setenv("IMPORTOS_KERNEL", str(kernels))

    def run(text: str, **options: object) -> mkimage.Image:
        folder({"app.py": text})
        return mkimage.build_image(mkimage.BuildOptions(entry=Path("app.py"), **options))

    return run


@pytest.mark.parametrize(
    ("text", "flavour"),
    [
        ("print(1)", "small"),
        ("import os\nos.every('1s', print)", "small"),
        ("import sys, os.path\nprint(os.path.join('a', sys.platform))", "small"),
        ("import net\nnet.udp(53, print)", "udp"),
        ("import net\nnet.listen(80, print)", "middle"),
        ("from net import connect", "middle"),
        ("import net\nprint(vars(net))", "middle"),
        ("import asyncio", "middle"),
        ("try:\n    import select\nexcept ImportError:\n    pass", "middle"),
        ("import tls", "full"),
        ("import net\nnet.listen(443, print, tls=('a', 'b'))", "full"),
        ("import net\nnet.listen(443, print, tls=None)", "middle"),
        ("x = 1 + 2.5J", "full"),
        ("print(complex(1))", "full"),
        ("import hashlib\nhashlib.sha256()", "small"),
        ("import hashlib\nhashlib.sha1()", "full"),
        ("import os\nos.listdir('/')", "full"),
        ("from os import *", "full"),
        ("import machine\nmachine.Disk(0)", "full"),
        ("print(open('/rom/a.txt').read())", "small"),
        ("print(open('/a.txt').read())", "full"),
        ("f = open", "full"),
        ("print(eval('1'))", "full"),
        ("class A:\n    def eval(self): pass\nA().eval()", "small"),
        ("import builtins\nbuiltins.exec('1')", "full"),
        ("import micropython\n@micropython.native\ndef f(): pass", "full"),
        ("from micropython import viper", "full"),
        ("__import__(input())", "full"),
    ],
)
def test_an_app_gets_the_smallest_kernel_that_it_can_use(build, text, flavour):
    if "micropython" in text or "builtins" in text:
        text = f"try:\n    import micropython, builtins\nexcept ImportError:\n    pass\n{text}"
        build_options = {"optional": ("micropython", "builtins")}
    else:
        build_options = {}
    assert build(text, **build_options).choice.meta.flavour == flavour


def test_what_the_whole_kernel_freezes_goes_into_the_rom_of_another(build):
    text = "import os, net\nnet.udp(1, print)"
    small = build(text)
    assert [m.rom for m in small.modules] == [
        "/rom/lib/net.mpy", "/rom/lib/os/__init__.mpy", "/rom/lib/os/path.mpy", "/rom/main.mpy",
    ]  # fmt: skip
    assert {m.origin for m in small.modules} == {"app", "library"}
    assert [m.rom for m in build(text, flavour="full").modules] == ["/rom/main.mpy"]


@pytest.mark.parametrize(
    "options",
    [
        {"keep_source": True},
        {"native": ("__main__",)},
        {"boot": {"at-exit": "repl"}},
        {"boot": {"on-crash": "repl"}},
        {"boot": {"override": "yes"}},
        {"needs": (flavours.Need("DISKS", "--disk", "command line"),)},
    ],
)
def test_what_an_option_needs_is_there(build, options):
    assert build("print(1)", **options).choice.meta.flavour == "full"


def test_the_choice_says_what_smaller_kernels_lack(build, command, kernels, monkeypatch):
    choice = build("import net\n\nnet.listen(80, print)").choice
    assert choice.why == (("small", "`net.listen` (app.py:3)"), ("udp", "`net.listen` (app.py:3)"))
    monkeypatch.setenv("IMPORTOS_KERNEL", str(kernels))
    err = command("mkimage", "-q", "app.py", "--report").err
    assert err.splitlines()[-1] == f"flavour {choice}"
    told = json.loads(command("mkimage", "-q", "app.py", "--json").out)["kernel"]
    assert told["flavour"] == "middle"
    assert [f["name"] for f in told["flavours_passed_over"]] == ["small", "udp"]


def test_an_image_without_an_app_has_the_prompt(kernels, monkeypatch):
    monkeypatch.setenv("IMPORTOS_KERNEL", str(kernels))
    assert mkimage.build_image(mkimage.BuildOptions()).choice.meta.flavour == "full"


def test_a_flavour_that_lacks_something_is_warned_of(build):
    image = build("import tls", flavour="small")
    assert image.choice.meta.flavour == "small"
    (warning,) = image.warnings
    assert warning.code == "M307"
    assert warning.message == "the flavour `small` lacks `tls` (__main__:1)"
    assert not build("print(1)", flavour="small").warnings


def test_an_unknown_flavour(command, folder, kernels, monkeypatch):
    folder({"app.py": ""})
    monkeypatch.setenv("IMPORTOS_KERNEL", str(kernels))
    result = command("mkimage", "app.py", "--flavour", "huge")
    assert result.code == 1
    assert "error[M307]: there is no flavour `huge` of the kernel" in result.err
    assert "full, middle, small, udp" in result.err


@pytest.fixture
def clone(folder, kernels, monkeypatch):
    """A clone in which only some flavours are built: clone("small")."""

    def build(*names: str) -> None:
        data = folder() / "data"
        data.mkdir()
        for name in names:
            for suffix in (".elf", ".json"):
                (data / f"kernel-{name}{suffix}").write_bytes(
                    kernels.with_name(f"kernel-{name}{suffix}").read_bytes()
                )
        (data / "library.json").write_text(json.dumps(LIBRARY))
        monkeypatch.delenv("IMPORTOS_KERNEL")
        monkeypatch.setattr(kernel, "DATA", data)

    return build


@pytest.mark.parametrize(
    ("text", "flavour"),
    [
        ("print(1)", "small"),
        ("import net\nnet.udp(53, print)", "udp"),
        ("import asyncio", "net"),
        ("open('/x')", "standard"),
        ("import tls", "full"),
    ],
)
@pytest.mark.parametrize("built", [(), ("small",)])
def test_the_flavour_that_is_needed_is_told_before_it_is_built(
    clone, command, folder, text, flavour, built
):
    clone(*built)
    folder({"app.py": text})
    assert command("mkimage", "app.py", "--print-flavour").out == f"{flavour}\n"
    assert not Path("app.elf").exists()


def test_the_prompt_needs_the_whole_kernel(clone, command):
    clone()
    assert command("mkimage", "--print-flavour").out == "full\n"


def test_a_wrong_app_is_told_before_anything_is_built(clone, command, folder):
    clone()
    folder({"app.py": "import nothing_like_it"})
    result = command("mkimage", "app.py", "--print-flavour")
    assert (result.code, result.out) == (1, "")
    assert "error[M101]: module `nothing_like_it` not found" in result.err


def test_a_flavour_that_is_not_built_is_named(clone, command, folder):
    clone("small")
    folder({"app.py": "import net\nnet.udp(53, print)", "hello.py": "print(1)"})
    assert command("mkimage", "hello.py").code == 0
    for flavour, arguments in (("udp", ()), ("net", ("--flavour", "net"))):
        result = command("mkimage", "app.py", *arguments)
        assert result.code == 3
        assert f"error[M302]: the flavour `{flavour}` of the kernel is needed" in result.err
        assert f"hint: make kernel FLAVOURS={flavour}" in result.err


def test_a_larger_flavour_does_where_the_smallest_is_not_built(clone, command, folder):
    clone("udp")
    folder({"app.py": "print(1)"})
    told = json.loads(command("mkimage", "-q", "app.py", "--json").out)["kernel"]
    assert told["flavour"] == "udp"


def test_packages_hand_contexts_on():
    source = "def f(ssl=None):\n    g(ssl=ssl)\n"
    tree = ast.parse(source)
    assert not flavours.scan(tree, source, "lib.py", installed=True)
    (need,) = flavours.scan(tree, source, "app.py")
    assert str(need) == "`ssl=` (app.py:2)"


def test_images_of_every_flavour_are_told_apart(build):
    path = Path("app.elf")
    mkimage.write_image(build("print(1)"), path)
    from importos import inspection

    assert inspection.describe(inspection.open_image(path))["kernel"]["flavour"] == "small"
    assert kernel.flavours()["small"].sha256 in inspection.info_text(path)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("import vfs\nvfs.mount(vfs.VfsLfs2(d), '/')", {"DISKS"}),
        ("import vfs\nvfs.VfsLfs1(d)", {"DISKS", "LFS1"}),
        ("from vfs import VfsLfs1", {"DISKS", "LFS1"}),
        ("import vfs\nprint(vars(vfs))", {"DISKS", "LFS1"}),
    ],
)
def test_littlefs_1_is_a_part_of_its_own(text: str, parts: set[str]) -> None:
    assert {need.part for need in flavours.scan(ast.parse(text), text, "app.py")} == parts
