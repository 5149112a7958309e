# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""The machine that measures: CPU time of processes, what others use of it, its clock."""

from __future__ import annotations

import ctypes
import mmap
import os
import statistics
import time
from pathlib import Path

HZ = os.sysconf("SC_CLK_TCK")

# Processes of ours that still run: their CPU time is not that of others.
live: set[int] = set()


def tsc_khz() -> int:
    """The frequency of the time stamp counter, which TCG hands to the guest as it is."""
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\x0f\x31\x48\xc1\xe2\x20\x48\x09\xd0\xc3")  # rdtsc; rax |= rdx << 32; ret
    read = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    rates = []
    for _ in range(5):
        time_0, count_0 = time.perf_counter_ns(), read()
        time.sleep(0.05)
        time_1, count_1 = time.perf_counter_ns(), read()
        rates.append((count_1 - count_0) * 1_000_000 / (time_1 - time_0))
    return int(statistics.median(rates))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, in all its threads."""
    try:
        # Its clock, as clock_getcpuclockid() makes it, in ns; the file counts by 10 ms.
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        pass  # it has ended, and nobody has waited for it
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / HZ


def memory_mib(pid: int) -> tuple[float, float] | None:
    """Resident memory of a process: now, and at its highest. None when it has ended."""
    text = Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.partition(":")[::2] for line in text.splitlines())
    if "VmHWM" not in fields:
        return None
    return int(fields["VmRSS"].split()[0]) / 1024, int(fields["VmHWM"].split()[0]) / 1024


class Load:
    """The CPU that all other processes use, in cores, since this object was made."""

    def __init__(self) -> None:
        self.start, self.busy, self.own = time.perf_counter(), self._busy(), self._own()

    @staticmethod
    def _busy() -> float:
        line = Path("/proc/stat").read_text().partition("\n")[0]
        ticks = [int(word) for word in line.split()[1:9]]
        return (sum(ticks) - ticks[3] - ticks[4]) / HZ

    @staticmethod
    def _own() -> float:
        times = os.times()
        own = times.user + times.system + times.children_user + times.children_system
        for pid in tuple(live):
            try:
                own += cpu_seconds(pid)
            except OSError:
                continue
        return own

    def others(self) -> float:
        seconds = time.perf_counter() - self.start
        if seconds <= 0:
            return 0.0
        return max(0.0, (self._busy() - self.busy - (self._own() - self.own)) / seconds)


def wait_quiet(seconds: float, cores: float = 0.5) -> None:
    """Wait, (seconds) at most, for a moment in which others use less than (cores)."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        load = Load()
        time.sleep(0.3)
        if load.others() < cores:
            return
