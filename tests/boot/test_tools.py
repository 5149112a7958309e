# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""`importos run` and `mkimage --run` with the real kernel, as a user types them."""

from __future__ import annotations

import json
import re
import socket
import sys
import time
import urllib.request
from pathlib import Path

import pexpect
import pytest
from support import ROOT, run_tool

TIMEOUT_S = 60  # finds hangs; a boot takes less than one
FAST = ("--machine", "microvm", "--accel", "tcg", "--timeout", f"{TIMEOUT_S}s")
EXAMPLES = ROOT / "examples"


def run(*arguments: str | Path, **more):
    """`importos run` on the quickest machine."""
    return run_tool("run", *FAST, *arguments, **more)


def terminal(*arguments: str) -> pexpect.spawn:
    """`importos run` on a terminal of its own."""
    argv = ["-m", "importos", "run", *FAST, *arguments]
    return pexpect.spawn(sys.executable, argv, timeout=TIMEOUT_S, encoding="utf-8")


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_hello_says_hello():
    done = run(EXAMPLES / "hello.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Hello from Python on bare metal!\n")
    assert re.search(r"micropython on x86, \d+ ms after the start", done.stdout)


def test_report_finds_the_file_that_travels_with_it():
    done = run(EXAMPLES / "report.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.replace("\r", "").splitlines() == [
        "sensor   days    low   mean   high",
        "attic       4  16.50  19.88  23.75",
        "cellar      4  11.50  12.00  12.50",
    ]


def test_life_draws_and_ends():
    done = run(EXAMPLES / "life.py", "--", "5", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\x1b[H") == 5
    assert "generation 5, " in done.stdout
    assert re.search(r"5 generations, \d+ cells alive", done.stdout)


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("print('done')", 0),
        ("import sys; sys.exit(42)", 42),
        ("raise ValueError('no')", 1),
        ("import machine; machine.mem8[0]", 125),
        ("import machine; machine.reset()", 125),
    ],
)
def test_the_status_of_the_run_is_the_apps(tmp_path, program, status):
    done = run(write(tmp_path / "app.py", program))
    assert done.returncode == status, done.stderr
    told = "error[M401]" in done.stderr
    assert told == (status in (1, 125))


def test_a_panic_is_told_by_its_reason(tmp_path):
    done = run(write(tmp_path / "app.py", "import machine\nmachine.mem8[0]\n"))
    assert re.search(r"error\[M401\]: app\.elf: panic: page fault", done.stderr), done.stderr
    assert 'File "app.py", line 2' in done.stderr


def test_an_endless_app_ends_at_the_time_limit(tmp_path):
    app = write(tmp_path / "app.py", "print('begun')\nwhile True:\n    pass\n")
    started = time.monotonic()
    done = run_tool("run", app, *FAST[:4], "--timeout", "3s")
    assert done.returncode == 124
    assert done.stdout == "begun\n"
    assert time.monotonic() - started < TIMEOUT_S


def test_expect_is_a_test_in_one_line(tmp_path):
    app = write(tmp_path / "app.py", "print('ready')\nwhile True:\n    pass\n")
    assert run(app, "--expect", "ready").returncode == 0


def test_arguments_and_environment_reach_the_app(tmp_path):
    app = write(tmp_path / "app.py", "import os, sys\nprint(sys.argv[1:], os.getenv('A'))\n")
    done = run(app, "--env", "A=b c", "--", "one", "two words")
    assert done.stdout == "['one', 'two words'] b c\n"


def test_data_and_modules_are_where_the_app_looks(tmp_path):
    write(tmp_path / "app.py", "import util\nprint(util.x, open('/rom/conf/d.txt').read())\n")
    write(tmp_path / "util.py", "x = 7\n")
    write(tmp_path / "d.txt", "data")
    done = run_tool("build", "app.py", "d.txt:conf/d.txt", "--run", *FAST, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "7 data\n"), done.stderr


