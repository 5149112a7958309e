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


# The first volume of a disk that has a known file system, or None.
def find_volume(disk, number):
    if disk.info().filesystem:
        return disk
    for partition in disk.partitions():
        volume = Disk(number, partition.number)
        if volume.info().filesystem:
            return volume
    return None


# littlefs is made for kilobytes of RAM: larger buffers make it several times as fast, and a map of
# all free blocks (8 KiB at most) spares it looking for them again and again.
def mount_volume(volume, point):
    import vfs

    if volume.info().filesystem == "littlefs" and volume.ioctl(5, 0) >= 4096:
        lookahead = min(max(volume.ioctl(4, 0) // 64 * 8, 16), 8192)
        volume = vfs.VfsLfs2(volume, readsize=4, lookahead=lookahead)
    vfs.mount(volume, point)


def mount_disks():
    point = "/"
    for number, disk in enumerate(Disk.all()):
        try:
            volume = find_volume(disk, number)
            if volume:
                mount_volume(volume, point or f"/disk{number}")
                point = None
        except OSError as error:
            print(f"disk{number}: cannot be mounted: {error}")
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
