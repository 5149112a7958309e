# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""The commands as a user meets them: what they print where, and their status."""

from __future__ import annotations

import json
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import fake_qemu
import jsonschema
import pytest

import importos
from importos import cli_types, commands, inspection, mkimage, report
from importos.diagnostics import EXPLAIN

FILES = {"app.py": "import util, json\n", "util.py": "import microdot\n", "data.json": "{}"}


@pytest.fixture
def with_qemu(folder, monkeypatch):
    monkeypatch.setenv("IMPORTOS_QEMU", str(fake_qemu.write(folder())))
    monkeypatch.setenv("FAKE_QEMU_SHUTDOWN", "guest-shutdown")
    monkeypatch.setenv("FAKE_QEMU_CONSOLE", "hello\r\n")


def test_a_build_says_what_it_did_on_standard_error(command, folder):
    folder(FILES)
    result = command("mkimage", "app.py", "data.json")
    assert (result.code, result.out) == (0, "")
    lines = result.err.splitlines()
    assert lines[0] == "   Tracing app.py: 4 modules (microdot 2.7.0)"
    assert re.fullmatch(r" Compiling 4 modules: [\d.]+ KiB of bytecode", lines[1])
    sizes = r"\(kernel full 16\.0, code [\d.]+, files 0\.00\)"
    assert re.fullmatch(r"  Building app\.elf: [\d.]+ KiB " + sizes, lines[2])
    assert re.fullmatch(r"  Finished in \d\.\d\ds", lines[3])
    assert lines[4] == "       Try mkimage app.py --run -p 8080:80"
    assert "\x1b" not in result.err


def test_quiet_says_nothing(command, folder):
    folder(FILES)
    assert command("mkimage", "-q", "app.py").err == ""


def test_colour_can_be_forced_and_forbidden(command, folder, monkeypatch):
    folder({"app.py": "import nope"})
    assert "\x1b[1;31merror[M101]\x1b[0m" in command("mkimage", "app.py", "--color=always").err
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in command("mkimage", "app.py").err


