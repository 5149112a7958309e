// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// A block device in RAM (docs/reference/filesystem, "Custom block devices"): where files go while
// the machine has no disk. Its memory is kept out of the heap, so files outlive a soft reset.

#include <string.h>

#include "py/mperrno.h"
#include "py/runtime.h"
#include "extmod/vfs.h"

#include "heap.h"
#include "ramdisk.h"

#define RAMDISK_BLOCK_SIZE 512

static uint8_t *disk;
static size_t disk_size;

void ramdisk_reserve(size_t size) {
    disk = heap_reserve(size);
    if (disk != NULL) {
        disk_size = size & ~(size_t)(RAMDISK_BLOCK_SIZE - 1);
        memset(disk, 0xff, 2 * RAMDISK_BLOCK_SIZE); // no file system, whatever was there before
    }
}

// Arguments block number, buffer and, in the extended form, offset: the place in memory.
static uint8_t *ramdisk_locate(size_t n_args, const mp_obj_t *args, mp_buffer_info_t *buffer,
    mp_uint_t flags) {
    mp_get_buffer_raise(args[2], buffer, flags);
    mp_uint_t start = mp_obj_get_int(args[1]) * (mp_uint_t)RAMDISK_BLOCK_SIZE;
    if (n_args == 4) {
        start += mp_obj_get_int(args[3]);
    }
    if (start > disk_size || buffer->len > disk_size - start) {
        mp_raise_OSError(MP_EIO);
    }
    return disk + start;
}

static mp_obj_t ramdisk_readblocks(size_t n_args, const mp_obj_t *args) {
    mp_buffer_info_t buffer;
    const uint8_t *from = ramdisk_locate(n_args, args, &buffer, MP_BUFFER_WRITE);
    memcpy(buffer.buf, from, buffer.len);
    return MP_OBJ_NEW_SMALL_INT(0);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(ramdisk_readblocks_obj, 3, 4, ramdisk_readblocks);

static mp_obj_t ramdisk_writeblocks(size_t n_args, const mp_obj_t *args) {
    mp_buffer_info_t buffer;
    uint8_t *to = ramdisk_locate(n_args, args, &buffer, MP_BUFFER_READ);
    memcpy(to, buffer.buf, buffer.len);
    return MP_OBJ_NEW_SMALL_INT(0);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(ramdisk_writeblocks_obj, 3, 4, ramdisk_writeblocks);

static mp_obj_t ramdisk_ioctl(mp_obj_t self, mp_obj_t command, mp_obj_t arg) {
    (void)self;
    (void)arg;
    switch (mp_obj_get_int(command)) {
        case MP_BLOCKDEV_IOCTL_INIT:
        case MP_BLOCKDEV_IOCTL_DEINIT:
        case MP_BLOCKDEV_IOCTL_SYNC:
        case MP_BLOCKDEV_IOCTL_BLOCK_ERASE: // RAM needs none
            return MP_OBJ_NEW_SMALL_INT(0);
        case MP_BLOCKDEV_IOCTL_BLOCK_COUNT:
            return MP_OBJ_NEW_SMALL_INT(disk_size / RAMDISK_BLOCK_SIZE);
        case MP_BLOCKDEV_IOCTL_BLOCK_SIZE:
            return MP_OBJ_NEW_SMALL_INT(RAMDISK_BLOCK_SIZE);
        default:
            return mp_const_none;
    }
}
static MP_DEFINE_CONST_FUN_OBJ_3(ramdisk_ioctl_obj, ramdisk_ioctl);

static const mp_rom_map_elem_t ramdisk_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_readblocks), MP_ROM_PTR(&ramdisk_readblocks_obj) },
    { MP_ROM_QSTR(MP_QSTR_writeblocks), MP_ROM_PTR(&ramdisk_writeblocks_obj) },
    { MP_ROM_QSTR(MP_QSTR_ioctl), MP_ROM_PTR(&ramdisk_ioctl_obj) },
};
static MP_DEFINE_CONST_DICT(ramdisk_locals, ramdisk_locals_table);

static MP_DEFINE_CONST_OBJ_TYPE(
    ramdisk_type,
    MP_QSTR_RAMDisk,
    MP_TYPE_FLAG_NONE,
    locals_dict, &ramdisk_locals
    );

static const mp_obj_base_t ramdisk_obj = { &ramdisk_type };

static mp_obj_t ramdisk_get(void) {
    return disk == NULL ? mp_const_none : MP_OBJ_FROM_PTR(&ramdisk_obj);
}
MP_DEFINE_CONST_FUN_OBJ_0(ramdisk_get_obj, ramdisk_get);
