# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# os: MicroPython's os, and events; uses C code from _os. See modules/os/README.md.

import _os as _c
from _os import *
from uos import *

from . import path

# disks(): the machine's disks as block devices. sync(): what was written, to files or directly, is
# kept when it returns; upstream's knows FAT only, and does not tell of errors.
try:
    from machine import Disk as _Disk

    disks = _Disk.all
    sync = _Disk.sync_all
except ImportError:
    pass  # the kernel's flavour has no disks


# Event.wait(): a coroutine that returns the number of firings since the last one; 0: cancelled.
async def _wait(event):
    if not _c._ready(event):
        # asyncio is here already if anybody awaits; the program pays for it only then.
        from asyncio import core

        if id(event) in core._io_queue.map:
            raise RuntimeError("somebody waits for this event already")
        yield core._io_queue.queue_read(event)
    return _c._take(event)


# Event.__anext__()
async def _next(event):
    if await _wait(event):
        return event
    raise StopAsyncIteration


_c._set_coroutines(_wait, _next)
