# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""QEMU's -fw_cfg as configuration: os.getenv and sys.argv."""

from __future__ import annotations

from pathlib import Path

import pytest
from guest import Boot, PythonError

SHOW = "import os, sys\nprint(os.getenv('KEY'), sys.argv[1:])\n"


def items(**values: str) -> tuple[str, ...]:
    """QEMU's options for items opt/importos/KEY; a comma is doubled."""
    options: list[str] = []
    for key, value in values.items():
        options += ["-fw_cfg", f"name=opt/importos/{key},string=" + value.replace(",", ",,")]
    return tuple(options)


@pytest.mark.parametrize("kind", ["pc", "q35", "microvm"])
def test_items_are_environment_and_arguments(boot: Boot, build_image, kind: str) -> None:
    extra = items(KEY="two words, a comma", args='one "two words" --three')
    guest = boot(build_image(SHOW), machine=kind, extra=extra)
    guest.expect_exit(0)
    assert "two words, a comma ['one', 'two words', '--three']" in guest.log_text()


def test_command_line_goes_before_them_and_the_image_behind(boot: Boot, build_image) -> None:
    image = build_image(SHOW, "--env", "KEY=image")
    for append, extra, shown in (
        ("", (), "image []"),
        ("", items(KEY="item", args="a b"), "item ['a', 'b']"),
        ("KEY=line -- c", items(KEY="item", args="a b"), "line ['c']"),
        ('"KEY=two words"', (), "two words []"),
        ('KEY="two words" KEY2=x', (), "two words []"),
        ("", items(other="x"), "image []"),
    ):
        guest = boot(image, append=append, extra=extra)
        guest.expect_exit(0)
        assert shown in guest.log_text()


def test_system_hears_of_its_options_too(boot: Boot, build_image) -> None:
    image = build_image("1 / 0\n")
    guest = boot(image, extra=items(**{"on-crash": "poweroff"}))
    with guest.allow("traceback"):
        guest.expect_exit(1)


def test_long_values_and_files(boot: Boot, repl_image: Path, tmp_path: Path) -> None:
    long = tmp_path / "long"
    long.write_text("line\n" * 20000)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "binary").write_bytes(b"\xff\x00\xfe")
    extra = items(**{f"n{i}": str(i) for i in range(20)})
    for name in ("long", "empty", "binary"):
        extra += ("-fw_cfg", f"name=opt/importos/{name},file={tmp_path / name}")
    guest = boot(repl_image, extra=extra)
    guest.prompt()
    guest.exec("import os; assert os.getenv('long') == 'line\\n' * 20000")
    guest.exec("assert os.getenv('empty') == '' and os.getenv('nothing') is None")
    guest.exec("assert [os.getenv('n%d' % i) for i in range(20)] == [str(i) for i in range(20)]")
    with pytest.raises(PythonError, match="UnicodeError"):
        guest.exec("os.getenv('binary')")
    guest.at_prompt = True
