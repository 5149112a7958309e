# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# Runs before the user's app, at every start of the interpreter. On an image without an app there
# is a RAM disk for files; it is made into a file system once and outlives soft resets.

from machine import _ramdisk


def mount(disk):
    import vfs

    try:
        vfs.mount(disk, "/")
    except OSError:
        vfs.VfsLfs2.mkfs(disk)
        vfs.mount(disk, "/")


if _ramdisk():
    mount(_ramdisk())
