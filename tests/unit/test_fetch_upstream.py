# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""tools/dev/fetch_upstream.py reads the system's apt configuration and picks versions."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools/dev/fetch_upstream.py"
spec = importlib.util.spec_from_file_location("fetch_upstream", SCRIPT)
fetch_upstream = importlib.util.module_from_spec(spec)
sys.modules["fetch_upstream"] = fetch_upstream
spec.loader.exec_module(fetch_upstream)

DEB822 = """\
# The archive.
Types: deb
# a comment inside
URIs: http://mirror.example/debian
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: trixie-security
Components: main

Types: deb
Enabled: no
URIs: http://old.example/debian
Suites: trixie
Components: main
"""
TRIXIE = {"ID": "debian", "VERSION_CODENAME": "trixie"}


def test_deb822_stanzas_are_read_and_disabled_ones_left_out():
    sources = fetch_upstream.parse_deb822(DEB822)
    assert [s.uri for s in sources] == [
        "http://mirror.example/debian",
        "http://mirror.example/debian-security",
    ]
    assert sources[0].suites == ("trixie", "trixie-updates")
    assert sources[0].signed_by == "/usr/share/keyrings/debian-archive-keyring.gpg"


def test_a_key_block_in_a_stanza_is_kept_whole():
    text = (
        "Types: deb\nURIs: http://a\nSuites: sid\nComponents: main\nSigned-By:\n BEGIN\n .\n END\n"
    )
    assert fetch_upstream.parse_deb822(text)[0].signed_by == "\n BEGIN\n .\n END"


def test_one_line_entries_are_read():
    text = (
        "# deb http://no\ndeb [arch=amd64 signed-by=/k.gpg] http://a/debian trixie main contrib\n"
    )
    assert fetch_upstream.parse_one_line(text) == [
        fetch_upstream.Source("http://a/debian", ("trixie",), ("main", "contrib"), "/k.gpg")
    ]


def test_the_mirror_is_the_archive_and_not_a_third_party():
    third = fetch_upstream.Source("http://third", ("trixie",), ("main",), "/keyrings/third.gpg")
    sources = [third, *fetch_upstream.parse_deb822(DEB822)]
    assert fetch_upstream.debian_mirror(sources, TRIXIE).uri == "http://mirror.example/debian"


def test_another_distribution_has_no_mirror():
    sources = fetch_upstream.parse_deb822(DEB822.replace("trixie", "noble"))
    release = {"ID": "ubuntu", "VERSION_CODENAME": "noble"}
    assert fetch_upstream.debian_mirror(sources, release) is None


@pytest.mark.skipif(not shutil.which("dpkg"), reason="dpkg compares the versions")
def test_the_newest_version_with_the_prefix_is_taken():
    versions = ["1.26.1+ds-1", "1.26.1+ds-10", "1.26.1+ds-9", "1.26.10-1", "1.27.0-1"]
    assert fetch_upstream.newest_matching(versions, "1.26.1") == "1.26.1+ds-10"
    assert fetch_upstream.newest_matching(versions, "1.25.0") is None
    assert fetch_upstream.newest_matching(["3.6.6-0.1"], "3.6") == "3.6.6-0.1"


def test_the_key_changes_with_the_entry():
    key = fetch_upstream.key_of({"version": "1", "suite": "sid"})
    assert fetch_upstream.key_of({"suite": "sid", "version": "1"}) == key
    assert fetch_upstream.key_of({"suite": "sid", "version": "2"}) != key
