// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What becomes of an exception that a callback lets go. It never reaches main code, but for
// SystemExit and KeyboardInterrupt, which are meant for it.

#include "os_event.h"

#include "py/objexcept.h"

static bool is_instance(mp_obj_t exception, const mp_obj_type_t *type) {
    return mp_obj_is_subclass_fast(MP_OBJ_FROM_PTR(mp_obj_get_type(exception)),
        MP_OBJ_FROM_PTR(type));
}

void os_error_print_head(const mp_print_t *print, mp_obj_t owner, const char *what,
    mp_obj_t callback) {
    if (os_is_event(owner)) {
        os_event_obj_t *event = MP_OBJ_TO_PTR(owner);
        mp_printf(print, "%s(", event->source->verb);
        if (event->detail->spec != MP_OBJ_NULL) {
            mp_obj_print_helper(print, event->detail->spec, PRINT_JSON); // double quotes
        }
        mp_print_str(print, ")");
    } else {
        mp_print_str(print, what);
    }
    if (callback != mp_const_none) {
        mp_print_str(print, " ");
        os_callback_print(print, callback);
    }
}

void os_error_print_line(mp_obj_t owner, const char *what, mp_obj_t callback) {
    mp_print_str(&mp_plat_print, "Exception in ");
    os_error_print_head(&mp_plat_print, owner, what, callback);
    mp_print_str(&mp_plat_print, ":\n");
}

bool os_error_handled(mp_obj_t owner, mp_obj_t exception) {
    mp_obj_t handler = MP_STATE_VM(os_error_handler);
    if (handler == MP_OBJ_NULL) {
        return false;
    }
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        mp_call_function_2(handler, exception, owner);
        nlr_pop();
        return true;
    }
    mp_obj_t second = MP_OBJ_FROM_PTR(nlr.ret_val);
    if (is_instance(second, &mp_type_SystemExit)) {
        mp_sched_exception(second);
        return true;
    }
    mp_print_str(&mp_plat_print, "Exception in on_error's handler ");
    os_callback_print(&mp_plat_print, handler);
    mp_print_str(&mp_plat_print, ":\n");
    mp_obj_print_exception(&mp_plat_print, second);
    return false;
}

static void count_against(mp_obj_t owner) {
    os_counters.errors++;
    if (!os_is_event(owner)) {
        return;
    }
    os_event_obj_t *event = MP_OBJ_TO_PTR(owner);
    if (++event->errors < OS_ERRORS_MAX || !event->active) {
        return;
    }
    os_event_cancel(event);
    os_error_print_head(&mp_plat_print, owner, NULL, event->callback);
    mp_printf(&mp_plat_print, " is cancelled: %u exceptions in a row\n", OS_ERRORS_MAX);
}

void os_error_report(mp_obj_t owner, const char *what, mp_obj_t callback, mp_obj_t exception) {
    if (is_instance(exception, &mp_type_SystemExit)
        || is_instance(exception, &mp_type_KeyboardInterrupt)) {
        mp_sched_exception(exception);
        return;
    }
    if (!os_error_handled(owner, exception)) {
        os_error_print_line(owner, what, callback);
        mp_obj_print_exception(&mp_plat_print, exception);
    }
    count_against(owner);
}

// on_error(callback): the callback returns, so that this is a decorator.
static mp_obj_t os_on_error(mp_obj_t callback) {
    if (callback == mp_const_none) {
        MP_STATE_VM(os_error_handler) = MP_OBJ_NULL;
    } else {
        os_callback_check(callback, 2, "the exception and the event");
        MP_STATE_VM(os_error_handler) = callback;
    }
    return callback;
}
MP_DEFINE_CONST_FUN_OBJ_1(os_on_error_obj, os_on_error);

MP_REGISTER_ROOT_POINTER(mp_obj_t os_error_handler);
