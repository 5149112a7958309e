# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Settings from files, and their precedence."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from importos import config
from importos.errors import ImageError
from importos.qemu import Port

EVERYTHING = """
entry = "app.py"
output = ["dist/a.elf", "dist/b.elf"]
include = ["data.json:conf/d.json", "www/**/*.html"]
modules = ["a", "b.c"]
exclude = "x"
optional = ["y"]
native = ["a"]
paths = ["lib"]
source = true
optimize = 1
flavour = "udp"
compress = true
memory = "128M"
heap = "50%"
at-exit = "reboot"
on-crash = "reboot"
console = "none"
baud = 9600
env = { TZ = "UTC" }
[net]
ip = "10.0.2.15/24,10.0.2.2"
hostname = "sensor-1"
[run]
ports = ["8080:80"]
machine = "microvm"
accel = "tcg"
bios = "bios-256k.bin"
cpu = "max"
smp = 2
disks = ["disk.img"]
timeout = "30s"
expect = ["ready"]
[target.prod]
memory = "8M"
[target.prod.run]
machine = "pc"
"""


def read(**arguments) -> dict:
    return config.settings(arguments)


def test_every_key_arrives(folder):
    root = folder({"mkimage.toml": EVERYTHING, "www/a/b.html": "", "www/c.css": "", "app.py": ""})
    settings = read()
    assert settings["entry"] == Path("app.py")
    assert settings["output"] == (Path("dist/a.elf"), Path("dist/b.elf"))
    assert settings["extra"] == ("data.json:conf/d.json", "www/a/b.html:www/a/b.html")
    assert settings["modules"] == ("a", "b.c")
    assert (settings["exclude"], settings["optional"]) == (("x",), ("y",))
    assert (settings["source"], settings["optimize"], settings["baud"]) == (True, 1, 9600)
    assert (settings["memory"], settings["heap"]) == (128 << 20, "50%")
    assert (settings["at_exit"], settings["on_crash"]) == ("reboot", "reboot")
    assert settings["env"] == (("TZ", "UTC"),)
    assert (settings["ip"], settings["hostname"]) == ("10.0.2.15/24,10.0.2.2", "sensor-1")
    assert settings["ports"] == (Port(80, 8080),)
    assert (settings["machine"], settings["timeout"]) == ("microvm", 30.0)
    assert settings["bios"] == "bios-256k.bin"
    assert (settings["flavour"], settings["compress"]) == ("udp", True)
    assert root.exists()


def test_target_wins_over_the_table_and_the_command_line_over_both(folder):
    folder({"mkimage.toml": EVERYTHING, "www/a.html": ""})
    assert (read()["memory"], read()["machine"]) == (128 << 20, "microvm")
    assert read(flavour="net")["flavour"] == "net"
    chosen = read(target="prod")
    assert (chosen["memory"], chosen["machine"], chosen["smp"]) == (8 << 20, "pc", 2)
    chosen = read(target="prod", memory=16 << 20, source=False, modules=())
    assert (chosen["memory"], chosen["source"]) == (16 << 20, True)
    assert chosen["modules"] == ("a", "b.c")


def test_a_block_in_the_script_wins_over_files_beside_it(folder):
    block = "# /// script\n# [tool.mkimage]\n# memory = '32M'\n# include = ['d']\n# ///\n"
    folder({"app/app.py": "#!/usr/bin/python\n" + block, "app/mkimage.toml": "memory = '16M'",
            "app/other.py": ""})  # fmt: skip
    assert read(entry=Path("app/app.py"))["memory"] == 32 << 20
    assert read(entry=Path("app/app.py"))["extra"] == ("app/d",)
    assert read(entry=Path("app/other.py"))["memory"] == 16 << 20
    assert read(entry=Path("app"))["memory"] == 16 << 20


def test_a_script_block_without_our_table_is_no_configuration(folder):
    folder({"app.py": "# /// script\n# dependencies = ['microdot']\n# ///\n"})
    assert read(entry=Path("app.py"))["memory"] is None


