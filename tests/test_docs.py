# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""What the documents name is there, and what is there is named by the README beside it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from support import ROOT

FILES = [
    Path(name)
    for name in subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).split()
]
DOCUMENTS = [path for path in FILES if path.suffix == ".md"]
NAME = re.compile(r"(?<![\w/.-])((?:port|modules|frozen|tools|examples|tests|docs)/[\w./-]*[\w/])")
UPSTREAM = {"examples/natmod"}  # in MicroPython's tree
SUFFIXES = {".c", ".py", ".sh", ".S"}
# Its README tells what the layers are; the lists of files are in the Makefile.
NO_LIST = {Path(), Path("port/x86")}
FOLDERS = [d.parent for d in DOCUMENTS if d.name == "README.md" and d.parent not in NO_LIST]


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_what_a_document_names_is_there(document):
    text = (ROOT / document).read_text("utf-8")
    names = {name.rstrip(".") for name in NAME.findall(text)} - UPSTREAM
    assert [name for name in sorted(names) if not (ROOT / name).exists()] == []
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert [link for link in links if not (ROOT / document.parent / link).exists()] == []


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_a_readme_names_the_files_beside_it(folder):
    text = (ROOT / folder / "README.md").read_text("utf-8")
    files = [f.name for f in FILES if f.parent == folder and f.suffix in SUFFIXES]
    missing = [
        name
        for name in files
        if name not in text
        and Path(name).stem not in re.findall(r"`(\w+)`", text)
        and not re.match(r"test_|__init__|fuzz_", name)
        and f"{Path(name).stem}.*" not in text
    ]
    assert missing == []
