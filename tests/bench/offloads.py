# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""What each thing that a virtio-net card can do is worth: streams with all of them, and without.

On a tap device, because QEMU's user network cuts and sums nothing.
"""

from __future__ import annotations

import itertools

from . import load
from .measure import Measure, Row, Samples, interleaved
from .running import Guest, Settings
from .servers import BULK, higher
from .targets import BenchError, Target

TSO_IN = ",guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off"
TSO_OUT = ",host_tso4=off,host_tso6=off,host_ecn=off,host_ufo=off"
SUMS = ",csum=off,guest_csum=off"
MERGEABLE = ",mrg_rxbuf=off"
EVENT_INDEX = ",event_idx=off"
INDIRECT = ",indirect_desc=off"
WITHOUT = {  # properties of QEMU's card; segments need checksums (virtio 1.1, 5.1.3.1)
    "all": "",
    "without segments in": TSO_IN,
    "without segments out": TSO_OUT,
    "without segments": TSO_IN + TSO_OUT,
    "without segments and checksums": TSO_IN + TSO_OUT + SUMS,
    "without mergeable buffers": MERGEABLE,
    "without event index": EVENT_INDEX,
    "without indirect descriptors": INDIRECT,
    "without any": TSO_IN + TSO_OUT + SUMS + MERGEABLE + EVENT_INDEX + INDIRECT,
}
PORTS = (5001, 5002)  # of apps/tcp_bulk.py: in, out
COUNTED = BULK // 5  # bytes; a guest whose instructions are counted is slower


def offloads(settings: Settings) -> list[Row]:
    if settings.network != "tap":
        raise BenchError("offloads need a tap device: run as root")
    settings.targets = [target for target in settings.targets if target.name == "importos"]
    rows = []
    rows += interleaved(settings, lambda target, machine: _all(settings, target, machine, _rate))
    rows += interleaved(
        settings, lambda target, machine: _all(settings, target, machine, _count), 1
    )
    return rows


def _all(settings: Settings, target: Target, machine: str, take) -> Samples:
    found: Samples = {}
    for name, properties in WITHOUT.items():
        found |= take(settings, target, machine, name, properties)
    return found


def _rate(settings: Settings, target: Target, machine: str, name: str, properties: str) -> Samples:
    source = target.source("tcp_bulk")
    with (
        settings.wire(*PORTS) as wire,
        Guest(
            settings, target, source, machine=machine, wire=wire, properties=properties
        ) as guest,
    ):
        guest.wait()
        into, out = (wire.address(port) for port in PORTS)
        wire.call(load.tcp_send, into, 1_000_000)
        wire.call(load.tcp_receive, out, 1_000_000)
        return {
            higher(f"{name}, in", "MB/s"): BULK / wire.call(load.tcp_send, into, BULK) / 1e6,
            higher(f"{name}, out", "MB/s"): BULK / wire.call(load.tcp_receive, out, BULK) / 1e6,
        }


def _count(
    settings: Settings, target: Target, machine: str, name: str, properties: str
) -> Samples:
    source = target.source("tcp_bulk")
    with (
        settings.wire(*PORTS) as wire,
        Guest(
            settings,
            target,
            source,
            machine=machine,
            wire=wire,
            count="blocks",
            properties=properties,
        ) as guest,
    ):
        guest.wait()
        into, out = (wire.address(port) for port in PORTS)
        counts = [guest.instructions()]
        wire.call(load.tcp_send, into, COUNTED)
        counts.append(guest.instructions())
        wire.call(load.tcp_receive, out, COUNTED)
        counts.append(guest.instructions())
        per_mb = [(b - a) * 1e6 / COUNTED for a, b in itertools.pairwise(counts)]
        return {
            Measure(f"{name}, in, instructions", "per MB"): per_mb[0],
            Measure(f"{name}, out, instructions", "per MB"): per_mb[1],
        }
