// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// machine.Console: a port of the virtio console as a stream, after the manner of pyb.USB_VCP and
// machine.UART. Reading never waits. Writing waits while the host takes something now and then;
// once it has taken nothing for STALL_NS, what does not fit is not written, and later writes do
// not wait again before the host has taken something.

#include <string.h>

#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stream.h"

#include "heap.h"
#include "irq.h"
#include "machine_console.h"
#include "virtio_console.h"

#define STALL_NS (500 * NS_PER_MS)

struct machine_console {
    mp_obj_base_t base;
    uint8_t number;
    bool stalled;
};

// The objects are never collected, so that the interrupt may look at them.
static struct machine_console consoles[VIRTIO_CONSOLE_PORT_MAX];
static void *memory;
static bool tried, works;

// Interrupt context. Ctrl-C must work while Python computes: os.dupterm() of this one made it a
// terminal.
static bool filter(unsigned port, uint8_t byte) {
    if (byte != mp_interrupt_char) {
        return false;
    }
    for (size_t i = 0; i < MICROPY_PY_OS_DUPTERM; i++) {
        if (MP_STATE_VM(dupterm_objs)[i] == MP_OBJ_FROM_PTR(&consoles[port])) {
            mp_sched_keyboard_interrupt();
            return true;
        }
    }
    return false;
}

void machine_console_boot(void) {
    if (virtio_console_exists()) {
        memory = heap_reserve(virtio_console_memory_size());
    }
}

static bool start(void) {
    if (!tried && memory != NULL) {
        tried = true;
        virtio_console_set_handlers(filter, mp_hal_wake);
        works = virtio_console_start(memory) == 0;
    }
    return works;
}

static mp_obj_t get(unsigned number) {
    struct machine_console *self = &consoles[number];
    self->base.type = &machine_console_type;
    self->number = (uint8_t)number;
    return MP_OBJ_FROM_PTR(self);
}

static bool fits(unsigned number, mp_obj_t wanted) {
    if (!virtio_console_has_port(number)) {
        return false;
    }
    if (wanted == MP_OBJ_NULL) {
        return true;
    }
    return mp_obj_is_str(wanted)
        ? strcmp(virtio_console_name(number), mp_obj_str_get_str(wanted)) == 0
        : (mp_int_t)number == mp_obj_get_int(wanted);
}

// Console([port]): (port) is a number or the port's name; without it, the first one.
static mp_obj_t machine_console_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw,
    const mp_obj_t *args) {
    (void)type;
    mp_arg_check_num(n_args, n_kw, 0, 1, false);
    for (unsigned n = 0; start() && n < VIRTIO_CONSOLE_PORT_MAX; n++) {
        if (fits(n, n_args == 1 ? args[0] : MP_OBJ_NULL)) {
            int ret = virtio_console_open(n);
            if (ret < 0) {
                mp_raise_OSError(-ret);
            }
            return get(n);
        }
    }
    mp_raise_OSError(MP_ENODEV);
}

// Console.all(): the ports that there are. None is opened by this.
static mp_obj_t machine_console_all(void) {
    mp_obj_t list = mp_obj_new_list(0, NULL);
    for (unsigned n = 0; start() && n < VIRTIO_CONSOLE_PORT_MAX; n++) {
        if (virtio_console_has_port(n)) {
            mp_obj_list_append(list, get(n));
        }
    }
    return list;
}
static MP_DEFINE_CONST_FUN_OBJ_0(machine_console_all_fun_obj, machine_console_all);
static MP_DEFINE_CONST_STATICMETHOD_OBJ(machine_console_all_obj,
    MP_ROM_PTR(&machine_console_all_fun_obj));

static unsigned number_of(mp_obj_t self_in) {
    return ((const struct machine_console *)MP_OBJ_TO_PTR(self_in))->number;
}

static void machine_console_print(const mp_print_t *print, mp_obj_t self_in,
    mp_print_kind_t kind) {
    (void)kind;
    mp_printf(print, "Console(%u, name=%s)", number_of(self_in),
        virtio_console_name(number_of(self_in)));
}

static mp_obj_t machine_console_name(mp_obj_t self_in) {
    return mp_obj_new_str_from_cstr(virtio_console_name(number_of(self_in)));
}
static MP_DEFINE_CONST_FUN_OBJ_1(machine_console_name_obj, machine_console_name);

static mp_obj_t machine_console_any(mp_obj_t self_in) {
    return MP_OBJ_NEW_SMALL_INT(virtio_console_readable(number_of(self_in)));
}
static MP_DEFINE_CONST_FUN_OBJ_1(machine_console_any_obj, machine_console_any);

static mp_obj_t machine_console_isconnected(mp_obj_t self_in) {
    virtio_console_readable(number_of(self_in)); // hear what the host has said
    return mp_obj_new_bool(virtio_console_connected(number_of(self_in)));
}
static MP_DEFINE_CONST_FUN_OBJ_1(machine_console_isconnected_obj, machine_console_isconnected);

