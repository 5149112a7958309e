# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""No change makes the kernel execute more than two per cent more instructions unnoticed.

A commit that does so for a reason changes baseline.json too (`make bench-baseline`) and says why.
"""

from __future__ import annotations

import pytest

from bench import counts


@pytest.mark.timeout(600)
def test_no_count_is_worse_than_the_baseline():
    problems = counts.worse(counts.measure(), counts.load_baseline())
    assert not problems, "`make bench-baseline` if this has a reason:\n" + "\n".join(problems)


def test_an_idle_server_stays_below_the_bar():
    count = counts.idle_network_count()
    print(f"{count} instructions in an idle second with the network in use")
    assert 0 < count <= 1000


def test_a_worse_count_is_found():
    baseline = {"boot": 1_000_000, "idle": 10}
    assert counts.worse({"boot": 1_019_000, "idle": 25}, baseline) == []
    found = counts.worse({"boot": 1_021_000, "idle": 31, "new": 1}, baseline)
    assert [line.partition(":")[0] for line in found] == ["new", "boot", "idle"]
    assert counts.worse({"boot": 1_000_000}, baseline) == ["idle: not measured any more"]
