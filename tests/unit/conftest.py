# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Fixtures of the host tests: a small kernel, a folder for an app, and the commands in-process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import elf_builder
import pytest

from importos import cli


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def kernel_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small kernel with its kernel.json."""
    return elf_builder.write(tmp_path_factory.mktemp("kernel"))


@pytest.fixture
def folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel_path: Path
) -> Callable[..., Path]:
    """folder({"app.py": "import os"}) writes files below the current, empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMPORTOS_KERNEL", str(kernel_path))
    for name in ("IMPORTOS_QEMU", "IMPORTOS_ACCEL", "IMPORTOS_MPY_CROSS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def write(files: dict[str, str | bytes] | None = None) -> Path:
        for name, content in (files or {}).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path

    write()
    return write


@pytest.fixture
def command(
    folder: Callable, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """command("mkimage", "app.py") runs a command of ours as its script would."""

    def run(name: str, *arguments: str | Path) -> Result:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.mkimage_main() if name == "mkimage" else cli.main()
            sys.exit(0)
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        code = ended.value.code
        return Result(code if isinstance(code, int) else 0 if code is None else 1, out, err)

    return run
