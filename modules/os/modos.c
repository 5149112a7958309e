// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The table of module _os, and the functions that end the program. frozen/os shows it to the
// program as os, beside MicroPython's own functions.

#include "os_event.h"

#include "py/mphal.h"

#include "power.h"

#define FLUSH_MS 1000

static void software_print_source(const mp_print_t *print, const os_event_obj_t *event) {
    (void)event;
    mp_print_str(print, "software");
}

static void software_stop(os_event_obj_t *event) {
    (void)event;
}

const os_source_t os_software_source = {
    .verb = "event",
    .print = software_print_source,
    .stop = software_stop,
};

// event(callback=None): fired by its own trigger(). It does not keep the machine running, as
// nothing could fire it if it were the last.
static mp_obj_t os_event(size_t n_args, const mp_obj_t *args) {
    mp_obj_t callback = n_args > 0 ? args[0] : mp_const_none;
    os_event_obj_t *event = os_event_new(&os_event_type, &os_software_source, MP_OBJ_NULL,
        callback, false);
    event->referenced = false;
    os_event_start(event);
    return MP_OBJ_FROM_PTR(event);
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(os_event_obj, 0, 1, os_event);

static mp_obj_t os_run_(void) {
    os_run();
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(os_run_obj, os_run_);

// exit(status=0): SystemExit, so that finally clauses run. main.c does the rest.
static mp_obj_t os_exit(size_t n_args, const mp_obj_t *args) {
    mp_int_t status = n_args > 0 ? mp_obj_get_int(args[0]) : 0;
    if (status < 0 || status > 255) {
        mp_raise_ValueError(MP_ERROR_TEXT("status must be 0 to 255"));
    }
    mp_raise_type_arg(&mp_type_SystemExit, MP_OBJ_NEW_SMALL_INT(status));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(os_exit_obj, 0, 1, os_exit);

static mp_obj_t os_poweroff(void) {
    console_flush(FLUSH_MS);
    power_off();
}
static MP_DEFINE_CONST_FUN_OBJ_0(os_poweroff_obj, os_poweroff);

static mp_obj_t os_reboot(void) {
    console_flush(FLUSH_MS);
    power_reset();
}
static MP_DEFINE_CONST_FUN_OBJ_0(os_reboot_obj, os_reboot);

#if IMPORTOS_EXTRAS
// dupterm_notify(stream): a terminal of dupterm() has something; it is read, a Ctrl-C acted upon.
// As ESP ports have it, but what nobody has read yet is not lost when there is more of it.
static mp_obj_t os_dupterm_notify(mp_obj_t stream) {
    (void)stream;
    console_take_dupterm();
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(os_dupterm_notify_obj, os_dupterm_notify);
#endif

static const mp_rom_map_elem_t os_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__os) },
    { MP_ROM_QSTR(MP_QSTR_Event), MP_ROM_PTR(&os_event_type) },
    { MP_ROM_QSTR(MP_QSTR_after), MP_ROM_PTR(&os_after_obj) },
    { MP_ROM_QSTR(MP_QSTR_every), MP_ROM_PTR(&os_every_obj) },
    { MP_ROM_QSTR(MP_QSTR_subscribe), MP_ROM_PTR(&os_subscribe_obj) },
    { MP_ROM_QSTR(MP_QSTR_event), MP_ROM_PTR(&os_event_obj) },
    { MP_ROM_QSTR(MP_QSTR_on_error), MP_ROM_PTR(&os_on_error_obj) },
    { MP_ROM_QSTR(MP_QSTR_run), MP_ROM_PTR(&os_run_obj) },
    { MP_ROM_QSTR(MP_QSTR_exit), MP_ROM_PTR(&os_exit_obj) },
    { MP_ROM_QSTR(MP_QSTR_poweroff), MP_ROM_PTR(&os_poweroff_obj) },
    { MP_ROM_QSTR(MP_QSTR_reboot), MP_ROM_PTR(&os_reboot_obj) },
    { MP_ROM_QSTR(MP_QSTR_stats), MP_ROM_PTR(&os_stats_obj) },
    { MP_ROM_QSTR(MP_QSTR_interrupts), MP_ROM_PTR(&os_interrupts_obj) },
    #if IMPORTOS_EXTRAS
    { MP_ROM_QSTR(MP_QSTR_dupterm_notify), MP_ROM_PTR(&os_dupterm_notify_obj) },
    #endif
    { MP_ROM_QSTR(MP_QSTR__clock), MP_ROM_PTR(&os_clock_obj) },
    { MP_ROM_QSTR(MP_QSTR__due), MP_ROM_PTR(&os_due_obj) },
    { MP_ROM_QSTR(MP_QSTR__ready), MP_ROM_PTR(&os_ready_obj) },
    { MP_ROM_QSTR(MP_QSTR__take), MP_ROM_PTR(&os_take_obj) },
    { MP_ROM_QSTR(MP_QSTR__set_coroutines), MP_ROM_PTR(&os_set_coroutines_obj) },
};
static MP_DEFINE_CONST_DICT(os_globals, os_globals_table);

const mp_obj_module_t os_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&os_globals,
};

MP_REGISTER_MODULE(MP_QSTR__os, os_module);