def test_json_is_one_object_that_fits_the_schema(command, folder):
    folder({**FILES, "app.py": "import util, json\n__import__(x)\n"})
    result = command("mkimage", "app.py", "data.json", "--json", "--env", "A=1")
    told = json.loads(result.out)
    schema = json.loads((Path(report.__file__).parent / "image.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(told, schema)
    modules = {m["name"]: m for m in told["modules"]}
    assert modules["microdot"]["imported_by"] == ["microdot.microdot", "util"] or modules[
        "microdot"
    ]["imported_by"] == ["microdot", "util"]
    assert modules["util"]["origin"] == "app"
    assert told["image"]["size"] == Path("app.elf").stat().st_size
    assert told["warnings"][0]["code"] == "M104"
    assert told["options"] == {"A": "1"}


@pytest.mark.usefixtures("with_qemu")
def test_json_of_a_run_holds_its_end(command, folder):
    folder({"app.py": ""})
    told = json.loads(command("mkimage", "app.py", "--json", "--run", "-q").out)
    schema = json.loads((Path(report.__file__).parent / "image.schema.json").read_text())
    jsonschema.validate(told, schema)
    assert told["run"]["status"] == 0
    assert told["run"]["console_tail"] == ["hello"]


def test_report_lists_everything_and_adds_up(command, folder):
    folder(FILES)
    lines = command("mkimage", "-q", "app.py", "data.json", "--report").err.splitlines()
    assert lines.pop() == "flavour full"
    sizes = [int(line.split()[0]) for line in lines[1:]]
    assert sum(sizes[:-1]) == sizes[-1] == Path("app.elf").stat().st_size
    assert sizes[:-1] == sorted(sizes[:-1], reverse=True)
    assert any("/rom/data.json" in line for line in lines)
    assert any("microdot 2.7.0" in line for line in lines)


def test_a_report_may_stand_before_the_entry(command, folder):
    folder(FILES)
    assert "data.json" in command("mkimage", "-q", "--report", "app.py", "data.json").err


class Page(HTMLParser):
    """The tables of a page, and whether it is whole and loads nothing."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert tag not in ("script", "link", "img", "iframe", "a")
        assert not {"src", "href"} & {name for name, _ in attributes}
        if tag not in ("meta", "!doctype"):
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] in (["td"], ["th"]):
            self.tables[-1][-1][-1] += data


def test_a_report_may_be_a_page(command, folder):
    app = "import util, json\nname = str()\n__import__(name)\n"
    folder({**FILES, "app.py": app, "<b>.txt": "x"})
    arguments = ("-q", "app.py", "data.json", "<b>.txt", "--env", "A=<&>")
    assert command("mkimage", *arguments, "--report=size.html").err.count("size.html") == 0
    text = Path("size.html").read_text()
    tables = {tuple(table[0]): table[1:] for table in Page(text).tables}
    rows = tables["bytes", "share", "", "what", "from"]
    sizes = [int(row[0].replace(",", "")) for row in rows]
    assert sum(sizes[:-1]) == sizes[-1] == Path("app.elf").stat().st_size
    assert {"/rom/data.json", "/rom/<b>.txt", "/rom/util.mpy", "kernel"} < {row[3] for row in rows}
    assert any(row[4].startswith("microdot 2.7.0") for row in rows)
    modules = tables["module", "path below /rom", "source", "in the image", "imported by"]
    assert "util" in {row[0] for row in modules}
    assert tables["flavour", ""] == [["full", "taken"]]
    assert ["A", "<&>"] in tables["option", "value"]
    assert any(row[0] == "M104" for row in tables["code", "where", "what"])
    assert "http" not in text
    command("mkimage", *arguments, "--report=again.html")
    assert Path("again.html").read_text() == text


def test_a_report_must_be_a_page(command, folder):
    folder(FILES)
    result = command("mkimage", "app.py", "--report=size.txt")
    assert result.code == 2
    assert "'size.txt': the report is a page, FILE.html" in result.err
    result = command("mkimage", "-q", "app.py", "--report=nowhere/a.html")
    assert result.code == 3
    assert "--> nowhere/a.html" in result.err


def test_why_names_the_importers(command, folder):
    folder(FILES)
    result = command("mkimage", "-q", "app.py", "--why", "json")
    assert result.out == "json <- app.py:1\n"
    assert not Path("app.elf").exists()
    result = command("mkimage", "-q", "app.py", "--why", "nothing")
    assert result.code == 1
    assert "`nothing` is not imported" in result.err


def test_the_last_of_two_values_counts(command, folder):
    folder(FILES)
    command("mkimage", "-q", "app.py", "--env", "A=1", "--env", "A=2", "--ip", "off")
    assert "options  ip=off A=2\n" in command("importos", "info", "app.elf").out


def test_a_dry_run_writes_nothing(command, folder):
    folder(FILES)
    assert "(nothing was written)" in command("mkimage", "app.py", "--dry-run").err
    assert not Path("app.elf").exists()


def test_several_outputs_are_the_same(command, folder):
    folder({"app.py": ""})
    assert command("mkimage", "-q", "app.py", "-o", "a.elf", "-o", "b.elf").code == 0
    assert Path("a.elf").read_bytes() == Path("b.elf").read_bytes()


def test_module_options_take_commas_and_repetition(command, folder):
    folder({"app.py": "", "a.py": "", "b.py": "", "c.py": ""})
    command("mkimage", "-q", "app.py", "-m", "a,b", "-m", "c")
    assert command("importos", "ls", "app.elf").out.count(".mpy") == 4


def test_print_command_prints_one_line_that_the_shell_can_read(command, folder):
    folder({"app.py": ""})
    result = command("mkimage", "-q", "app.py", "--print-command", "-p", "80", "-M", "microvm")
    argv = shlex.split(result.out)
    assert argv[0] == "qemu-system-x86_64"
    assert argv[argv.index("-kernel") + 1] == "app.elf"
    assert "user,id=n0,hostfwd=tcp:127.0.0.1:80-:80" in argv
    assert result.out.count("\n") == 1
    result = command("importos", "run", "app.elf", "--print-command", "--", "a", "b c")
    argv = shlex.split(result.out)
    assert argv[argv.index("-append") + 1] == 'on-crash=poweroff -- a "b c"'


@pytest.mark.usefixtures("with_qemu")
def test_a_run_passes_the_console_and_the_status_on(command, folder, monkeypatch):
    folder({"app.py": ""})
    result = command("mkimage", "-q", "app.py", "--run")
    assert (result.code, result.out, result.err) == (0, "hello\r\n", "")
    monkeypatch.setenv("FAKE_QEMU_STATUS", str(42 << 1 | 1))
    result = command("importos", "run", "app.elf", "-q")
    assert (result.code, result.err) == (42, "")


@pytest.mark.usefixtures("with_qemu")
def test_a_crash_is_told_with_the_end_of_the_console(command, folder, monkeypatch):
    folder({"app.py": ""})
    monkeypatch.setenv("FAKE_QEMU_CONSOLE", "one\ntwo\n")
    monkeypatch.setenv("FAKE_QEMU_SHUTDOWN", "guest-reset")
    result = command("importos", "run", "app.py", "-q")
    assert result.code == 125
    assert result.err == (
        "error[M401]: app.elf: the machine was reset: a triple fault, a watchdog, "
        "or machine.reset()\n"
        "note: the last lines of the console:\n"
        "  | one\n"
        "  | two\n"
    )
    assert not Path("app.elf").exists()


@pytest.mark.usefixtures("with_qemu")
def test_expect_and_timeout_make_a_test_of_one_line(command, folder, monkeypatch):
    folder({"app.py": ""})
    monkeypatch.setenv("FAKE_QEMU_HANG", "1")
    assert command("mkimage", "-q", "app.py", "--run", "--expect", "ello").code == 0
    result = command("mkimage", "-q", "app.py", "--run", "--expect", "x", "--timeout", "500ms")
    assert result.code == 124
    assert "no end within 0.5 s" in result.err


@pytest.mark.usefixtures("with_qemu")
def test_a_text_that_does_not_appear_is_told(command, folder, monkeypatch):
    folder({"app.py": ""})
    monkeypatch.setenv("FAKE_QEMU_SHUTDOWN", "guest-shutdown")
    result = command("mkimage", "-q", "app.py", "--run", "--expect", "nothing")
    assert result.code == 1
    assert "error[M401]: app.elf: the text 'nothing' did not appear\n" in result.err


@pytest.mark.usefixtures("with_qemu")
def test_the_line_of_an_expected_text_is_ended(command, folder, monkeypatch):
    folder({"app.py": ""})
    monkeypatch.setenv("FAKE_QEMU_CONSOLE", "ready")
    monkeypatch.setenv("FAKE_QEMU_HANG", "1")
    assert command("mkimage", "-q", "app.py", "--run", "--expect", "ready").out == "ready\n"


@pytest.mark.usefixtures("with_qemu")
def test_run_takes_boot_options_for_a_finished_image(command, folder):
    folder({"app.py": ""})
    command("mkimage", "-q", "app.py")
    result = command("importos", "run", "app.elf", "-v", "--env", "A=b c", "--at-exit", "repl",
                     "--memory", "16M")  # fmt: skip
    assert "-append 'at-exit=repl \"A=b c\"'" in result.err
    assert "-m 16M" in result.err


@pytest.mark.usefixtures("with_qemu")
def test_a_run_ends_at_a_crash_unless_it_leads_to_the_prompt(command, folder):
    folder({"app.py": ""})
    for option, ends in (([], True), (["--repl"], False), (["--at-exit", "repl"], False)):
        result = command("mkimage", "-v", "app.py", "--run", *option)
        assert ("-append on-crash=poweroff" in result.err) == ends, option


@pytest.mark.usefixtures("with_qemu")
def test_run_writes_the_image_where_it_is_told_to(command, folder):
    root = folder({"app.py": ""})
    command("importos", "run", "app.py")
    assert not (root / "app.elf").exists()
    command("importos", "run", "app.py", "-o", "kept.elf")
    assert command("importos", "info", "kept.elf").code == 0


@pytest.mark.usefixtures("with_qemu")
@pytest.mark.parametrize("option", [["-o", "b.elf"], ["--optimize", "0"], ["--compress"]])
def test_run_refuses_to_make_an_image_of_an_image(command, folder, option):
    folder({"app.py": ""})
    command("mkimage", "-q", "app.py")
    result = command("importos", "run", "app.elf", *option)
    assert result.code == 2
    assert "is for making an image, and app.elf is one\n" in result.err


@pytest.mark.usefixtures("with_qemu")
def test_run_without_an_image_is_the_prompt(command, folder):
    folder()
    result = command("importos", "run")
    assert result.code == 0
    assert "Booting repl.elf: q35, 64 MiB, " in result.err


def test_info_tells_what_is_inside(command, folder):
    folder(FILES)
    command("mkimage", "-q", "app.py", "data.json", "--env", "A=1", "--memory", "32M")
    told = json.loads(command("importos", "info", "app.elf", "--json").out)
    assert told["entry"] == "app.py"
    assert told["memory"] == 32 << 20
    assert told["packages"] == ["microdot 2.7.0"]
    assert told["payload"]["options"] == "A=1"
    assert told["kernel"]["micropython"] == "1.26.1"
    text = command("importos", "info", "app.elf").out
    assert f"upstream  micropython 1.26.1 sha256 {'ab' * 32}" in text
    assert told["image"]["sha256"] in text
    assert told["kernel"]["sha256"] in text


def test_the_files_of_an_image_can_be_listed_and_read(command, folder):
    folder(FILES)
    command("mkimage", "-q", "app.py", "data.json:conf/data.json")
    listed = command("importos", "ls", "app.elf").out.splitlines()
    assert listed[0].split() == ["2", "/rom/conf/data.json"]
    assert command("importos", "ls", "app.elf", "/rom/conf").out.split() == listed[0].split()
    assert command("importos", "ls", "app.elf", "/rom/nope").code == 1
    tree = command("importos", "tree", "app.elf").out.splitlines()
    assert tree[:3] == ["/rom", "    conf/", "        data.json  (2)"]
    assert command("importos", "cat", "app.elf", "/rom/conf/data.json").out == "{}"
    assert command("importos", "cat", "app.elf", "conf/data.json").out == "{}"
    assert command("importos", "cat", "app.elf", "/rom/x").code == 1


def test_doctor_is_content_when_all_is_there(command, folder, monkeypatch):
    monkeypatch.setenv("IMPORTOS_QEMU", str(fake_qemu.write(folder())))
    result = command("importos", "doctor")
    assert result.code == 0
    assert "ok  kernel     ImportOS 0.1.0 0123456789ab, MicroPython 1.26.1" in result.out
    monkeypatch.setenv("IMPORTOS_QEMU", "/nowhere")
    result = command("importos", "doctor")
    assert result.code == 3
    assert "FAIL  qemu" in result.out


def test_new_makes_an_app_that_builds(command, folder):
    folder()
    assert command("importos", "new", "app").code == 0
    assert command("mkimage", "-q", "app").code == 0
    assert Path("app.elf").exists()
    result = command("importos", "new", "app")
    assert result.code == 1
    assert "there is something of that name already" in result.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_for_both_commands(command, shell):
    out = command("importos", "completion", shell).out
    assert "_MKIMAGE_COMPLETE" in out
    assert "_IMPORTOS_COMPLETE" in out


def test_codes_are_explained(command):
    assert command("mkimage", "--explain", "m103").out == f"M103: {EXPLAIN['M103']}\n"
    assert command("importos", "--explain", "M999").code == 2


def test_every_code_that_is_used_is_explained():
    sources = "".join(p.read_text() for p in Path(importos.__file__).parent.glob("*.py"))
    assert set(re.findall(r'"(M\d{3})"', sources)) == set(EXPLAIN)


def test_version_and_help(command):
    assert command("importos", "--version").out == f"importos {importos.__version__}\n"
    assert "Usage: mkimage [OPTIONS] [ENTRY] [EXTRA]..." in command("mkimage", "-h").out
    for name in ("build", "run", "info", "ls", "tree", "cat", "console", "doctor", "new",
                 "completion", "symbolize"):  # fmt: skip
        assert command("importos", name, "--help").code == 0


@pytest.mark.parametrize(
    "arguments",
    [["--nope"], ["app.py", "-p", "http"], ["app.py", "--memory", "lots"], ["-O", "7", "app.py"],
     ["app.py", "--ip", "300.1.1.1/8"], ["app.py", "--env", "A"], ["app.py", "--timeout", "0"]],
)  # fmt: skip
def test_usage_errors_are_2(command, arguments):
    result = command("mkimage", *arguments)
    assert result.code == 2
    assert "Usage: mkimage" in result.err


def test_a_bug_of_ours_asks_for_a_report(command, folder, monkeypatch):
    folder({"app.py": ""})

    def fail(settings):
        raise RuntimeError("boom")

    monkeypatch.setattr(commands, "_build_options", fail)
    result = command("mkimage", "app.py")
    assert result.code == 4
    assert "internal error: RuntimeError: boom" in result.err
    saved = Path(re.search(r"report it with (\S+)", result.err)[1])
    assert "boom" in saved.read_text()
    saved.unlink()


@pytest.mark.parametrize(
    ("text", "size"),
    [("64M", 64 << 20), ("8", 8 << 20), ("1G", 1 << 30), ("8388608", 8 << 20), ("2MiB", 2 << 20)],
)
def test_memory_is_read_as_qemu_reads_it(text, size):
    assert cli_types.parse_memory(text) == size


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("80", "tcp:127.0.0.1:80-:80"),
        ("8080:80", "tcp:127.0.0.1:8080-:80"),
        ("0.0.0.0:8080:80", "tcp:0.0.0.0:8080-:80"),
        ("localhost:53:53/udp", "udp:127.0.0.1:53-:53"),
    ],
)
def test_ports_bind_the_loopback_unless_told_otherwise(text, rule):
    assert cli_types.parse_port(text).rule == rule


@pytest.mark.parametrize("text", ["", "0", "65536", "a:80", "1:2:3:4", "80/sctp", "-1:80", "::80"])
def test_other_ports_are_refused(text):
    with pytest.raises(ValueError, match=r"port|PORT|address"):
        cli_types.parse_port(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("2m", 120), ("500ms", 0.5), ("1.5", 1.5), ("1h", 3600)]
)
def test_times_have_units(text, seconds):
    assert cli_types.parse_duration(text) == seconds


def test_opening_is_the_reverse_of_building(folder):
    root = folder(FILES)
    image = mkimage.build_image(mkimage.BuildOptions(root / "app.py", extras=("data.json",)))
    mkimage.write_image(image, root / "app.elf")
    opened = inspection.open_image(root / "app.elf")
    assert opened.files["data.json"] == b"{}"
    assert opened.memory == 64 << 20
