// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// machine.Disk: a disk, or a partition of one, as a block device (MicroPython's
// docs/reference/filesystem.rst, the extended interface). Reads and writes return 0 or a negative
// error number, as that interface has it, because file systems in C call them; what only people
// call raises OSError.

#include <string.h>

#include "py/mperrno.h"
#include "py/objtuple.h"
#include "py/runtime.h"
#include "extmod/vfs.h"
#include "extmod/vfs_fat.h"
#include "extmod/vfs_lfs.h"

#include "drive.h"
#include "machine_disk.h"
#include "volume.h"

#define BLOCK_SIZE_DEFAULT 4096 // of a disk with no file system yet
#define BLOCK_SIZE_MIN 128
#define BLOCK_SIZE_MAX (1 << 20)

struct machine_disk {
    mp_obj_base_t base;
    struct drive *disk;
    unsigned number, partition; // partition 0: the whole disk
    uint64_t start, size; // bytes
    uint32_t block_size; // of the block device
    uint64_t block_count;
    struct volume_format format;
};

static void check(int ret) {
    if (ret < 0) {
        mp_raise_OSError(-ret);
    }
}

static int volume_read(void *arg, uint64_t offset, void *data, size_t size) {
    const struct machine_disk *self = arg;
    return drive_read(self->disk, self->start + offset, data, size);
}

static struct volume volume_of(struct machine_disk *self) {
    struct virtio_blk_info info;
    drive_info(self->disk, &info);
    return (struct volume) {
               .read = volume_read, .arg = self, .size = self->size, .unit = info.block_size,
    };
}

// --- making one -----------------------------------------------------------------------------

static void find_partition(struct machine_disk *self) {
    struct volume volume = volume_of(self);
    struct volume_partition *list = m_new(struct volume_partition, VOLUME_PARTITION_MAX);
    int count = volume_partitions(&volume, list, VOLUME_PARTITION_MAX);
    check(count);
    bool found = false;
    for (int i = 0; i < count; i++) {
        if (list[i].number == self->partition) {
            self->start = list[i].start;
            self->size = list[i].size;
            found = true;
        }
    }
    m_del(struct volume_partition, list, VOLUME_PARTITION_MAX);
    if (!found) {
        mp_raise_OSError(MP_ENODEV);
    }
}

// Blocks as the file system has them, if there is one and nothing else is asked for.
static void choose_blocks(struct machine_disk *self, mp_int_t block_size) {
    struct volume volume = volume_of(self);
    volume_detect(&volume, &self->format); // a disk that cannot be read says so when it is read
    if (block_size == 0) {
        block_size = self->format.block_size > 0 ? self->format.block_size : BLOCK_SIZE_DEFAULT;
    }
    if (block_size < BLOCK_SIZE_MIN || block_size > BLOCK_SIZE_MAX
        || (block_size & (block_size - 1)) != 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("block_size is not a power of two, 128 to 1048576"));
    }
    self->block_size = block_size;
    self->block_count = self->size / self->block_size;
    if (self->format.kind == VOLUME_LITTLEFS && self->format.block_size == self->block_size
        && self->format.block_count > 0 && self->format.block_count < self->block_count) {
        self->block_count = self->format.block_count; // the disk has grown since
    }
}

static mp_obj_t disk_new(unsigned number, unsigned partition, mp_int_t block_size) {
    struct drive *disk = drive_get(number);
    if (disk == NULL) {
        mp_raise_OSError(MP_ENODEV);
    }
    struct virtio_blk_info info;
    drive_info(disk, &info);
    struct machine_disk *self = mp_obj_malloc(struct machine_disk, &machine_disk_type);
    self->disk = disk;
    self->number = number;
    self->partition = partition;
    self->start = 0;
    self->size = info.sectors * BLOCK_SECTOR;
    if (partition != 0) {
        find_partition(self);
    }
    choose_blocks(self, block_size);
    return MP_OBJ_FROM_PTR(self);
}

