# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# Runs before the user's app, at every start of the interpreter: mounts what there is to mount.
# Without a disk, an image that has no app of its own gets a RAM disk, which is made into a file
# system once and outlives soft resets.

from machine import Share, _mount_disks, _ramdisk


def mount_ram(disk):
    import vfs

    try:
        vfs.mount(disk, "/")
    except OSError:
        vfs.VfsLfs2.mkfs(disk)
        vfs.mount(disk, "/")


# A folder of the host is mounted where its name says, if that is a path.
def mount_shares():
    import vfs

    for name in Share.all():
        if name.startswith("/"):
            try:
                vfs.mount(Share(name), name)
            except OSError as error:
                print(f"share {name}: cannot be mounted: {error}")


mount_shares()
if not _mount_disks() and _ramdisk():
    mount_ram(_ramdisk())
