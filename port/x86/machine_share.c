// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// machine.Share: a folder of the host as a file system (MicroPython's docs/library/vfs.rst), to be
// given to vfs.mount().

#include <string.h>

#include "py/mperrno.h"
#include "py/objstr.h"
#include "py/runtime.h"
#include "py/unicode.h"
#include "extmod/vfs.h"

#include "machine_share.h"
#include "virtio_9p.h"

#define TYPE_MASK 0170000u
#define TYPE_FOLDER 0040000u

struct machine_share {
    mp_obj_base_t base;
    struct share *share;
    unsigned number;
    bool read_only;
    char folder[SHARE_PATH_MAX + 1]; // the current one, with a slash at each end
};

static mp_obj_t check(int ret) {
    if (ret < 0) {
        mp_raise_OSError(-ret);
    }
    return mp_const_none;
}

// Share(n=0); (n) is a number, or the share's name.
static mp_obj_t machine_share_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw,
    const mp_obj_t *args) {
    (void)type;
    mp_arg_check_num(n_args, n_kw, 0, 1, false);
    bool by_name = n_args == 1 && mp_obj_is_str(args[0]);
    unsigned first = n_args == 1 && !by_name ? (unsigned)mp_obj_get_int(args[0]) : 0;
    for (unsigned n = first; by_name ? n < VIRTIO_9P_MAX : n == first; n++) {
        struct share *share = share_get(n);
        if (share != NULL
            && (!by_name || strcmp(share_tag(share), mp_obj_str_get_str(args[0])) == 0)) {
            struct machine_share *self = mp_obj_malloc(struct machine_share, &machine_share_type);
            self->share = share;
            self->number = n;
            self->read_only = false;
            strcpy(self->folder, "/");
            return MP_OBJ_FROM_PTR(self);
        }
    }
    mp_raise_OSError(MP_ENODEV);
}

// Share.all(): the names of the shares.
static mp_obj_t machine_share_all(void) {
    mp_obj_t list = mp_obj_new_list(0, NULL);
    for (unsigned n = 0; n < VIRTIO_9P_MAX; n++) {
        struct share *share = share_get(n);
        if (share != NULL) {
            mp_obj_list_append(list, mp_obj_new_str_from_cstr(share_tag(share)));
        }
    }
    return list;
}
static MP_DEFINE_CONST_FUN_OBJ_0(machine_share_all_fun_obj, machine_share_all);
static MP_DEFINE_CONST_STATICMETHOD_OBJ(machine_share_all_obj,
    MP_ROM_PTR(&machine_share_all_fun_obj));

static void machine_share_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    const struct machine_share *self = MP_OBJ_TO_PTR(self_in);
    mp_printf(print, "Share(%u, tag=%s)", self->number, share_tag(self->share));
}

// (path) from the root of the share, in (whole).
static const char *make_path(const struct machine_share *self, const char *path, char *whole) {
    size_t length = path[0] == '/' ? 0 : strlen(self->folder);
    if (length + strlen(path) > SHARE_PATH_MAX) {
        mp_raise_OSError(MP_EINVAL);
    }
    memcpy(whole, self->folder, length);
    strcpy(whole + length, path);
    return whole;
}

static const char *path_of(mp_obj_t self_in, mp_obj_t path, char *whole) {
    return make_path(MP_OBJ_TO_PTR(self_in), mp_obj_str_get_str(path), whole);
}

static void must_be_writable(mp_obj_t self_in) {
    const struct machine_share *self = MP_OBJ_TO_PTR(self_in);
    if (self->read_only) {
        mp_raise_OSError(MP_EROFS);
    }
}

static struct share *share_of(mp_obj_t self_in) {
    return ((struct machine_share *)MP_OBJ_TO_PTR(self_in))->share;
}

