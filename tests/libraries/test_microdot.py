# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""microdot's own tests, from its source package, pass on the guest."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from upstream.target import Target, copy_tree, execute

from importos import kernel

ROOT = Path(__file__).resolve().parents[2]
MICROPYTHON = Path(os.environ.get("MICROPY_DIR") or ROOT / "build/upstream/micropython").resolve()
# How many tests there are of which module. Left out are those of what runs on CPython only (asgi,
# wsgi, jinja, end2end) and those that import packages which microdot does not bring: utemplate,
# and session and login, which need jwt.
MODULES = {
    "microdot": 41,
    "multidict": 2,
    "request": 8,
    "response": 22,
    "urlencode": 2,
    "url_pattern": 8,
    "multipart": 7,
    "websocket": 4,
    "sse": 2,
    "cors": 5,
    "auth": 5,
    "csrf": 5,
}
SKIPPED = {"websocket": 1}  # needs asynchronous generators, which MicroPython is without


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with microdot and its tests, as they go to the guest."""
    directory = tmp_path_factory.mktemp("microdot")
    wanted = f"microdot=={importlib.metadata.version('microdot')}"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--retries", "5"]
    pip += ["--no-deps", "--no-binary", "microdot", "--dest", str(directory), wanted]
    subprocess.run(pip, check=True, timeout=240)
    (archive,) = directory.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(directory, filter="data")
    (unpacked,) = (path for path in directory.iterdir() if path.is_dir())
    target = directory / "target"
    shutil.copytree(unpacked / "src/microdot", target / "microdot")
    shutil.copytree(unpacked / "tests", target / "tests")
    (target / "tests/__init__.py").write_text("")  # theirs imports all modules at once
    for hint in target.rglob("*.pyi"):
        hint.unlink()
    return target


@pytest.fixture(scope="module")
def guest(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    log = tmp_path_factory.mktemp("console") / "console.log"
    with Target(kernel.DATA / "kernel.elf", log) as target:
        copy_tree(target, MICROPYTHON, source)
        yield target


@pytest.mark.parametrize("module", MODULES)
def test_microdot_passes(guest: Target, module: str) -> None:
    name = f"tests.test_{module}"
    out = execute(guest, MICROPYTHON, f"import unittest, {name}\nunittest.main({name})\n")
    *_, ran, _, result = out.splitlines()
    assert ran == f"Ran {MODULES[module]} tests"
    skipped = re.fullmatch(r"OK(?: \(skipped=(\d+)\))?", result)
    assert skipped, out
    assert int(skipped[1] or 0) == SKIPPED.get(module, 0)
