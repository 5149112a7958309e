// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Where /rom lives: the image's payload, read in place; or, on an image without an app, RAM kept
// out of the heap, which `mpremote romfs deploy` writes and the next soft reset mounts. The calls
// are those of vfs.rom_ioctl() (extmod/vfs.h).

#include <string.h>

#include "py/mperrno.h"
#include "py/objarray.h"
#include "py/runtime.h"
#include "extmod/vfs.h"

#include "heap.h"
#include "options.h"
#include "romfs.h"

#define ROMFS_ERASE_SIZE 16 // a ROMFS header fits into this

static uint8_t *partition; // RAM partition, NULL on an image with an app
static size_t partition_size;

void romfs_reserve(size_t size) {
    size_t payload_size;
    if (options_romfs(&payload_size) == NULL) {
        partition = heap_reserve(size);
        if (partition != NULL) {
            partition_size = size;
            memset(partition, 0, ROMFS_ERASE_SIZE);
        }
    }
}

static mp_obj_t romfs_segment(void) {
    size_t size;
    const void *payload = options_romfs(&size);
    if (payload != NULL) {
        return mp_obj_new_memoryview('B', size, (void *)payload);
    }
    if (partition != NULL) {
        return mp_obj_new_memoryview('B', partition_size, partition);
    }
    return MP_OBJ_NEW_SMALL_INT(-MP_ENODEV);
}

static mp_obj_t romfs_write(mp_int_t offset, mp_obj_t data) {
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(data, &buffer, MP_BUFFER_READ);
    if (offset < 0 || (size_t)offset > partition_size) {
        return MP_OBJ_NEW_SMALL_INT(-MP_EINVAL);
    }
    // The last chunk comes padded: what is beyond the end is only padding.
    memcpy(partition + offset, buffer.buf, MIN(buffer.len, partition_size - offset));
    return MP_OBJ_NEW_SMALL_INT(0);
}

mp_obj_t mp_vfs_rom_ioctl(size_t n_args, const mp_obj_t *args) {
    mp_int_t command = mp_obj_get_int(args[0]);
    if (command == MP_VFS_ROM_IOCTL_GET_NUMBER_OF_SEGMENTS) {
        return MP_OBJ_NEW_SMALL_INT(1);
    }
    if (n_args < 2 || mp_obj_get_int(args[1]) != 0) {
        return MP_OBJ_NEW_SMALL_INT(-MP_EINVAL);
    }
    if (command == MP_VFS_ROM_IOCTL_GET_SEGMENT) {
        return romfs_segment();
    }
    if (partition == NULL) {
        return MP_OBJ_NEW_SMALL_INT(-MP_EROFS);
    }
    if (command == MP_VFS_ROM_IOCTL_WRITE_PREPARE && n_args == 3) {
        size_t size = mp_obj_get_int(args[2]);
        if (size > partition_size) {
            return MP_OBJ_NEW_SMALL_INT(-MP_ENOSPC);
        }
        memset(partition, 0, ROMFS_ERASE_SIZE); // no half-written file system is ever mounted
        return MP_OBJ_NEW_SMALL_INT(4);
    }
    if (command == MP_VFS_ROM_IOCTL_WRITE && n_args == 4) {
        return romfs_write(mp_obj_get_int(args[2]), args[3]);
    }
    if (command == MP_VFS_ROM_IOCTL_WRITE_COMPLETE) {
        return MP_OBJ_NEW_SMALL_INT(0);
    }
    return MP_OBJ_NEW_SMALL_INT(-MP_EINVAL);
}