// Disk(n=0, partition=0, *, block_size=0)
static mp_obj_t machine_disk_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw,
    const mp_obj_t *all_args) {
    (void)type;
    enum { ARG_n, ARG_partition, ARG_block_size };
    static const mp_arg_t allowed[] = {
        { MP_QSTR_n, MP_ARG_INT, {.u_int = 0} },
        { MP_QSTR_partition, MP_ARG_INT, {.u_int = 0} },
        { MP_QSTR_block_size, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = 0} },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all_kw_array(n_args, n_kw, all_args, MP_ARRAY_SIZE(allowed), allowed, args);
    if (args[ARG_n].u_int < 0 || args[ARG_partition].u_int < 0) {
        mp_raise_OSError(MP_ENODEV);
    }
    return disk_new(args[ARG_n].u_int, args[ARG_partition].u_int, args[ARG_block_size].u_int);
}

static qstr format_name(const struct machine_disk *self) {
    return self->format.kind == VOLUME_LITTLEFS ? MP_QSTR_littlefs
        : self->format.kind == VOLUME_FAT ? MP_QSTR_fat : MP_QSTRnull;
}

static void machine_disk_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    struct machine_disk *self = MP_OBJ_TO_PTR(self_in);
    mp_printf(print, "Disk(%u", self->number);
    if (self->partition != 0) {
        mp_printf(print, ", %u", self->partition);
    }
    mp_printf(print, ", block_size=%u, size=", (unsigned)self->block_size);
    mp_obj_print_helper(print, mp_obj_new_int_from_uint(self->size), PRINT_REPR);
    mp_printf(print, ", filesystem=%s)", format_name(self) == MP_QSTRnull ? "None"
        : qstr_str(format_name(self)));
}

// --- the block device -----------------------------------------------------------------------

// Arguments (self, block, buffer[, offset]): the place on the disk. Returns 0, or -EINVAL.
static int locate(size_t n_args, const mp_obj_t *args, mp_buffer_info_t *buffer, mp_uint_t flags,
    uint64_t *place) {
    const struct machine_disk *self = MP_OBJ_TO_PTR(args[0]);
    mp_get_buffer_raise(args[2], buffer, flags);
    mp_int_t block = mp_obj_get_int(args[1]);
    mp_int_t offset = n_args == 4 ? mp_obj_get_int(args[3]) : 0;
    if (block < 0 || (uint64_t)block >= self->block_count || offset < 0) {
        return -MP_EINVAL;
    }
    uint64_t end = self->block_count * self->block_size;
    uint64_t from = (uint64_t)block * self->block_size;
    if ((uint64_t)offset > end - from || buffer->len > end - from - (uint64_t)offset) {
        return -MP_EINVAL;
    }
    *place = self->start + from + (uint64_t)offset;
    return 0;
}

