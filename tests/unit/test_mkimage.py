# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Whole images: what is in them, that they are reproducible, and that writing is atomic."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from importos import mkimage, payload, romfs
from importos.errors import ImageError
from importos.mkimage import BuildOptions, build_image, write_image


def rom(image: mkimage.Image) -> dict[str, bytes]:
    return romfs.read(payload.read(image.data)[1].romfs)


def test_the_entry_becomes_main(folder):
    root = folder({"hello.py": "print('hi')"})
    image = build_image(BuildOptions(root / "hello.py"))
    assert list(rom(image)) == ["main.mpy"]
    assert b"hello.py" in rom(image)["main.mpy"]


@pytest.mark.parametrize("name", ["main.py", "__main__.py"])
def test_a_folder_is_an_entry_by_its_main(folder, name):
    root = folder({f"app/{name}": "import util", "app/util.py": ""})
    assert list(rom(build_image(BuildOptions(root / "app")))) == ["main.mpy", "util.mpy"]


def test_no_entry_is_the_prompt(folder):
    folder()
    image = build_image(BuildOptions())
    assert payload.read(image.data)[1].romfs == b""
    assert image.entry == ""


def test_source_is_kept_as_it_is_if_asked_for(folder):
    root = folder({"app.py": "import b\n", "b.py": "x = 'ä'\n"})
    files = rom(build_image(BuildOptions(root / "app.py", keep_source=True)))
    assert files == {"main.py": b"import b\n", "b.py": "x = 'ä'\n".encode()}


def test_packages_lie_below_lib_and_keep_their_names_in_tracebacks(folder):
    root = folder({"app.py": "import microdot\n"})
    image = build_image(BuildOptions(root / "app.py"))
    files = rom(image)
    assert list(files) == ["lib/microdot/__init__.mpy", "lib/microdot/microdot.mpy", "main.mpy"]
    assert b"microdot/microdot.py" in files["lib/microdot/microdot.mpy"]
    assert {m.dist for m in image.modules if m.origin == "site"} == {"microdot"}


def test_the_example_service_is_frozen_with_microdot(folder):
    folder()
    entry = Path(__file__).parents[2] / "examples/rest_service.py"
    names = {m.name: m.version for m in build_image(BuildOptions(entry)).modules}
    assert set(names) == {"__main__", "microdot", "microdot.microdot"}
    assert names["microdot"] == "2.7.0"


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("data.json", ["data.json"]),
        ("data.json:conf/d.json", ["conf/d.json"]),
        ("data.json:/etc/", ["etc/data.json"]),
        ("www", ["www/a.html", "www/css/b.css"]),
        ("www/", ["a.html", "css/b.css"]),
        ("www/:/static", ["static/a.html", "static/css/b.css"]),
        ("www:", ["a.html", "css/b.css"]),
        ("more.py", ["more.mpy"]),
        ("more.py:lib/more.py", ["lib/more.mpy"]),
    ],
)
def test_extra_files_and_folders_go_where_they_are_told(folder, extra, expected):
    folder(
        {
            "app.py": "",
            "data.json": "{}",
            "www/a.html": "<p>",
            "www/css/b.css": "p{}",
            "www/.git/x": "",
            "www/__pycache__/y": "",
            "more.py": "",
        }
    )
    files = rom(build_image(BuildOptions(Path("app.py"), extras=(extra,))))
    assert sorted(set(files) - {"main.mpy"}) == expected


def test_modules_in_an_extra_folder_are_compiled_and_traced(folder):
    folder({"app.py": "", "pkg/__init__.py": "from . import a", "pkg/a.py": "import util",
            "util.py": ""})  # fmt: skip
    files = rom(build_image(BuildOptions(Path("app.py"), extras=("pkg",))))
    assert set(files) == {"main.mpy", "pkg/__init__.mpy", "pkg/a.mpy", "util.mpy"}


def test_a_module_can_be_asked_for(folder):
    root = folder({"app.py": "__import__(name)", "plug.py": "", "x/__init__.py": "", "x/y.py": ""})
    image = build_image(BuildOptions(root / "app.py", modules=("plug", "x.y")))
    assert {"plug.mpy", "x/__init__.mpy", "x/y.mpy"} < set(rom(image))
    assert [w.code for w in image.warnings] == ["M104"]


def test_boot_options_are_stored(folder):
    root = folder({"app.py": ""})
    image = build_image(BuildOptions(root / "app.py", boot={"at-exit": "repl", "A": "b c"}))
    assert payload.read(image.data)[1].options == 'at-exit=repl "A=b c"'


def test_two_builds_give_the_same_bytes_wherever_and_whenever(folder, monkeypatch):
    files = {"app.py": "import a, microdot", "a.py": "x = 1", "d/z": "1", "d/b": "2"}
    images = []
    for place in ("one", "two/deeper"):
        root = folder({f"{place}/{name}": text for name, text in files.items()}) / place
        for number, path in enumerate(sorted(root.rglob("*"))):
            os.utime(path, (number * 1000, number * 1000))
        monkeypatch.chdir(root)
        monkeypatch.setenv("PYTHONHASHSEED", str(len(images)))
        images.append(build_image(BuildOptions(Path("app.py"), extras=("d",))).data)
    assert images[0] == images[1]
    assert bytes(root) not in images[0]


def test_an_image_is_written_by_renaming(folder, monkeypatch):
    root = folder({"app.py": ""})
    image = build_image(BuildOptions(root / "app.py"))
    target = root / "app.elf"
    target.write_bytes(b"before")
    seen = []
    real = os.replace
    monkeypatch.setattr(
        os,
        "replace",
        lambda a, b: (seen.append((target.read_bytes(), Path(a).parent)), real(a, b)),
    )
    write_image(image, target)
    assert seen == [(b"before", root)]
    assert target.read_bytes() == image.data
    assert sorted(p.name for p in root.iterdir()) == ["app.elf", "app.py"]


def test_a_failing_disk_leaves_the_previous_image_and_nothing_else(folder, monkeypatch):
    root = folder({"app.py": ""})
    image = build_image(BuildOptions(root / "app.py"))
    target = root / "app.elf"
    target.write_bytes(b"before")

    def full(path, data):
        with path.open("wb") as file:
            file.write(data[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ImageError, match="No space left") as raised:
        write_image(image, target)
    assert raised.value.exit_code == 3
    assert target.read_bytes() == b"before"
    assert sorted(p.name for p in root.iterdir()) == ["app.elf", "app.py"]


def test_sizes_add_up(folder):
    root = folder({"app.py": "x = 1", "d.bin": b"1" * 1000})
    image = build_image(BuildOptions(root / "app.py", extras=(str(root / "d.bin"),)))
    assert image.files == [("/rom/d.bin", 1000)]
    assert image.modules[0].size == len(rom(image)["main.mpy"])
    assert len(image.data) == image.kernel.elf.payload_offset + image.payload_size