def test_source_text_runs_too(tmp_path):
    write(tmp_path / "app.py", "import util\nprint(util.x, __name__)\n")
    write(tmp_path / "util.py", "x = 7\n")
    done = run(tmp_path / "app.py", "--source")
    assert (done.returncode, done.stdout) == (0, "7 __main__\n"), done.stderr


@pytest.mark.parametrize("options", [("-O", "0"), ("-O", "3"), ("--native", "util")])
def test_every_way_to_compile_runs(tmp_path, options):
    write(tmp_path / "app.py", "import util\nprint(util.f(6))\n")
    write(
        tmp_path / "util.py",
        "def f(a):\n    s = 0\n    for i in range(7):\n        s += a\n    return s\n",
    )
    done = run(tmp_path / "app.py", *options)
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr


def test_every_module_of_the_kernels_list_can_be_imported(tmp_path):
    meta = json.loads((ROOT / "tools/importos/data/kernel.json").read_text())["modules"]
    names = sorted({*meta["builtin"], *meta["extensible"], *meta["frozen"]} - {"_boot"})
    app = f"for name in {names!r}:\n    __import__(name)\nprint('all')\n"
    done = run(write(tmp_path / "app.py", app))
    assert done.stdout.endswith("all\n"), done.stdout + done.stderr


def test_ctrl_c_interrupts_python_and_ctrl_a_x_leaves():
    with terminal() as child:
        child.expect("Ctrl-A X quits")
        child.expect(">>> ")
        child.send("while True: pass\r\r")
        child.expect_exact("... \r")
        child.send("\x03")
        child.expect("KeyboardInterrupt")
        child.expect(">>> ")
        child.send("6 * 7\r")
        child.expect(r"\n42\r")
        child.send("\x01x")
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 130


def test_ctrl_c_ends_an_app_with_its_traceback(tmp_path):
    app = write(tmp_path / "app.py", "print('begun')\nwhile True:\n    pass\n")
    with terminal(str(app)) as child:
        child.expect("begun")
        child.send("\x03")
        child.expect("KeyboardInterrupt")
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 130


def test_a_guest_on_a_pty_is_reached_with_the_console_command():
    argv = ["-m", "importos", "run", *FAST, "--serial", "pty"]
    with pexpect.spawn(sys.executable, argv, timeout=TIMEOUT_S, encoding="utf-8") as guest:
        guest.expect(r"redirected to (\S+) ")
        port = guest.match[1]
        argv = ["-m", "importos", "console", port]
        with pexpect.spawn(sys.executable, argv, timeout=TIMEOUT_S, encoding="utf-8") as child:
            child.expect("leaves")
            child.send("\r")
            child.expect(">>> ")
            child.send("6 * 7\r")
            child.expect(r"\n42\r")
            child.send("\x1d")
            child.expect(pexpect.EOF)
        guest.terminate()
        guest.expect(pexpect.EOF)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def request(port: int, path: str, body: dict | None = None) -> object:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    wanted = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
    with urllib.request.urlopen(wanted, timeout=5) as answer:
        return json.load(answer)


def test_the_service_made_with_a_package_answers(tmp_path):
    port = free_port()
    argv = ["-m", "importos", "run", *FAST, "-p", f"{port}:80", str(EXAMPLES / "rest_service.py")]
    with pexpect.spawn(sys.executable, argv, timeout=TIMEOUT_S, encoding="utf-8") as guest:
        guest.expect("notes service on port 80")
        # QEMU accepts before the guest listens: ask until there is an answer.
        for _ in range(40):
            try:
                assert request(port, "/") == {"service": "notes", "count": 0}
                break
            except (OSError, ValueError):
                time.sleep(0.1)
        assert request(port, "/notes", {"text": "milk"}) == {"id": 1, "text": "milk"}
        assert request(port, "/notes") == [{"id": 1, "text": "milk"}]
        guest.send("\x01x")
        guest.expect(pexpect.EOF)
