// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// A file in a share, as a stream with a buffer: what was read ahead, or what waits to be written.
// flush() makes it last: the host is told to put it on its disk.

#include <string.h>

#include "py/mperrno.h"
#include "py/runtime.h"
#include "py/stream.h"

#include "machine_share.h"

#define BUFFER_SIZE 4096

struct share_file {
    mp_obj_base_t base;
    struct share *share;
    int file; // -1: closed
    unsigned flags;
    uint64_t position;
    uint64_t start; // where the buffer lies in the file
    size_t fill; // bytes in it
    bool dirty;
    uint8_t buffer[BUFFER_SIZE];
};

static const mp_obj_type_t share_file_binary_type, share_file_text_type;

// (mode) to flags; -1 if it is none. Sets (*text) and (*append).
static int parse_mode(const char *mode, bool *text, bool *append) {
    int flags = -1, plus = 0;
    *text = true;
    *append = false;
    for (; *mode != 0; mode++) {
        switch (*mode) {
            case 'r':
                flags = SHARE_READ;
                break;
            case 'w':
                flags = SHARE_WRITE | SHARE_CREATE | SHARE_TRUNCATE;
                break;
            case 'x':
                flags = SHARE_WRITE | SHARE_CREATE | SHARE_EXCLUSIVE;
                break;
            case 'a':
                flags = SHARE_WRITE | SHARE_CREATE;
                *append = true;
                break;
            case '+':
                plus = 1;
                break;
            case 'b':
            case 't':
                *text = *mode == 't';
                break;
            default:
                return -1;
        }
    }
    return flags < 0 || !plus ? flags : (flags & ~(int)SHARE_WRITE) | (int)SHARE_READ_WRITE;
}

mp_obj_t share_file_open(struct share *share, const char *path, const char *mode) {
    bool text, append;
    int flags = parse_mode(mode, &text, &append);
    if (flags < 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("bad mode"));
    }
    struct share_file *self = mp_obj_malloc_with_finaliser(struct share_file,
        text ? &share_file_text_type : &share_file_binary_type);
    self->file = -1;
    self->share = share;
    self->flags = (unsigned)flags;
    self->position = self->start = self->fill = 0;
    self->dirty = false;
    int file = share_open(share, path, (unsigned)flags);
    if (file < 0) {
        mp_raise_OSError(-file);
    }
    self->file = file;
    if (append) {
        int64_t size = share_size(share, file);
        self->position = size < 0 ? 0 : (uint64_t)size;
    }
    return MP_OBJ_FROM_PTR(self);
}

static int write_all(struct share_file *self, uint64_t offset, const uint8_t *data, size_t size) {
    while (size > 0) {
        int count = share_write(self->share, self->file, offset, data, size);
        if (count <= 0) {
            return count < 0 ? count : -MP_EIO;
        }
        offset += (unsigned)count;
        data += count;
        size -= (unsigned)count;
    }
    return 0;
}

static int write_back(struct share_file *self) {
    int ret = self->dirty ? write_all(self, self->start, self->buffer, self->fill) : 0;
    if (ret == 0 && self->dirty) {
        self->dirty = false;
        self->fill = 0;
    }
    return ret;
}

static mp_uint_t fail(int error, int *errcode) {
    *errcode = -error;
    return MP_STREAM_ERROR;
}

static mp_uint_t share_file_read(mp_obj_t self_in, void *data, mp_uint_t size, int *errcode) {
    struct share_file *self = MP_OBJ_TO_PTR(self_in);
    if (self->file < 0 || (self->flags & 3) == SHARE_WRITE) {
        return fail(-MP_EBADF, errcode);
    }
    int ret = write_back(self);
    if (ret < 0) {
        return fail(ret, errcode);
    }
    uint64_t at = self->position - self->start;
    if (self->position < self->start || at >= self->fill) {
        bool direct = size >= BUFFER_SIZE;
        ret = share_read(self->share, self->file, self->position, direct ? data : self->buffer,
            direct ? size : BUFFER_SIZE);
        if (ret < 0) {
            return fail(ret, errcode);
        }
        if (direct) {
            self->position += (unsigned)ret;
            return (mp_uint_t)ret;
        }
        self->start = self->position;
        self->fill = (size_t)ret;
        at = 0;
    }
    size_t part = MIN(size, self->fill - at);
    memcpy(data, self->buffer + at, part);
    self->position += part;
    return part;
}

