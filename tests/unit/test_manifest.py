# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""MicroPython's manifests: what goes in, under which name, and what is told of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from importos import payload, romfs
from importos.errors import ImageError
from importos.mkimage import BuildOptions, build_image

APP = {"app.py": ""}
LIBRARY = {
    "lib/python-stdlib/logging/manifest.py": 'metadata(version="1")\nmodule("logging.py")\n',
    "lib/python-stdlib/logging/logging.py": "",
    "lib/micropython/net/umqtt.robust/manifest.py": (
        'require("umqtt.simple")\nrequire("logging")\npackage("umqtt")\n'
    ),
    "lib/micropython/net/umqtt.robust/umqtt/robust.py": "from . import simple",
    "lib/micropython/net/umqtt.simple/manifest.py": 'package("umqtt")\n',
    "lib/micropython/net/umqtt.simple/umqtt/simple.py": "import socket",
}


@pytest.fixture
def build(folder, monkeypatch):
    """build({file: text}) -> the ROM's paths; the manifest is m/manifest.py."""
    for name in ("MPY_DIR", "MPY_LIB_DIR"):
        monkeypatch.delenv(name, raising=False)

    def run(files: dict[str, str], entry: str | None = "app.py") -> list[str]:
        root = folder(APP | files)
        image = build_image(
            BuildOptions(root / entry if entry else None, manifests=(root / "m/manifest.py",))
        )
        assert root / "m/manifest.py" in image.sources  # for --watch
        return list(romfs.read(payload.read(image.data)[1].romfs))

    return run


def wrong(build, manifest: str, files: dict[str, str] | None = None) -> tuple[str, str, int]:
    with pytest.raises(ImageError) as raised:
        build({"m/manifest.py": manifest} | (files or {}))
    (told,) = raised.value.diagnostics
    return told.code, told.message, told.line


def test_a_module_a_package_and_a_folder(build):
    files = {
        "m/manifest.py": (
            'module("a.py")\n'
            'module("b.py", base_path="other", opt=3)\n'
            'package("p")\n'
            'package("q", files=("one.py",), base_path="other")\n'
            'freeze("frozen")\n'
            'freeze("some", ("x.py", "in"))\n'
        ),
        "m/a.py": "", "m/other/b.py": "",
        "m/p/__init__.py": "", "m/p/inner/deep.py": "", "m/p/data.txt": "",
        "m/other/q/one.py": "", "m/other/q/two.py": "",
        "m/frozen/f.py": "", "m/frozen/g/h.py": "",
        "m/some/x.py": "", "m/some/y.py": "", "m/some/in/z.py": "",
    }  # fmt: skip
    assert build(files) == [
        "a.mpy", "b.mpy", "f.mpy", "g/h.mpy", "in/z.mpy", "main.mpy", "p/__init__.mpy",
        "p/inner/deep.mpy", "q/one.mpy", "x.mpy",
    ]  # fmt: skip


def test_the_app_finds_what_the_manifest_has_and_that_is_traced(build):
    files = {
        "app.py": "import driver, pack.part",
        "m/manifest.py": 'module("driver.py", base_path="d")\npackage("pack")\n',
        "m/d/driver.py": "import microdot",
        "m/pack/__init__.py": "",
        "m/pack/part.py": "from . import other",
        "m/pack/other.py": "",
    }
    assert {"driver.mpy", "pack/part.mpy", "lib/microdot/__init__.mpy"} <= set(build(files))


def test_manifests_include_others_with_options(build):
    files = {
        "m/manifest.py": 'include("../board", fast=True)\ninclude("two.py")\n',
        "m/two.py": 'options.defaults(fast=False)\nif not options.fast: module("slow.py")\n',
        "m/slow.py": "",
        "board/manifest.py": (
            'options.defaults(fast=False, more=True)\nif options.fast and options.more:\n'
            '    module("fast.py")\nif options.absent is None: module("b.py")\n'
        ),
        "board/fast.py": "",
        "board/b.py": "",
    }  # fmt: skip
    assert build(files) == ["b.mpy", "fast.mpy", "main.mpy", "slow.mpy"]


