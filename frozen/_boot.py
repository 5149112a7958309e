# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# Runs before the user's app, at every start of the interpreter: mounts what there is to mount. The
# first disk (or first partition of one) with littlefs or FAT becomes /, further ones /disk1 and so
# on by the number of the disk. A disk is never formatted here. Without one, an image that has no
# app of its own gets a RAM disk, which is made into a file system once and outlives soft resets.

from machine import Disk, Share, _ramdisk


def mount_ram(disk):
    import vfs

    try:
        vfs.mount(disk, "/")
    except OSError:
        vfs.VfsLfs2.mkfs(disk)
        vfs.mount(disk, "/")


# littlefs is made for kilobytes of RAM. With a map of the free blocks of 128 MiB it seldom has to
# look for them, and our disks can be read in pieces of any size.
def mount_volume(volume, point):
    import vfs

    filesystem = volume.info().filesystem
    if filesystem == "littlefs":
        volume = vfs.VfsLfs2(volume, readsize=4, lookahead=4096)
    if filesystem:
        vfs.mount(volume, point)
    return filesystem


# The first volume of a disk that has a known file system. False: there is none.
def mount_disk(disk, number, point):
    if mount_volume(disk, point):
        return True
    for partition in disk.partitions():
        if mount_volume(Disk(number, partition.number), point):
            return True
    return False


def mount_disks():
    point = "/"
    number = 0
    for disk in Disk.all():
        try:
            if mount_disk(disk, number, point or f"/disk{number}"):
                point = None
        except OSError as error:
            print(f"disk{number}: cannot be mounted: {error}")
        number += 1
    return point is None


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
if not mount_disks() and _ramdisk():
    mount_ram(_ramdisk())
