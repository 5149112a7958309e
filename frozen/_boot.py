# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# Runs before the user's app, at every start of the interpreter: mounts what there is to mount. The
# first disk (or first partition of one) with littlefs or FAT becomes /, further ones /disk1 and so
# on by the number of the disk. Without a disk, an image that has no app of its own gets a RAM disk,
# which is made into a file system once and outlives soft resets. A disk is never formatted here.

from machine import Disk, _ramdisk


def mount_ram(disk):
    import vfs

    try:
        vfs.mount(disk, "/")
    except OSError:
        vfs.VfsLfs2.mkfs(disk)
        vfs.mount(disk, "/")


# The first volume of a disk that has a known file system, or None.
def find_volume(disk, number):
    if disk.info().filesystem:
        return disk
    for partition in disk.partitions():
        volume = Disk(number, partition.number)
        if volume.info().filesystem:
            return volume
    return None


def mount_disks():
    import vfs

    point = "/"
    for number, disk in enumerate(Disk.all()):
        try:
            volume = find_volume(disk, number)
            if volume:
                vfs.mount(volume, point if point == "/" else "/disk%d" % number)
                point = None
        except OSError as error:
            print("disk%d: cannot be mounted: %s" % (number, error))
    return point is None


if not mount_disks() and _ramdisk():
    mount_ram(_ramdisk())
