// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// machine.port8, port16, port32: the I/O ports, indexed like machine.mem8; machine.RTC: the CMOS
// clock; machine.soft_reset().

#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "shared/timeutils/timeutils.h"

#include "clock.h"
#include "cpu.h"
#include "machine_x86.h"
#include "rtc.h"

struct machine_port {
    mp_obj_base_t base;
    unsigned size; // bytes of one access
};

static void machine_port_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    const struct machine_port *self = MP_OBJ_TO_PTR(self_in);
    mp_printf(print, "<%u-bit I/O ports>", 8 * self->size);
}

static uint32_t port_read(unsigned port, unsigned size) {
    return size == 1 ? inb(port) : size == 2 ? inw(port) : inl(port);
}

static void port_write(unsigned port, unsigned size, uint32_t value) {
    if (size == 1) {
        outb(port, value);
    } else if (size == 2) {
        outw(port, value);
    } else {
        outl(port, value);
    }
}

static mp_obj_t machine_port_subscr(mp_obj_t self_in, mp_obj_t index, mp_obj_t value) {
    const struct machine_port *self = MP_OBJ_TO_PTR(self_in);
    if (value == MP_OBJ_NULL) {
        return MP_OBJ_NULL; // ports cannot be deleted
    }
    mp_int_t port = mp_obj_get_int(index);
    if (port < 0 || port > 0xffff) {
        mp_raise_ValueError(MP_ERROR_TEXT("port number is not in 0 to 0xffff"));
    }
    if (value == MP_OBJ_SENTINEL) {
        return mp_obj_new_int_from_uint(port_read(port, self->size));
    }
    port_write(port, self->size, mp_obj_get_int_truncated(value));
    return mp_const_none;
}

static MP_DEFINE_CONST_OBJ_TYPE(
    machine_port_type,
    MP_QSTR_port,
    MP_TYPE_FLAG_NONE,
    print, machine_port_print,
    subscr, machine_port_subscr
    );

const struct machine_port machine_port8_obj = {{ &machine_port_type }, 1 };
const struct machine_port machine_port16_obj = {{ &machine_port_type }, 2 };
const struct machine_port machine_port32_obj = {{ &machine_port_type }, 4 };

// RTC: one object, since there is one clock.

static const mp_obj_base_t machine_rtc_obj = { &machine_rtc_type };

static mp_obj_t machine_rtc_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw,
    const mp_obj_t *args) {
    (void)type;
    (void)args;
    mp_arg_check_num(n_args, n_kw, 0, 1, false);
    return MP_OBJ_FROM_PTR(&machine_rtc_obj);
}

static mp_obj_t rtc_get_datetime(void) {
    timeutils_struct_time_t tm;
    uint64_t ns = clock_wall_ns();
    timeutils_seconds_since_epoch_to_struct_time(ns / NS_PER_S, &tm);
    mp_obj_t tuple[8] = {
        MP_OBJ_NEW_SMALL_INT(tm.tm_year), MP_OBJ_NEW_SMALL_INT(tm.tm_mon),
        MP_OBJ_NEW_SMALL_INT(tm.tm_mday), MP_OBJ_NEW_SMALL_INT(tm.tm_wday),
        MP_OBJ_NEW_SMALL_INT(tm.tm_hour), MP_OBJ_NEW_SMALL_INT(tm.tm_min),
        MP_OBJ_NEW_SMALL_INT(tm.tm_sec), MP_OBJ_NEW_SMALL_INT(ns % NS_PER_S / NS_PER_US),
    };
    return mp_obj_new_tuple(8, tuple);
}

// datetime([(year, month, day, weekday, hour, minute, second, microsecond)]): read or set. The
// weekday is not looked at. Setting moves the running clock and, to the second, the CMOS clock.
static mp_obj_t machine_rtc_datetime(size_t n_args, const mp_obj_t *args) {
    if (n_args == 1) {
        return rtc_get_datetime();
    }
    mp_obj_t *items;
    mp_obj_get_array_fixed_n(args[1], 8, &items);
    uint64_t seconds = timeutils_seconds_since_epoch(mp_obj_get_int(items[0]),
        mp_obj_get_int(items[1]), mp_obj_get_int(items[2]), mp_obj_get_int(items[4]),
        mp_obj_get_int(items[5]), mp_obj_get_int(items[6]));
    clock_set_wall_ns(seconds * NS_PER_S + mp_obj_get_int(items[7]) * NS_PER_US);
    rtc_write(seconds); // without a CMOS clock the running clock alone is set
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(machine_rtc_datetime_obj, 1, 2, machine_rtc_datetime);

static const mp_rom_map_elem_t machine_rtc_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_datetime), MP_ROM_PTR(&machine_rtc_datetime_obj) },
};
static MP_DEFINE_CONST_DICT(machine_rtc_locals, machine_rtc_locals_table);

MP_DEFINE_CONST_OBJ_TYPE(
    machine_rtc_type,
    MP_QSTR_RTC,
    MP_TYPE_FLAG_NONE,
    make_new, machine_rtc_make_new,
    locals_dict, &machine_rtc_locals
    );

// soft_reset(): SystemExit that no exit policy applies to.

unsigned machine_soft_reset_count;
bool machine_soft_reset_asked;

static mp_obj_t machine_soft_reset(void) {
    machine_soft_reset_asked = true;
    mp_raise_type(&mp_type_SystemExit);
}
MP_DEFINE_CONST_FUN_OBJ_0(machine_soft_reset_obj, machine_soft_reset);
