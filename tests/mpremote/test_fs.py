# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""mpremote's commands for files."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path


def make_tree(root: Path) -> dict[str, bytes]:
    """Files in directories below (root), empty and binary ones too; their contents by name."""
    files = {
        "a.py": b"print('a')\n",
        "empty": b"",
        "sub/all.bin": bytes(range(256)) * 40,
        "sub/deeper/b.txt": "grün\n".encode(),
    }
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return files


def test_touch_cat_ls_rm(mpremote):
    out = mpremote("touch", ":new", "+", "ls", "+", "cat", ":new")
    assert "0 new" in out
    mpremote("exec", "f = open('new', 'w'); f.write('text'); f.close()")
    assert "text" in mpremote("cat", ":new")
    mpremote("rm", ":new")
    assert "new" not in mpremote("ls")


def test_touch_keeps_what_a_file_holds(mpremote):
    mpremote("exec", "f = open('kept', 'w'); f.write('text'); f.close()")
    assert "text" in mpremote("touch", ":kept", "+", "cat", ":kept")


def test_mkdir_and_rmdir(mpremote):
    assert "d/" in mpremote("mkdir", ":d", "+", "ls")
    assert "d/" not in mpremote("rmdir", ":d", "+", "ls")


def test_rmdir_leaves_a_directory_with_files(mpremote):
    mpremote("mkdir", ":d", "+", "touch", ":d/f")
    mpremote("rmdir", ":d", status=1)
    assert "f" in mpremote("ls", ":d")


def test_directories_go_there_and_back(mpremote, tmp_path):
    files = make_tree(tmp_path / "there")
    mpremote("cp", "-r", tmp_path / "there", ":")
    (tmp_path / "back").mkdir()
    mpremote("cp", "-r", ":there", tmp_path / "back")
    back = tmp_path / "back/there"
    found = {
        p.relative_to(back).as_posix(): p.read_bytes() for p in back.rglob("*") if p.is_file()
    }
    assert found == files


def test_rm_removes_whole_trees(mpremote, tmp_path):
    make_tree(tmp_path / "t")
    mpremote("cp", "-r", tmp_path / "t", ":")
    mpremote("rm", "-r", ":t")
    assert "t/" not in mpremote("ls")


def test_tree_shows_names_and_sizes(mpremote, tmp_path):
    make_tree(tmp_path / "t")
    mpremote("cp", "-r", tmp_path / "t", ":")
    out = mpremote("fs", "tree", "-s", ":t")
    assert "deeper" in out
    assert "10240" in out


def test_df_shows_the_space_of_the_file_system(mpremote):
    rows = {words[-1]: words for words in map(str.split, mpremote("df").splitlines())}
    size, used, available = (int(word) for word in rows["/"][-5:-2])
    assert size > available > size // 2
    assert size == used + available


def test_sha256sum(mpremote, tmp_path):
    data = bytes(range(256)) * 100
    (tmp_path / "data").write_bytes(data)
    out = mpremote("cp", tmp_path / "data", ":", "+", "sha256sum", ":data")
    assert hashlib.sha256(data).hexdigest() in out


def test_a_missing_file_is_told(mpremote):
    assert "No such file" in mpremote("cat", ":nothing", status=1)


def test_edit_brings_the_file_to_an_editor_and_back(mpremote, tmp_path):
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\necho "print(2)" >> "$1"\n')
    editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
    mpremote("exec", "f = open('e.py', 'w'); f.write('print(1)\\n'); f.close()")
    mpremote("edit", ":e.py", EDITOR=str(editor))
    assert mpremote("exec", "import e") == "1\n2\n"
