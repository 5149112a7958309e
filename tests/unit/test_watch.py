# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""`mkimage --watch`: a change of a file builds and boots again."""

from __future__ import annotations

import os
import signal
import sys

import fake_qemu
import pexpect
import pytest

from importos.watch import Watch

TIMEOUT_S = 30


def heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def watching(folder):
    def start(files: dict[str, str], *arguments: str, **environment: str) -> pexpect.spawn:
        root = folder(files)
        environ = os.environ | environment
        environ |= {"IMPORTOS_QEMU": str(fake_qemu.write(root)), "NO_COLOR": "1"}
        argv = ["-m", "importos", "build", "app.py", "--watch", *arguments]
        # Where the tests run in the background SIGINT is ignored, and that would be inherited.
        return pexpect.spawn(sys.executable, argv, timeout=TIMEOUT_S, encoding="utf-8",
                             cwd=str(root), env=environ, preexec_fn=heed_interrupts)  # fmt: skip

    return start


def test_a_change_ends_the_guest_and_boots_again(watching, folder):
    hanging = {"FAKE_QEMU_HANG": "1", "FAKE_QEMU_CONSOLE": "up\r\n"}
    with watching({"app.py": "import util", "util.py": "", "d": ""}, "d", **hanging) as child:
        for name, text in (("util.py", "x = 1"), ("d", "changed")):
            child.expect("Building app.elf")
            child.expect("up")
            folder({name: text})
        child.expect("Building app.elf")
        child.expect("up")
        child.sendintr()
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 130


def test_an_error_waits_for_the_file_to_be_mended(watching, folder):
    ended = {"FAKE_QEMU_SHUTDOWN": "guest-shutdown"}
    with watching({"app.py": "import util", "util.py": "def f(:"}, **ended) as child:
        child.expect(r"error\[M201\]")
        child.expect("Waiting for a change")
        folder({"util.py": "x = 1"})
        child.expect("Booting")
        child.expect(r"Waiting for a change \(status 0\)")
        child.sendintr()
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 0


def test_watching_goes_with_no_other_way_to_end(command, folder):
    folder({"app.py": ""})
    result = command("mkimage", "app.py", "--watch", "--dry-run")
    assert result.code == 2
    assert "error[M004]" in result.err


def test_a_file_that_comes_or_goes_is_a_change(tmp_path):
    there, absent = tmp_path / "a", tmp_path / "b"
    there.write_text("")
    assert not Watch([there, absent]).changed()
    watch = Watch([there, absent])
    absent.write_text("x")
    assert watch.changed()
    watch = Watch([there, absent])
    there.unlink()
    assert watch.changed()