static mp_obj_t machine_share_mount(mp_obj_t self_in, mp_obj_t read_only, mp_obj_t mkfs) {
    struct machine_share *self = MP_OBJ_TO_PTR(self_in);
    if (mp_obj_is_true(mkfs)) {
        mp_raise_OSError(MP_EPERM);
    }
    self->read_only = mp_obj_is_true(read_only);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(machine_share_mount_obj, machine_share_mount);

static mp_obj_t machine_share_open(mp_obj_t self_in, mp_obj_t path, mp_obj_t mode_in) {
    char whole[SHARE_PATH_MAX + 1];
    const char *mode = mp_obj_str_get_str(mode_in);
    if (mode[strcspn(mode, "wax+")] != 0) {
        must_be_writable(self_in);
    }
    return share_file_open(share_of(self_in), path_of(self_in, path, whole), mode);
}
static MP_DEFINE_CONST_FUN_OBJ_3(machine_share_open_obj, machine_share_open);

static mp_obj_t machine_share_stat(mp_obj_t self_in, mp_obj_t path) {
    char whole[SHARE_PATH_MAX + 1];
    struct share_stat stat;
    check(share_stat(share_of(self_in), path_of(self_in, path, whole), &stat));
    mp_obj_t items[] = {
        mp_obj_new_int_from_uint(stat.mode), mp_obj_new_int_from_ull(stat.inode),
        MP_OBJ_NEW_SMALL_INT(0), MP_OBJ_NEW_SMALL_INT(0), MP_OBJ_NEW_SMALL_INT(0),
        MP_OBJ_NEW_SMALL_INT(0), mp_obj_new_int_from_ull(stat.size),
        mp_obj_new_int_from_ull(stat.atime), mp_obj_new_int_from_ull(stat.mtime),
        mp_obj_new_int_from_ull(stat.ctime),
    };
    return mp_obj_new_tuple(MP_ARRAY_SIZE(items), items);
}
static MP_DEFINE_CONST_FUN_OBJ_2(machine_share_stat_obj, machine_share_stat);

static mp_obj_t machine_share_statvfs(mp_obj_t self_in, mp_obj_t path) {
    (void)path;
    struct share_space space;
    check(share_space(share_of(self_in), &space));
    const uint64_t values[] = {
        space.block_size, space.block_size, space.blocks, space.free, space.available,
        space.files, space.files_free, space.files_free, 0, space.name_max,
    };
    mp_obj_t items[MP_ARRAY_SIZE(values)];
    for (size_t i = 0; i < MP_ARRAY_SIZE(values); i++) {
        items[i] = mp_obj_new_int_from_ull(values[i]);
    }
    return mp_obj_new_tuple(MP_ARRAY_SIZE(items), items);
}
static MP_DEFINE_CONST_FUN_OBJ_2(machine_share_statvfs_obj, machine_share_statvfs);

// The whole folder at once: the number of an open folder must not wait for a collection.
static mp_obj_t machine_share_ilistdir(mp_obj_t self_in, mp_obj_t path) {
    char whole[SHARE_PATH_MAX + 1];
    struct share *share = share_of(self_in);
    mp_obj_t list = mp_obj_new_list(0, NULL);
    int file = share_open(share, path_of(self_in, path, whole), SHARE_READ);
    check(file);
    nlr_buf_t nlr;
    int ret = 0;
    if (nlr_push(&nlr) == 0) {
        uint64_t offset = 0;
        struct share_entry entry;
        while ((ret = share_next(share, file, &offset, &entry)) == 1) {
            if (strcmp(entry.name, ".") == 0 || strcmp(entry.name, "..") == 0
                || !utf8_check((const byte *)entry.name, strlen(entry.name))) {
                continue; // a name that is no text can be neither shown nor opened
            }
            mp_obj_t items[] = {
                mp_obj_new_str_from_cstr(entry.name),
                MP_OBJ_NEW_SMALL_INT(entry.folder ? MP_S_IFDIR : MP_S_IFREG),
                mp_obj_new_int_from_ull(entry.inode),
            };
            mp_obj_list_append(list, mp_obj_new_tuple(MP_ARRAY_SIZE(items), items));
        }
        nlr_pop();
    } else {
        share_close(share, file);
        nlr_jump(nlr.ret_val);
    }
    share_close(share, file);
    check(ret);
    return mp_getiter(list, NULL);
}
static MP_DEFINE_CONST_FUN_OBJ_2(machine_share_ilistdir_obj, machine_share_ilistdir);

static mp_obj_t machine_share_mkdir(mp_obj_t self_in, mp_obj_t path) {
    char whole[SHARE_PATH_MAX + 1];
    must_be_writable(self_in);
    return check(share_mkdir(share_of(self_in), path_of(self_in, path, whole)));
}
static MP_DEFINE_CONST_FUN_OBJ_2(machine_share_mkdir_obj, machine_share_mkdir);

static mp_obj_t machine_share_remove(mp_obj_t self_in, mp_obj_t path) {
    char whole[SHARE_PATH_MAX + 1];
    must_be_writable(self_in);
    return check(share_remove(share_of(self_in), path_of(self_in, path, whole), false));
}
static MP_DEFINE_CONST_FUN_OBJ_2(machine_share_remove_obj, machine_share_remove);

static mp_obj_t machine_share_rmdir(mp_obj_t self_in, mp_obj_t path) {
    char whole[SHARE_PATH_MAX + 1];
    must_be_writable(self_in);
    return check(share_remove(share_of(self_in), path_of(self_in, path, whole), true));
}
static MP_DEFINE_CONST_FUN_OBJ_2(machine_share_rmdir_obj, machine_share_rmdir);

static mp_obj_t machine_share_rename(mp_obj_t self_in, mp_obj_t from, mp_obj_t to) {
    char old[SHARE_PATH_MAX + 1], new[SHARE_PATH_MAX + 1];
    must_be_writable(self_in);
    return check(share_rename(share_of(self_in), path_of(self_in, from, old),
        path_of(self_in, to, new)));
}
static MP_DEFINE_CONST_FUN_OBJ_3(machine_share_rename_obj, machine_share_rename);

static mp_obj_t machine_share_chdir(mp_obj_t self_in, mp_obj_t path) {
    struct machine_share *self = MP_OBJ_TO_PTR(self_in);
    char whole[SHARE_PATH_MAX + 2];
    struct share_stat stat;
    check(share_stat(self->share, path_of(self_in, path, whole), &stat));
    if ((stat.mode & TYPE_MASK) != TYPE_FOLDER) {
        mp_raise_OSError(MP_ENOTDIR);
    }
    size_t length = strlen(whole);
    if (length == 0 || whole[length - 1] != '/') {
        strcpy(whole + length, "/");
    }
    if (strlen(whole) > SHARE_PATH_MAX) {
        mp_raise_OSError(MP_EINVAL);
    }
    strcpy(self->folder, whole);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(machine_share_chdir_obj, machine_share_chdir);

static mp_obj_t machine_share_getcwd(mp_obj_t self_in) {
    const struct machine_share *self = MP_OBJ_TO_PTR(self_in);
    size_t length = strlen(self->folder);
    return mp_obj_new_str(self->folder, length > 1 ? length - 1 : length);
}
static MP_DEFINE_CONST_FUN_OBJ_1(machine_share_getcwd_obj, machine_share_getcwd);

static mp_import_stat_t machine_share_import_stat(void *self_in, const char *path) {
    const struct machine_share *self = self_in;
    char whole[SHARE_PATH_MAX + 1];
    struct share_stat stat;
    if (share_stat(self->share, make_path(self, path, whole), &stat) < 0) {
        return MP_IMPORT_STAT_NO_EXIST;
    }
    return (stat.mode & TYPE_MASK) == TYPE_FOLDER ? MP_IMPORT_STAT_DIR : MP_IMPORT_STAT_FILE;
}

static const mp_vfs_proto_t machine_share_vfs = { .import_stat = machine_share_import_stat };

static const mp_rom_map_elem_t machine_share_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_all), MP_ROM_PTR(&machine_share_all_obj) },
    { MP_ROM_QSTR(MP_QSTR_mount), MP_ROM_PTR(&machine_share_mount_obj) },
    { MP_ROM_QSTR(MP_QSTR_umount), MP_ROM_PTR(&mp_identity_obj) },
    { MP_ROM_QSTR(MP_QSTR_open), MP_ROM_PTR(&machine_share_open_obj) },
    { MP_ROM_QSTR(MP_QSTR_stat), MP_ROM_PTR(&machine_share_stat_obj) },
    { MP_ROM_QSTR(MP_QSTR_statvfs), MP_ROM_PTR(&machine_share_statvfs_obj) },
    { MP_ROM_QSTR(MP_QSTR_ilistdir), MP_ROM_PTR(&machine_share_ilistdir_obj) },
    { MP_ROM_QSTR(MP_QSTR_mkdir), MP_ROM_PTR(&machine_share_mkdir_obj) },
    { MP_ROM_QSTR(MP_QSTR_remove), MP_ROM_PTR(&machine_share_remove_obj) },
    { MP_ROM_QSTR(MP_QSTR_rmdir), MP_ROM_PTR(&machine_share_rmdir_obj) },
    { MP_ROM_QSTR(MP_QSTR_rename), MP_ROM_PTR(&machine_share_rename_obj) },
    { MP_ROM_QSTR(MP_QSTR_chdir), MP_ROM_PTR(&machine_share_chdir_obj) },
    { MP_ROM_QSTR(MP_QSTR_getcwd), MP_ROM_PTR(&machine_share_getcwd_obj) },
};
static MP_DEFINE_CONST_DICT(machine_share_locals, machine_share_locals_table);

MP_DEFINE_CONST_OBJ_TYPE(
    machine_share_type,
    MP_QSTR_Share,
    MP_TYPE_FLAG_NONE,
    make_new, machine_share_make_new,
    print, machine_share_print,
    protocol, &machine_share_vfs,
    locals_dict, &machine_share_locals
    );
