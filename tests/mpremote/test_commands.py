# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""mpremote's other commands: programs, packages, clock, reset, ROMFS."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path


@contextlib.contextmanager
def served(directory: Path) -> Iterator[str]:
    """The URL of a server of the files in (directory)."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=directory)
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_eval_prints_the_value(mpremote):
    assert mpremote("eval", "2 ** 70") == f"{2**70}\n"


def test_an_exception_is_told_and_ends_with_failure(mpremote):
    out = mpremote("exec", "1/0", status=1)
    assert "ZeroDivisionError" in out


def test_exec_and_run_print_what_the_program_does(mpremote, tmp_path):
    assert mpremote("exec", "print('grün')") == "grün\n"
    (tmp_path / "program.py").write_text("import sys\nfor n in range(3):\n    print(n)\n")
    assert mpremote("run", "program.py") == "0\n1\n2\n"


def test_soft_reset_forgets_variables(mpremote):
    out = mpremote("exec", "kept = 1", "soft-reset", "eval", "'kept' in globals()")
    assert out == "False\n"


def test_soft_reset_forgets_the_environment(mpremote):
    # More than once: the first programs put other things where the forgotten ones were.
    program = "import os; print(os.getenv('KEPT')); os.putenv('KEPT', 'value')"
    words = [word for _ in range(8) for word in ("exec", program, "soft-reset")]
    assert mpremote(*words) == 8 * "None\n"


def test_resume_keeps_variables(mpremote):
    mpremote("exec", "kept = 42")
    assert mpremote("resume", "eval", "kept") == "42\n"


def test_mount_imports_anew_after_a_change_on_the_host(mpremote, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    module = shared / "live.py"
    for value in ("first", "second and longer"):
        module.write_text(f"print('{value}')\n")
        assert value in mpremote("mount", shared, "exec", "import live")


def test_mount_lets_the_guest_write_to_the_host(mpremote, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    mpremote("mount", shared, "exec", "f = open('out.txt', 'w'); f.write('written'); f.close()")
    assert (shared / "out.txt").read_text() == "written"


def test_mip_installs_from_an_index(mpremote, tmp_path):
    package = tmp_path / "index/package/py/hi/latest.json"
    package.parent.mkdir(parents=True)
    source = b"def greet():\n    print('hi from mip')\n"
    files = tmp_path / "index/files"
    files.mkdir()
    (files / "hi.py").write_bytes(source)
    with served(tmp_path / "index") as url:
        description = {"v": 1, "version": "1.0", "urls": [["hi.py", f"{url}/files/hi.py"]]}
        package.write_text(json.dumps(description))
        mpremote("mip", "install", "--no-mpy", "--index", url, "hi")
    assert mpremote("exec", "import hi; hi.greet()") == "hi from mip\n"
    assert "hi.py" in mpremote("ls", ":/lib")


def test_rtc_is_set_from_the_host(mpremote):
    mpremote("exec", "import machine; machine.RTC().datetime((2001, 2, 3, 0, 4, 5, 6, 0))")
    assert "2001" in mpremote("rtc")
    before = datetime.now().replace(microsecond=0)
    out = mpremote("rtc", "--set", "+", "exec", "import time; print(*time.localtime()[:6])")
    told = datetime(*map(int, out.split()[-6:]))
    assert 0 <= (told - before).total_seconds() < 60


def test_reset_starts_the_machine_anew(mpremote, board):
    # QEMU is started with -no-reboot, so what starts the machine anew ends it.
    mpremote("reset")
    deadline = time.monotonic() + 20
    while board.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert board.process.poll() is not None


def test_bootloader_is_refused(mpremote, board):
    mpremote("bootloader")
    time.sleep(1)
    assert mpremote("eval", "6 * 7") == "42\n"
    assert board.process.poll() is None


def test_romfs_query_names_the_partition(mpremote):
    out = mpremote("romfs", "query")
    assert "ROMFS0 partition has size" in out
    assert "bytes" in out


def test_romfs_is_built_and_names_its_files(mpremote, tmp_path):
    (tmp_path / "rom").mkdir()
    (tmp_path / "rom/inrom.py").write_text("print('in rom')\n")
    mpremote("romfs", "--output", tmp_path / "x.romfs", "build", tmp_path / "rom")
    image = (tmp_path / "x.romfs").read_bytes()
    assert image[:3] == b"\xd2\xcd\x31"
    assert b"inrom" in image


def test_romfs_is_deployed_and_imported_from(mpremote, tmp_path):
    (tmp_path / "rom").mkdir()
    (tmp_path / "rom/inrom.py").write_text("print('in rom')\n")
    assert "ROMFS image deployed" in mpremote("romfs", "deploy", tmp_path / "rom")
    assert mpremote("exec", "import inrom") == "in rom\n"