// size(): (columns, rows) of the terminal, None if the host does not tell.
static mp_obj_t machine_console_size(mp_obj_t self_in) {
    (void)self_in;
    uint16_t columns, rows;
    if (!virtio_console_size(&columns, &rows)) {
        return mp_const_none;
    }
    mp_obj_t items[] = { MP_OBJ_NEW_SMALL_INT(columns), MP_OBJ_NEW_SMALL_INT(rows) };
    return mp_obj_new_tuple(2, items);
}
static MP_DEFINE_CONST_FUN_OBJ_1(machine_console_size_obj, machine_console_size);

static mp_uint_t result(int ret, int *errcode) {
    if (ret <= 0) {
        *errcode = ret == 0 ? MP_EAGAIN : -ret;
        return MP_STREAM_ERROR;
    }
    return (mp_uint_t)ret;
}

static mp_uint_t machine_console_read(mp_obj_t self_in, void *buffer, mp_uint_t size,
    int *errcode) {
    return size == 0 ? 0 : result(virtio_console_read(number_of(self_in), buffer, size), errcode);
}

static mp_uint_t machine_console_write(mp_obj_t self_in, const void *data, mp_uint_t size,
    int *errcode) {
    struct machine_console *self = MP_OBJ_TO_PTR(self_in);
    const uint8_t *from = data;
    mp_uint_t done = 0;
    while (done < size) {
        int ret = virtio_console_write(self->number, from + done, size - done);
        if (ret < 0) {
            return result(ret, errcode);
        }
        done += (mp_uint_t)ret;
        if (ret > 0) {
            self->stalled = false;
        } else if (self->stalled || irq_in_handler()
                   || !virtio_console_wait(self->number, STALL_NS)) {
            self->stalled = true;
            break;
        }
    }
    return size == 0 ? 0 : result((int)done, errcode);
}

static mp_uint_t poll(unsigned number, mp_uint_t flags) {
    mp_uint_t ready = 0;
    if (flags & MP_STREAM_POLL_RD && virtio_console_readable(number) > 0) {
        ready |= MP_STREAM_POLL_RD;
    }
    if (flags & MP_STREAM_POLL_WR && virtio_console_writable(number) > 0) {
        ready |= MP_STREAM_POLL_WR;
    }
    if (!virtio_console_connected(number)) {
        ready |= flags & MP_STREAM_POLL_HUP;
    }
    return ready;
}

static mp_uint_t flush(unsigned number, int *errcode) {
    while (!virtio_console_drained(number)) {
        if (!virtio_console_wait(number, STALL_NS)) {
            *errcode = MP_ETIMEDOUT;
            return MP_STREAM_ERROR;
        }
    }
    return 0;
}

static mp_uint_t machine_console_ioctl(mp_obj_t self_in, mp_uint_t request, uintptr_t arg,
    int *errcode) {
    unsigned number = number_of(self_in);
    switch (request) {
        case MP_STREAM_POLL:
            return poll(number, arg);
        case MP_STREAM_FLUSH:
            return flush(number, errcode);
        case MP_STREAM_CLOSE:
            virtio_console_close(number);
            return 0;
        default:
            *errcode = MP_EINVAL;
            return MP_STREAM_ERROR;
    }
}

static const mp_stream_p_t machine_console_stream = {
    .read = machine_console_read,
    .write = machine_console_write,
    .ioctl = machine_console_ioctl,
};

static const mp_rom_map_elem_t machine_console_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_all), MP_ROM_PTR(&machine_console_all_obj) },
    { MP_ROM_QSTR(MP_QSTR_name), MP_ROM_PTR(&machine_console_name_obj) },
    { MP_ROM_QSTR(MP_QSTR_any), MP_ROM_PTR(&machine_console_any_obj) },
    { MP_ROM_QSTR(MP_QSTR_isconnected), MP_ROM_PTR(&machine_console_isconnected_obj) },
    { MP_ROM_QSTR(MP_QSTR_size), MP_ROM_PTR(&machine_console_size_obj) },
    { MP_ROM_QSTR(MP_QSTR_read), MP_ROM_PTR(&mp_stream_read_obj) },
    { MP_ROM_QSTR(MP_QSTR_readinto), MP_ROM_PTR(&mp_stream_readinto_obj) },
    { MP_ROM_QSTR(MP_QSTR_readline), MP_ROM_PTR(&mp_stream_unbuffered_readline_obj) },
    { MP_ROM_QSTR(MP_QSTR_write), MP_ROM_PTR(&mp_stream_write_obj) },
    { MP_ROM_QSTR(MP_QSTR_flush), MP_ROM_PTR(&mp_stream_flush_obj) },
    { MP_ROM_QSTR(MP_QSTR_close), MP_ROM_PTR(&mp_stream_close_obj) },
};
static MP_DEFINE_CONST_DICT(machine_console_locals, machine_console_locals_table);

MP_DEFINE_CONST_OBJ_TYPE(
    machine_console_type,
    MP_QSTR_Console,
    MP_TYPE_FLAG_ITER_IS_STREAM,
    make_new, machine_console_make_new,
    print, machine_console_print,
    protocol, &machine_console_stream,
    locals_dict, &machine_console_locals
    );
