# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""How a run ends: what the evidence proves, and the handling of a program like QEMU."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import fake_qemu
import pytest

from importos import qemu, runner
from importos.errors import ImageError


def judge(returncode: int, shutdown: str, console: bytes = b"", **more) -> tuple[int, str]:
    seen = runner.Evidence(returncode, shutdown, console, True, **more)
    outcome = runner.judge(seen)
    return outcome.status, outcome.reason


def sentinel(status: int) -> bytes:
    return f"bye\r\nimportos: exit status {status}\r\n".encode()


@pytest.mark.parametrize(
    ("returncode", "shutdown", "console", "status"),
    [
        (0, "guest-shutdown", b"", 0),
        (0, "guest-shutdown", sentinel(0), 0),
        (0, "guest-shutdown", sentinel(7), 7),  # no debug-exit device
        (15, "", sentinel(7), 7),
        (15, "guest-shutdown", b"", 7),
        (15, "", sentinel(135), 135),  # the device tells it modulo 128
        (15, "", sentinel(6), 7),  # the app printed it: QEMU's word counts
        (0, "guest-reset", b"", 125),
        (0, "guest-reset", sentinel(3), 3),
        (0, "guest-panic", b"", 125),
        (0, "", b"", 125),
        (0, "host-qmp-quit", b"", 130),
        (0, "", b"\r\nQEMU: Terminated\r\n", 130),
        (251, "", b"panic: page fault\r\n", 125),
        (0, "guest-shutdown", b"a\npanic: page fault reading 0x0\n", 125),
        (0, "guest-shutdown", b"no panic: all is well\n", 0),
        (2, "", b"", 125),
        (-6, "", b"", 125),
    ],
)
def test_the_status_follows_from_the_evidence(returncode, shutdown, console, status):
    assert judge(returncode, shutdown, console)[0] == status


def test_a_reset_that_was_asked_for_is_no_crash():
    assert judge(0, "guest-reset", reset_wanted=True) == (0, "reset")


def test_a_panic_is_the_reason():
    console = b"x\npanic: page fault reading 0x0\nrax=0\n"
    assert judge(251, "", console)[1] == "panic: page fault reading 0x0"


@pytest.fixture
def boot(folder, monkeypatch):
    root = folder()
    program = fake_qemu.write(root)

    def run(timeout: float | None = 20, expect: tuple = (), gdb: str = "", **environment):
        for name, value in environment.items():
            monkeypatch.setenv(f"FAKE_QEMU_{name.upper()}", str(value))
        output = io.BytesIO()
        machine = qemu.Machine(root / "app.elf", gdb=gdb)
        outcome = runner.run(machine, str(program), timeout=timeout, expect=expect, output=output)
        return outcome, output.getvalue()

    return run


def test_the_console_is_passed_on_and_its_end_kept(boot):
    outcome, seen = boot(console="\r\n".join(map(str, range(50))), shutdown="guest-shutdown")
    assert outcome.status == 0
    assert seen.startswith(b"0\r\n1\r\n")
    assert outcome.tail == [str(n) for n in range(30, 50)]
    assert outcome.argv[1] == "-M"
    assert not any("qmp" in word or word == "-S" for word in outcome.argv)


def test_a_megabyte_of_console_arrives_whole(boot):
    text = "x" * 120_000 + "end"
    outcome, seen = boot(console=text, shutdown="guest-shutdown")
    assert (outcome.status, seen.decode()) == (0, text)


def test_a_guest_that_waits_for_the_debugger_is_not_resumed(boot):
    outcome, _ = boot(gdb="tcp::0", shutdown="guest-shutdown")
    assert outcome.status == 0


def test_a_triple_fault_is_a_failure_although_qemu_says_0(boot):
    assert boot(shutdown="guest-reset")[0].status == 125


def test_the_debug_exit_status_is_the_apps(boot):
    assert boot(status=(42 << 1) | 1)[0].status == 42


def test_the_time_limit_ends_qemu(boot):
    outcome, _ = boot(timeout=0.5, hang=1, console="still here\n")
    assert outcome.status == 124
    assert outcome.reason == "no end within 0.5 s"
    assert outcome.tail == ["still here"]


def test_expected_texts_end_the_run_with_success(boot):
    outcome, _ = boot(expect=("ready", "port 80"), hang=1, console="ready on port 80\n")
    assert outcome.status == 0


def test_an_expected_text_that_does_not_come_is_a_failure(boot):
    outcome, _ = boot(expect=("ready",), console="nothing", shutdown="guest-shutdown")
    assert (outcome.status, outcome.reason) == (1, "the text 'ready' did not appear")


def test_a_qemu_that_does_not_start_is_an_error_with_its_own_words(boot):
    with pytest.raises(ImageError) as raised:
        boot(error="qemu: -device nonsense: no such device")
    assert raised.value.exit_code == 3
    assert "no such device" in raised.value.diagnostics[0].notes[0]


def test_a_qemu_that_dies_is_a_failure(boot):
    outcome, _ = boot(signal=int(signal.SIGABRT))
    assert (outcome.status, outcome.reason) == (125, "QEMU was ended by SIGABRT")


def test_a_program_that_is_not_there_is_an_error(folder):
    with pytest.raises(ImageError, match="QEMU cannot be started"):
        runner.run(qemu.Machine(Path("a.elf")), str(folder() / "nothing"))


def test_being_terminated_leaves_no_qemu_behind(folder, tmp_path):
    program = fake_qemu.write(folder())
    code = (
        "import sys; from pathlib import Path; from importos import qemu, runner\n"
        "runner.run(qemu.Machine(Path('a.elf')), sys.argv[1])"
    )
    environment = os.environ | {"FAKE_QEMU_HANG": "1", "FAKE_QEMU_CONSOLE": "up\n"}
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(program)], stdout=subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    child = int(children.read_text().split()[0]) if children.exists() else 0
    process.terminate()
    assert process.wait(timeout=10) == 128 + signal.SIGTERM
    process.stdout.close()
    assert child == 0 or not Path(f"/proc/{child}").exists()
