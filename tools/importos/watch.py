# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""`--watch`: build and boot again whenever a file that went into the image changes.

Files are looked at twice a second; no service of the operating system is needed for that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from .errors import ImageError

INTERVAL_S = 0.5


class Watch:
    """The state of some files; changed() says whether one of them differs from then."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._state = {path: _state(path) for path in paths}
        self._next = 0.0

    def changed(self) -> bool:
        """Whether a file changed, came or went; looks at most twice a second."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + INTERVAL_S
        return any(_state(path) != state for path, state in self._state.items())


def _state(path: Path) -> tuple[int, int]:
    try:
        told = path.stat()
    except OSError:
        return 0, 0
    return told.st_mtime_ns, told.st_size


def repeat(
    cycle: Callable[[], tuple[int, Watch | None, bool]],
    failed: Callable[[ImageError], Watch],
    idle: Callable[[int], None],
) -> int:
    """Call (cycle) again after every change, until it is interrupted; the last status.

    (cycle) returns a status, what to watch, and whether a change ended it; a Watch of None ends
    everything. (failed) shows an error and says what to watch; (idle) says that we wait.
    """
    status = 1
    while True:
        try:
            status, watch, restart = cycle()
        except ImageError as error:
            watch, restart = failed(error), False
        if watch is None:
            return status
        if restart:
            continue
        idle(status)
        try:
            while not watch.changed():
                time.sleep(INTERVAL_S)
        except KeyboardInterrupt:
            return status