static mp_obj_t machine_disk_readblocks(size_t n_args, const mp_obj_t *args) {
    const struct machine_disk *self = MP_OBJ_TO_PTR(args[0]);
    mp_buffer_info_t buffer;
    uint64_t place;
    int ret = locate(n_args, args, &buffer, MP_BUFFER_WRITE, &place);
    if (ret == 0) {
        ret = drive_read(self->disk, place, buffer.buf, buffer.len);
    }
    return MP_OBJ_NEW_SMALL_INT(ret);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(machine_disk_readblocks_obj, 3, 4,
    machine_disk_readblocks);

static mp_obj_t machine_disk_writeblocks(size_t n_args, const mp_obj_t *args) {
    const struct machine_disk *self = MP_OBJ_TO_PTR(args[0]);
    mp_buffer_info_t buffer;
    uint64_t place;
    int ret = locate(n_args, args, &buffer, MP_BUFFER_READ, &place);
    if (ret == 0) {
        ret = drive_write(self->disk, place, buffer.buf, buffer.len);
    }
    return MP_OBJ_NEW_SMALL_INT(ret);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(machine_disk_writeblocks_obj, 3, 4,
    machine_disk_writeblocks);

static mp_obj_t machine_disk_ioctl(mp_obj_t self_in, mp_obj_t command, mp_obj_t arg) {
    struct machine_disk *self = MP_OBJ_TO_PTR(self_in);
    (void)arg;
    switch (mp_obj_get_int(command)) {
        case MP_BLOCKDEV_IOCTL_INIT:
            return MP_OBJ_NEW_SMALL_INT(0);
        case MP_BLOCKDEV_IOCTL_BLOCK_ERASE:
            // A disk can overwrite. To show an erased block that the disk does not have would be
            // wrong: littlefs marks its commits by what lies behind them, so that old data found
            // there after a power cut is not taken for a commit.
            return MP_OBJ_NEW_SMALL_INT(0);
        case MP_BLOCKDEV_IOCTL_DEINIT:
        case MP_BLOCKDEV_IOCTL_SYNC:
            return MP_OBJ_NEW_SMALL_INT(drive_sync(self->disk));
        case MP_BLOCKDEV_IOCTL_BLOCK_COUNT:
            return mp_obj_new_int_from_uint(self->block_count);
        case MP_BLOCKDEV_IOCTL_BLOCK_SIZE:
            return MP_OBJ_NEW_SMALL_INT(self->block_size);
        default:
            return mp_const_none;
    }
}
static MP_DEFINE_CONST_FUN_OBJ_3(machine_disk_ioctl_obj, machine_disk_ioctl);

// --- what only people call ------------------------------------------------------------------

static mp_obj_t machine_disk_sync(mp_obj_t self_in) {
    struct machine_disk *self = MP_OBJ_TO_PTR(self_in);
    check(drive_sync(self->disk));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(machine_disk_sync_obj, machine_disk_sync);

// discard(block, count=1)
static mp_obj_t machine_disk_discard(size_t n_args, const mp_obj_t *args) {
    struct machine_disk *self = MP_OBJ_TO_PTR(args[0]);
    mp_int_t block = mp_obj_get_int(args[1]);
    mp_int_t count = n_args == 3 ? mp_obj_get_int(args[2]) : 1;
    if (block < 0 || count < 0 || (uint64_t)block > self->block_count
        || (uint64_t)count > self->block_count - (uint64_t)block) {
        mp_raise_OSError(MP_EINVAL);
    }
    check(drive_discard(self->disk, self->start + (uint64_t)block * self->block_size,
        (uint64_t)count * self->block_size));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(machine_disk_discard_obj, 2, 3, machine_disk_discard);

static mp_obj_t partition_tuple(const struct volume_partition *partition) {
    static const qstr fields[] = {
        MP_QSTR_number, MP_QSTR_start, MP_QSTR_size, MP_QSTR_type, MP_QSTR_name,
    };
    mp_obj_t items[] = {
        MP_OBJ_NEW_SMALL_INT(partition->number),
        mp_obj_new_int_from_uint(partition->start),
        mp_obj_new_int_from_uint(partition->size),
        partition->type != 0 ? MP_OBJ_NEW_SMALL_INT(partition->type)
            : mp_obj_new_bytes(partition->guid, sizeof(partition->guid)),
        mp_obj_new_str_from_cstr(partition->name),
    };
    return mp_obj_new_attrtuple(fields, MP_ARRAY_SIZE(items), items);
}

static mp_obj_t machine_disk_partitions(mp_obj_t self_in) {
    struct machine_disk *self = MP_OBJ_TO_PTR(self_in);
    struct volume volume = volume_of(self);
    struct volume_partition *list = m_new(struct volume_partition, VOLUME_PARTITION_MAX);
    int count = volume_partitions(&volume, list, VOLUME_PARTITION_MAX);
    check(count);
    mp_obj_t result = mp_obj_new_list(0, NULL);
    for (int i = 0; i < count; i++) {
        mp_obj_list_append(result, partition_tuple(&list[i]));
    }
    m_del(struct volume_partition, list, VOLUME_PARTITION_MAX);
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_1(machine_disk_partitions_obj, machine_disk_partitions);

static mp_obj_t machine_disk_info(mp_obj_t self_in) {
    static const qstr fields[] = {
        MP_QSTR_size, MP_QSTR_sector_size, MP_QSTR_read_only, MP_QSTR_filesystem, MP_QSTR_memory,
    };
    struct machine_disk *self = MP_OBJ_TO_PTR(self_in);
    struct virtio_blk_info info;
    drive_info(self->disk, &info);
    struct volume volume = volume_of(self);
    volume_detect(&volume, &self->format); // it may have been formatted since
    mp_obj_t items[] = {
        mp_obj_new_int_from_uint(self->partition != 0 ? self->size : info.sectors *BLOCK_SECTOR),
        MP_OBJ_NEW_SMALL_INT(info.block_size),
        mp_obj_new_bool(info.read_only),
        format_name(self) == MP_QSTRnull ? mp_const_none : MP_OBJ_NEW_QSTR(format_name(self)),
        mp_obj_new_int_from_uint(drive_memory(self->disk)),
    };
    return mp_obj_new_attrtuple(fields, MP_ARRAY_SIZE(items), items);
}
static MP_DEFINE_CONST_FUN_OBJ_1(machine_disk_info_obj, machine_disk_info);

// serial(): what the host calls the disk, in bytes, as it may be no text.
static mp_obj_t machine_disk_serial(mp_obj_t self_in) {
    struct machine_disk *self = MP_OBJ_TO_PTR(self_in);
    char serial[VIRTIO_BLK_SERIAL_SIZE + 1];
    check(drive_serial(self->disk, serial));
    return mp_obj_new_bytes((const byte *)serial, strlen(serial));
}
static MP_DEFINE_CONST_FUN_OBJ_1(machine_disk_serial_obj, machine_disk_serial);

static mp_obj_t machine_disk_stats(mp_obj_t self_in) {
    static const qstr fields[] = {
        MP_QSTR_reads, MP_QSTR_writes, MP_QSTR_flushes, MP_QSTR_discards, MP_QSTR_read_bytes,
        MP_QSTR_write_bytes, MP_QSTR_errors, MP_QSTR_interrupts, MP_QSTR_resets,
    };
    struct machine_disk *self = MP_OBJ_TO_PTR(self_in);
    const struct virtio_blk_stats *stats = drive_stats(self->disk);
    const uint64_t values[] = {
        stats->reads, stats->writes, stats->flushes, stats->discards, stats->read_bytes,
        stats->write_bytes, stats->errors, stats->interrupts, stats->resets,
    };
    mp_obj_t items[MP_ARRAY_SIZE(values)];
    for (size_t i = 0; i < MP_ARRAY_SIZE(values); i++) {
        items[i] = mp_obj_new_int_from_uint(values[i]);
    }
    return mp_obj_new_attrtuple(fields, MP_ARRAY_SIZE(items), items);
}
static MP_DEFINE_CONST_FUN_OBJ_1(machine_disk_stats_obj, machine_disk_stats);

// Disk.all(): the whole disks that work.
static mp_obj_t machine_disk_all(void) {
    mp_obj_t result = mp_obj_new_list(0, NULL);
    for (unsigned n = 0; n < drive_count(); n++) {
        if (drive_get(n) != NULL) {
            mp_obj_list_append(result, disk_new(n, 0, 0));
        }
    }
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_0(machine_disk_all_fun_obj, machine_disk_all);
static MP_DEFINE_CONST_STATICMETHOD_OBJ(machine_disk_all_obj,
    MP_ROM_PTR(&machine_disk_all_fun_obj));

// Disk.sync_all()
static mp_obj_t machine_disk_sync_all(void) {
    check(drive_sync_all());
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(machine_disk_sync_all_fun_obj, machine_disk_sync_all);
static MP_DEFINE_CONST_STATICMETHOD_OBJ(machine_disk_sync_all_obj,
    MP_ROM_PTR(&machine_disk_sync_all_fun_obj));

// --- mounting at boot -----------------------------------------------------------------------

// littlefs is made for kilobytes of RAM. With a map of the free blocks of 128 MiB it seldom has to
// look for them, and our disks can be read in pieces of any size.
static mp_obj_t new_littlefs(mp_obj_t volume) {
    const mp_obj_t args[] = {
        volume, MP_OBJ_NEW_QSTR(MP_QSTR_readsize), MP_OBJ_NEW_SMALL_INT(4),
        MP_OBJ_NEW_QSTR(MP_QSTR_lookahead), MP_OBJ_NEW_SMALL_INT(4096),
    };
    return MP_OBJ_TYPE_GET_SLOT(&mp_type_vfs_lfs2, make_new)(&mp_type_vfs_lfs2, 1, 2, args);
}

static mp_obj_t new_fat(mp_obj_t volume) {
    return MP_OBJ_TYPE_GET_SLOT(&mp_fat_vfs_type, make_new)(&mp_fat_vfs_type, 1, 0, &volume);
}

// False: it has no known file system.
static bool mount_volume(mp_obj_t volume, mp_obj_t point) {
    const struct machine_disk *self = MP_OBJ_TO_PTR(volume);
    if (self->format.kind == VOLUME_UNKNOWN) {
        return false;
    }
    mp_obj_t args[] = {
        self->format.kind == VOLUME_LITTLEFS ? new_littlefs(volume) : new_fat(volume), point,
    };
    mp_vfs_mount(MP_ARRAY_SIZE(args), args, (mp_map_t *)&mp_const_empty_map);
    return true;
}

// The first volume of a disk that has a known file system. False: there is none.
static bool mount_disk(unsigned number, mp_obj_t point) {
    mp_obj_t disk = disk_new(number, 0, 0);
    if (mount_volume(disk, point)) {
        return true;
    }
    struct volume volume = volume_of(MP_OBJ_TO_PTR(disk));
    struct volume_partition *list = m_new(struct volume_partition, VOLUME_PARTITION_MAX);
    int count = volume_partitions(&volume, list, VOLUME_PARTITION_MAX);
    check(count);
    for (int i = 0; i < count; i++) {
        if (mount_volume(disk_new(number, list[i].number, 0), point)) {
            return true;
        }
    }
    return false;
}

static bool try_mount(unsigned number, mp_obj_t point) {
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        bool mounted = mount_disk(number, point);
        nlr_pop();
        return mounted;
    }
    mp_obj_t error = MP_OBJ_FROM_PTR(nlr.ret_val);
    if (!mp_obj_is_subclass_fast(MP_OBJ_FROM_PTR(mp_obj_get_type(error)),
        MP_OBJ_FROM_PTR(&mp_type_OSError))) {
        nlr_jump(nlr.ret_val);
    }
    mp_printf(&mp_plat_print, "disk%u: cannot be mounted: ", number);
    mp_obj_print(error, PRINT_STR);
    mp_print_str(&mp_plat_print, "\n");
    return false;
}

static mp_obj_t mount_point(unsigned number) {
    char name[] = "/disk0";
    _Static_assert(VIRTIO_BLK_MAX <= 10, "one digit");
    name[sizeof(name) - 2] += number;
    return mp_obj_new_str_from_cstr(name);
}

// In C because it runs at each boot: what Python does once costs a machine that translates code
// more than the disk itself.
static mp_obj_t machine_disk_mount_all(void) {
    bool root = false;
    for (unsigned n = 0; n < drive_count(); n++) {
        if (drive_get(n) != NULL) {
            bool mounted = try_mount(n, root ? mount_point(n) : MP_OBJ_NEW_QSTR(MP_QSTR__slash_));
            root = root || mounted;
        }
    }
    return mp_obj_new_bool(root);
}
MP_DEFINE_CONST_FUN_OBJ_0(machine_disk_mount_all_obj, machine_disk_mount_all);

static const mp_rom_map_elem_t machine_disk_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_readblocks), MP_ROM_PTR(&machine_disk_readblocks_obj) },
    { MP_ROM_QSTR(MP_QSTR_writeblocks), MP_ROM_PTR(&machine_disk_writeblocks_obj) },
    { MP_ROM_QSTR(MP_QSTR_ioctl), MP_ROM_PTR(&machine_disk_ioctl_obj) },
    { MP_ROM_QSTR(MP_QSTR_sync), MP_ROM_PTR(&machine_disk_sync_obj) },
    { MP_ROM_QSTR(MP_QSTR_discard), MP_ROM_PTR(&machine_disk_discard_obj) },
    { MP_ROM_QSTR(MP_QSTR_partitions), MP_ROM_PTR(&machine_disk_partitions_obj) },
    { MP_ROM_QSTR(MP_QSTR_info), MP_ROM_PTR(&machine_disk_info_obj) },
    { MP_ROM_QSTR(MP_QSTR_serial), MP_ROM_PTR(&machine_disk_serial_obj) },
    { MP_ROM_QSTR(MP_QSTR_stats), MP_ROM_PTR(&machine_disk_stats_obj) },
    { MP_ROM_QSTR(MP_QSTR_sync_all), MP_ROM_PTR(&machine_disk_sync_all_obj) },
    { MP_ROM_QSTR(MP_QSTR_all), MP_ROM_PTR(&machine_disk_all_obj) },
};
static MP_DEFINE_CONST_DICT(machine_disk_locals, machine_disk_locals_table);

MP_DEFINE_CONST_OBJ_TYPE(
    machine_disk_type,
    MP_QSTR_Disk,
    MP_TYPE_FLAG_NONE,
    make_new, machine_disk_make_new,
    print, machine_disk_print,
    locals_dict, &machine_disk_locals
    );
