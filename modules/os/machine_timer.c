// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// machine.Timer, as MicroPython documents it, on the events of the os module: it is a root while
// it runs, its callback is soft unless hard=True, and it keeps the machine running.

#include "os_timer.h"

#include "py/mphal.h"

#include "clock.h"
#include "cpu.h"

enum { MODE_ONE_SHOT, MODE_PERIODIC };

#define PERIOD_MS_DEFAULT 1000

static void timer_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    os_event_obj_t *self = MP_OBJ_TO_PTR(self_in);
    qstr mode = self->period_ns == 0 ? MP_QSTR_ONE_SHOT : MP_QSTR_PERIODIC;
    mp_printf(print, "Timer(mode=%q, period=%u)", mode,
        (unsigned)mp_obj_get_int(self->detail->spec));
}

static uint64_t period_of(mp_arg_val_t *period, mp_arg_val_t *tick_hz, mp_arg_val_t *freq) {
    if (freq->u_obj != mp_const_none) {
        mp_float_t hertz = mp_obj_get_float(freq->u_obj);
        if (!(hertz > 0)) {
            mp_raise_ValueError(MP_ERROR_TEXT("freq must be positive"));
        }
        mp_float_t ns = (mp_float_t)NS_PER_S / hertz;
        return ns > (mp_float_t)INT64_MAX ? INT64_MAX : (uint64_t)ns;
    }
    if (period->u_int < 0 || tick_hz->u_int <= 0
        || period->u_int > INT64_MAX / (int64_t)NS_PER_S) {
        mp_raise_ValueError(MP_ERROR_TEXT("bad period"));
    }
    return period->u_int * NS_PER_S / tick_hz->u_int;
}

static void timer_configure(os_event_obj_t *self, size_t n_args, const mp_obj_t *pos_args,
    mp_map_t *kw_args) {
    enum { ARG_mode, ARG_callback, ARG_period, ARG_tick_hz, ARG_freq, ARG_hard };
    static const mp_arg_t allowed_args[] = {
        { MP_QSTR_mode, MP_ARG_KW_ONLY | MP_ARG_INT, { .u_int = MODE_PERIODIC } },
        { MP_QSTR_callback, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_obj = MP_OBJ_NULL } },
        { MP_QSTR_period, MP_ARG_KW_ONLY | MP_ARG_INT, { .u_int = PERIOD_MS_DEFAULT } },
        { MP_QSTR_tick_hz, MP_ARG_KW_ONLY | MP_ARG_INT, { .u_int = 1000 } },
        { MP_QSTR_freq, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_hard, MP_ARG_KW_ONLY | MP_ARG_BOOL, { .u_bool = false } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    uint64_t period_ns = period_of(&args[ARG_period], &args[ARG_tick_hz], &args[ARG_freq]);
    period_ns = MAX(period_ns, 10 * NS_PER_US);
    if (args[ARG_callback].u_obj != MP_OBJ_NULL) {
        if (args[ARG_callback].u_obj != mp_const_none) {
            os_callback_check(args[ARG_callback].u_obj, 1, "the timer");
        }
        self->callback = args[ARG_callback].u_obj;
    }
    self->hard = args[ARG_hard].u_bool;
    self->detail->spec = mp_obj_new_int_from_ull(period_ns / NS_PER_MS);
    if (self->callback != mp_const_none) {
        os_timer_start(self, period_ns, args[ARG_mode].u_int == MODE_ONE_SHOT ? 0 : period_ns);
    }
}

static mp_obj_t timer_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw,
    const mp_obj_t *args) {
    if (n_args > 0) {
        if (mp_obj_get_int(args[0]) < -1) { // all timers are the same, whatever their number
            mp_raise_ValueError(MP_ERROR_TEXT("Timer doesn't exist"));
        }
        n_args--;
        args++;
    }
    os_event_obj_t *self = os_event_new(type, &os_machine_timer_source,
        MP_OBJ_NEW_SMALL_INT(PERIOD_MS_DEFAULT), mp_const_none, false);
    self->period_ns = PERIOD_MS_DEFAULT * NS_PER_MS;
    if (n_args > 0 || n_kw > 0) {
        mp_map_t kw_args;
        mp_map_init_fixed_table(&kw_args, n_kw, args + n_args);
        timer_configure(self, n_args, args, &kw_args);
    }
    return MP_OBJ_FROM_PTR(self);
}

static mp_obj_t machine_timer_init(size_t n_args, const mp_obj_t *args, mp_map_t *kw_args) {
    os_event_obj_t *self = MP_OBJ_TO_PTR(args[0]);
    os_event_cancel(self);
    timer_configure(self, n_args - 1, args + 1, kw_args);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(machine_timer_init_obj, 1, machine_timer_init);

static mp_obj_t machine_timer_deinit(mp_obj_t self_in) {
    os_event_cancel(MP_OBJ_TO_PTR(self_in));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(machine_timer_deinit_obj, machine_timer_deinit);

static const mp_rom_map_elem_t timer_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_init), MP_ROM_PTR(&machine_timer_init_obj) },
    { MP_ROM_QSTR(MP_QSTR_deinit), MP_ROM_PTR(&machine_timer_deinit_obj) },
    { MP_ROM_QSTR(MP_QSTR_ONE_SHOT), MP_ROM_INT(MODE_ONE_SHOT) },
    { MP_ROM_QSTR(MP_QSTR_PERIODIC), MP_ROM_INT(MODE_PERIODIC) },
};
static MP_DEFINE_CONST_DICT(timer_locals, timer_locals_table);

MP_DEFINE_CONST_OBJ_TYPE(
    machine_timer_type,
    MP_QSTR_Timer,
    MP_TYPE_FLAG_NONE,
    make_new, timer_make_new,
    print, timer_print,
    locals_dict, &timer_locals
    );