def test_pyproject_counts_only_with_our_table(folder):
    folder({"pyproject.toml": "[tool.ruff]\n"})
    assert read()["memory"] is None
    folder({"pyproject.toml": "[tool.mkimage]\nmemory = '32M'\n"})
    assert read()["memory"] == 32 << 20


def test_a_file_can_be_named(folder):
    folder({"conf/other.toml": "memory = '32M'\ninclude = ['d']", "mkimage.toml": "memory = '1M'"})
    settings = read(config=Path("conf/other.toml"))
    assert (settings["memory"], settings["extra"]) == (32 << 20, ("conf/d",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("memroy = '1M'", "unknown key `memroy`"),
        ("[run]\nport = ['80']", "unknown key `run.port`"),
        ("[target.a]\nnope = 1", "unknown key `nope`"),
        ("memory = 64", "`memory` must be a text"),
        ("memory = 'lots'", "'lots' is not a size such as 64M"),
        ("source = 1", "`source` must be true or false"),
        ("optimize = 4", "`optimize` must be a number from 0 to 3"),
        ("optimize = true", "`optimize` must be a number from 0 to 3"),
        ("at-exit = 'explode'", "`at-exit` must be one of poweroff, reboot, repl, halt"),
        ("modules = [1]", "`modules` must be a list of texts"),
        ("include = ['*.nothing']", "nothing fits `*.nothing`"),
        ("run = 1", "`run` must be a table"),
        ("target = 'a'", "`target` must be a table"),
        ("[target]\na = 1", "`target.a` must be a table"),
        ("env = { A = 1 }", "`env` must be a table of texts"),
        ("[run]\nports = ['http']", "'http' is not [[HOST:]PORT:]GUEST_PORT[/udp]"),
        ("[net]\nip = '1.2.3'", "'1.2.3' is not dhcp, off or A.B.C.D/N[,GATEWAY]"),
        ("entry = ['a', 'b']", "`entry` must be one path"),
        ("memory = ", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_told_with_the_file(command, folder, text, message):
    folder({"mkimage.toml": text, "app.py": ""})
    result = command("mkimage", "app.py", "--target", "a")
    assert result.code in (1, 2)
    assert "error[M004]: " in result.err
    assert message in result.err
    assert "--> mkimage.toml\n" in result.err


@pytest.mark.parametrize(
    ("text", "name"), [("tool = 1", "tool"), ("[tool]\nmkimage = 'a'", "tool.mkimage")]
)
def test_our_table_must_be_one(command, folder, text, name):
    folder({"pyproject.toml": f"# [tool.mkimage]\n{text}", "app.py": ""})
    for arguments in (["app.py"], ["app.py", "--config", "pyproject.toml"]):
        result = command("mkimage", *arguments)
        assert result.code == 1
        assert f"error[M004]: `{name}` must be a table\n" in result.err


def test_a_misspelt_key_gets_a_suggestion(folder):
    folder({"mkimage.toml": "memroy = '1M'"})
    with pytest.raises(ImageError) as raised:
        read()
    assert raised.value.diagnostics[0].hints == ("did you mean `memory`?",)


def test_a_target_that_is_not_there_is_told(folder):
    folder({"mkimage.toml": "memory = '1M'"})
    with pytest.raises(ImageError, match="there is no target `prod`"):
        read(target="prod")
    with pytest.raises(ImageError, match="there is no configuration"):
        read(target="prod", entry=Path("elsewhere/app.py"))


def schema() -> dict:
    return json.loads((Path(config.__file__).parent / "mkimage.schema.json").read_text())


def test_the_published_schema_knows_the_keys_that_are_read():
    settings = schema()["$defs"]["settings"]["properties"]
    reader = config._Reader("", Path())
    assert set(settings) == {*reader.keys, *reader.tables}
    for name, table in reader.tables.items():
        assert set(settings[name]["properties"]) == set(table)
    assert set(schema()["properties"]) == {*settings, "target"}


def test_the_published_schema_accepts_what_is_read_and_refuses_the_rest():
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(tomllib.loads(EVERYTHING), schema())
    for wrong in ({"memroy": "1M"}, {"run": {"port": "1"}}, {"optimize": 4}, {"target": {"a": 1}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema())