static mp_uint_t share_file_write(mp_obj_t self_in, const void *data, mp_uint_t size,
    int *errcode) {
    struct share_file *self = MP_OBJ_TO_PTR(self_in);
    if (self->file < 0 || (self->flags & 3) == SHARE_READ) {
        return fail(-MP_EBADF, errcode);
    }
    int ret = 0;
    if (self->dirty && (self->position != self->start + self->fill
                        || self->fill + size > BUFFER_SIZE)) {
        ret = write_back(self);
    }
    if (ret == 0 && size >= BUFFER_SIZE) {
        self->fill = 0; // it may have been read ahead
        ret = write_all(self, self->position, data, size);
    } else if (ret == 0) {
        if (!self->dirty) {
            self->start = self->position;
            self->fill = 0;
        }
        memcpy(self->buffer + self->fill, data, size);
        self->fill += size;
        self->dirty = true;
    }
    if (ret < 0) {
        return fail(ret, errcode);
    }
    self->position += size;
    return size;
}

static int seek(struct share_file *self, struct mp_stream_seek_t *where) {
    int64_t base = where->whence == MP_SEEK_CUR ? (int64_t)self->position : 0;
    int ret = write_back(self);
    if (where->whence == MP_SEEK_END) {
        base = share_size(self->share, self->file);
    }
    if (ret < 0 || base < 0) {
        return ret < 0 ? ret : (int)base;
    }
    if (where->offset < 0 ? where->offset < -base : where->offset > INT64_MAX - base) {
        return -MP_EINVAL;
    }
    self->position = (uint64_t)(base + where->offset);
    where->offset = (mp_off_t)self->position;
    return 0;
}

static mp_uint_t share_file_ioctl(mp_obj_t self_in, mp_uint_t request, uintptr_t arg,
    int *errcode) {
    struct share_file *self = MP_OBJ_TO_PTR(self_in);
    int ret = 0;
    if (request == MP_STREAM_CLOSE) {
        if (self->file >= 0) {
            ret = write_back(self);
            share_close(self->share, self->file);
            self->file = -1;
        }
    } else if (self->file < 0) {
        ret = -MP_EBADF;
    } else if (request == MP_STREAM_SEEK) {
        ret = seek(self, (struct mp_stream_seek_t *)arg);
    } else if (request == MP_STREAM_FLUSH) {
        ret = write_back(self);
        if (ret == 0 && (self->flags & 3) != SHARE_READ) {
            ret = share_sync(self->share, self->file);
        }
    } else {
        ret = -MP_EINVAL;
    }
    return ret < 0 ? fail(ret, errcode) : 0;
}

static const mp_rom_map_elem_t share_file_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_read), MP_ROM_PTR(&mp_stream_read_obj) },
    { MP_ROM_QSTR(MP_QSTR_readinto), MP_ROM_PTR(&mp_stream_readinto_obj) },
    { MP_ROM_QSTR(MP_QSTR_readline), MP_ROM_PTR(&mp_stream_unbuffered_readline_obj) },
    { MP_ROM_QSTR(MP_QSTR_readlines), MP_ROM_PTR(&mp_stream_unbuffered_readlines_obj) },
    { MP_ROM_QSTR(MP_QSTR_write), MP_ROM_PTR(&mp_stream_write_obj) },
    { MP_ROM_QSTR(MP_QSTR_flush), MP_ROM_PTR(&mp_stream_flush_obj) },
    { MP_ROM_QSTR(MP_QSTR_close), MP_ROM_PTR(&mp_stream_close_obj) },
    { MP_ROM_QSTR(MP_QSTR_seek), MP_ROM_PTR(&mp_stream_seek_obj) },
    { MP_ROM_QSTR(MP_QSTR_tell), MP_ROM_PTR(&mp_stream_tell_obj) },
    { MP_ROM_QSTR(MP_QSTR___del__), MP_ROM_PTR(&mp_stream_close_obj) },
    { MP_ROM_QSTR(MP_QSTR___enter__), MP_ROM_PTR(&mp_identity_obj) },
    { MP_ROM_QSTR(MP_QSTR___exit__), MP_ROM_PTR(&mp_stream___exit___obj) },
};
static MP_DEFINE_CONST_DICT(share_file_locals, share_file_locals_table);

static const mp_stream_p_t binary_stream = {
    .read = share_file_read, .write = share_file_write, .ioctl = share_file_ioctl,
};

static const mp_stream_p_t text_stream = {
    .read = share_file_read, .write = share_file_write, .ioctl = share_file_ioctl,
    .is_text = true,
};

static MP_DEFINE_CONST_OBJ_TYPE(
    share_file_binary_type,
    MP_QSTR_FileIO,
    MP_TYPE_FLAG_ITER_IS_STREAM,
    protocol, &binary_stream,
    locals_dict, &share_file_locals
    );

static MP_DEFINE_CONST_OBJ_TYPE(
    share_file_text_type,
    MP_QSTR_TextIOWrapper,
    MP_TYPE_FLAG_ITER_IS_STREAM,
    protocol, &text_stream,
    locals_dict, &share_file_locals
    );
