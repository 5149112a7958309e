// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What can be known of a callback without calling it: how many arguments it takes, its name, where
// it was defined. Read from the bytecode's prelude (MicroPython's py/bc.h).

#include "os_event.h"

#include "py/bc.h"
#include "py/objfun.h"

// As py/objboundmeth.c and py/objclosure.c define them; no accessor is exported there.
typedef struct {
    mp_obj_base_t base;
    mp_obj_t method;
    mp_obj_t self;
} bound_method_t;

typedef struct {
    mp_obj_base_t base;
    mp_obj_t function;
    size_t n_closed;
} closure_t;

extern const mp_obj_type_t mp_type_closure; // in no header

// The function below bound methods and closures; (extra) counts the arguments that they add.
static mp_obj_t unwrap(mp_obj_t callback, size_t *extra) {
    *extra = 0;
    for (;;) {
        if (mp_obj_is_type(callback, &mp_type_bound_meth)) {
            callback = ((bound_method_t *)MP_OBJ_TO_PTR(callback))->method;
            *extra += 1;
        } else if (mp_obj_is_type(callback, &mp_type_closure)) {
            closure_t *closure = MP_OBJ_TO_PTR(callback);
            callback = closure->function;
            *extra += closure->n_closed;
        } else if (mp_obj_is_type(callback, &os_event_type)) {
            callback = ((os_event_obj_t *)MP_OBJ_TO_PTR(callback))->callback;
        } else {
            return callback;
        }
    }
}

// The prelude of a function in bytecode or of native code with Python's calling convention.
static const byte *prelude(mp_obj_t function) {
    if (mp_obj_is_type(function, &mp_type_fun_bc) || mp_obj_is_type(function, &mp_type_gen_wrap)) {
        return ((mp_obj_fun_bc_t *)MP_OBJ_TO_PTR(function))->bytecode;
    }
    #if MICROPY_EMIT_NATIVE
    if (mp_obj_is_type(function, &mp_type_fun_native)) {
        return mp_obj_fun_native_get_prelude_ptr(MP_OBJ_TO_PTR(function));
    }
    #endif
    return NULL;
}

const char *os_callback_name(mp_obj_t callback) {
    size_t extra;
    mp_obj_t function = unwrap(callback, &extra);
    if (prelude(function) != NULL) {
        return qstr_str(mp_obj_fun_get_name(function));
    }
    return function == mp_const_none ? "(no callback)" : mp_obj_get_type_str(function);
}

void os_callback_check(mp_obj_t callback, size_t n_args, const char *what) {
    if (!mp_obj_is_callable(callback)) {
        mp_raise_msg_varg(&mp_type_TypeError, MP_ERROR_TEXT("callback isn't callable: %s"),
            mp_obj_get_type_str(callback));
    }
    size_t extra;
    mp_obj_t function = unwrap(callback, &extra);
    if (mp_obj_is_type(function, &mp_type_gen_wrap)) {
        mp_raise_msg_varg(&mp_type_TypeError,
            MP_ERROR_TEXT("callback '%s' is a coroutine or generator: it would never run; "
                "await the event instead"), os_callback_name(callback));
    }
    const byte *ip = prelude(function);
    if (ip == NULL) {
        return;
    }
    MP_BC_PRELUDE_SIG_DECODE(ip);
    bool variable = scope_flags & MP_SCOPE_FLAG_VARARGS;
    size_t wanted = n_args + extra;
    size_t least = n_pos_args - n_def_pos_args;
    if (wanted >= least && (wanted <= n_pos_args || variable)) {
        return;
    }
    size_t takes = (wanted < least ? least : n_pos_args) - extra;
    mp_raise_msg_varg(&mp_type_TypeError,
        MP_ERROR_TEXT("callback '%s' takes %u argument%s, it gets %u (%s)"),
        os_callback_name(callback), (unsigned)takes, takes == 1 ? "" : "s", (unsigned)n_args,
        what);
}

void os_callback_print(const mp_print_t *print, mp_obj_t callback) {
    mp_printf(print, "'%s'", os_callback_name(callback));
    size_t extra;
    mp_obj_t function = unwrap(callback, &extra);
    if (!mp_obj_is_type(function, &mp_type_fun_bc)) {
        return;
    }
    const mp_obj_fun_bc_t *code = MP_OBJ_TO_PTR(function);
    const byte *ip = code->bytecode;
    MP_BC_PRELUDE_SIG_DECODE(ip);
    MP_BC_PRELUDE_SIZE_DECODE(ip);
    const byte *line_info_top = ip + n_info;
    // The name of the function and of each argument come before the line table.
    for (size_t i = 0; i < 1 + n_pos_args + n_kwonly_args; i++) {
        ip = mp_decode_uint_skip(ip);
    }
    #if MICROPY_EMIT_BYTECODE_USES_QSTR_TABLE
    qstr file = code->context->constants.qstr_table[0];
    #else
    qstr file = code->context->constants.source_file;
    #endif
    size_t line = mp_bytecode_get_source_line(ip, line_info_top, 0);
    mp_printf(print, " (%q:%u)", file, (unsigned)line);
}
