# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""A fixed number of inputs for the fuzzers of tests/fuzz, whose long form is `make fuzz`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

LWIP = ROOT / "build/upstream/lwip"
pytestmark = [
    pytest.mark.skipif(not shutil.which("clang"), reason="no clang"),
    pytest.mark.skipif(not LWIP.exists(), reason="lwIP is not in build/upstream"),
]


@pytest.fixture(scope="module")
def fuzzers(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("fuzz")
    make = ["make", "-s", "-j2", "-C", str(ROOT / "tests/fuzz"), f"BUILD={directory}"]
    done = subprocess.run(make, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    corpus = [sys.executable, str(ROOT / "tests/fuzz/corpus.py"), str(directory / "seeds")]
    subprocess.run(corpus, check=True)
    return directory


def run(fuzzers: Path, name: str, *arguments: str) -> str:
    command = [str(fuzzers / name), "-seed=1", "-timeout=10", "-max_len=16000", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=fuzzers, errors="replace")
    assert done.returncode == 0, done.stderr[-6000:]
    return done.stderr


def test_frames(fuzzers: Path) -> None:
    done = run(fuzzers, "fuzz_frames", "-runs=3000", str(fuzzers / "seeds/frames"))
    assert "Done 3000 runs" in done


def test_cards_that_lie(fuzzers: Path) -> None:
    done = run(fuzzers, "fuzz_device", "-runs=8000", str(fuzzers / "seeds/device"))
    assert "Done 8000 runs" in done