def test_require_takes_a_clone_of_the_library_with_what_that_requires(build, monkeypatch):
    monkeypatch.setenv("MPY_LIB_DIR", "lib")
    files = LIBRARY | {"m/manifest.py": 'require("umqtt.robust")\nrequire("logging")\n'}
    files["app.py"] = "import umqtt.robust\nfrom umqtt.simple import *"
    assert build(files) == ["logging.mpy", "main.mpy", "umqtt/robust.mpy", "umqtt/simple.mpy"]


def test_require_takes_what_the_kernel_or_the_environment_has(build):
    assert build({"m/manifest.py": 'require("os")\nrequire("microdot")\n'}) == [
        "lib/microdot/__init__.mpy",
        "lib/microdot/microdot.mpy",
        "main.mpy",
    ]


def test_require_finds_a_library_of_ones_own(build):
    files = {
        "m/manifest.py": 'add_library("ours", "../ours")\nrequire("tool", library="ours")\n',
        "ours/tool/manifest.py": 'module("tool.py")\n',
        "ours/tool/tool.py": "",
    }
    assert build(files) == ["main.mpy", "tool.mpy"]


def test_the_variables_of_micropython(build, monkeypatch):
    monkeypatch.setenv("MPY_DIR", str(Path("upstream").absolute()))
    files = {"m/manifest.py": 'freeze("$(MPY_DIR)/x")\n', "upstream/x/a.py": ""}
    assert build(files) == ["a.mpy", "main.mpy"]


def test_the_entry_in_a_frozen_folder_is_not_taken_twice(build):
    assert build({"m/manifest.py": 'freeze("..", "app.py")\n'}) == ["main.mpy"]


def test_without_an_entry_the_manifests_main_is_the_app(build):
    assert build({"m/manifest.py": 'module("main.py")\n', "m/main.py": ""}, None) == ["main.mpy"]


@pytest.mark.parametrize(
    ("manifest", "code", "message", "line"),
    [
        ("\nmodule('gone.py')\n", "M003", "the file does not exist", 0),
        ("package('gone')\n", "M003", "the folder does not exist", 0),
        ("module('a.txt')\n", "M106", "only .py files go in", 0),
        ("include('gone.py')\n", "M003", "cannot be read: No such file or directory", 0),
        ("\n\nc_module('x')\n", "M106", "`c_module()` is not supported: there is no compiler", 3),
        ("freeze_mpy('x')\n", "M106", "`freeze_mpy()` is not supported: use freeze()", 1),
        ("\nrequire('nowhere')\n", "M106", "`require('nowhere')`: not in the kernel", 2),
        ("require('ffilib', unix_ffi=True)\n", "M106", "`ffilib`: there is no libffi", 1),
        ("freeze('$(PORT_DIR)/x')\n", "M106", "`$(PORT_DIR)/x`: this variable is not known", 1),
        ("freeze('$(MPY_DIR)/x')\n", "M106", "`$(MPY_DIR)/x`: the environment variable MPY", 1),
        ("\n1 / 0\n", "M106", "the manifest raised ZeroDivisionError: division by zero", 2),
        ("x = \n", "M106", "invalid syntax", 1),
        ("include('manifest.py')\n", "M106", "manifests include each other without end", 0),
    ],
)
def test_mistakes_are_told_with_their_line(build, manifest, code, message, line):
    told = wrong(build, manifest)
    assert told[0] == code
    assert told[1].startswith(message)
    assert told[2] == line


def test_the_option_and_the_setting(command, folder):
    folder(APP | {"x/manifest.py": 'module("a.py")\n', "x/a.py": ""})
    assert command("mkimage", "app.py", "--manifest", "x/manifest.py").code == 0
    assert "a.mpy" in command("importos", "ls", "app.elf").out
    folder({"mkimage.toml": 'manifests = "x/manifest.py"\n'})
    assert command("mkimage", "app.py", "-o", "b.elf").code == 0
    assert "a.mpy" in command("importos", "ls", "b.elf").out
