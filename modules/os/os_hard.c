// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Hard delivery: Python inside the interrupt, on the interrupt stack, with the heap and the
// scheduler locked, as MicroPython's "Writing interrupt handlers" describes. An exception is
// written as text into a buffer that is always there, and printed by the main thread.

#include "os_event.h"

#include <string.h>

#include "py/cstack.h"
#include "py/gc.h"
#include "py/mphal.h"

#include "cpu.h"
#include "irq.h"
#include "trap.h"

#define REPORT_SIZE 512
#define STACK_MARGIN 4096 // C code between two checks of the stack's depth

// One exception at a time: the event is cancelled, and others have to wait for their turn to fail.
static struct {
    char text[REPORT_SIZE];
    size_t size;
    unsigned lost; // exceptions that found the buffer in use
    const mp_obj_type_t *type;
    mp_int_t status; // of a SystemExit
} report;
static mp_sched_node_t report_node;

// Interpreter state that belongs to the code that was interrupted.
struct interrupted {
    char *stack_top;
    #if MICROPY_STACK_CHECK
    size_t stack_limit;
    #endif
    nlr_jump_callback_node_t *jump_callbacks;
    mp_obj_t stop_iteration_arg;
    mp_obj_dict_t *globals;
    mp_obj_dict_t *locals;
};

static void enter(struct interrupted *saved) {
    saved->stack_top = MP_STATE_THREAD(stack_top);
    #if MICROPY_STACK_CHECK
    saved->stack_limit = MP_STATE_THREAD(stack_limit);
    #endif
    // nlr_jump() runs the callbacks that lie below its buffer on the stack; these lie on another.
    saved->jump_callbacks = MP_STATE_THREAD(nlr_jump_callback_top);
    MP_STATE_THREAD(nlr_jump_callback_top) = NULL;
    saved->stop_iteration_arg = MP_STATE_THREAD(stop_iteration_arg);
    saved->globals = mp_globals_get();
    saved->locals = mp_locals_get();
    if (irq_in_handler()) {
        mp_cstack_init_with_top(irq_stack_top, irq_stack_top - irq_stack_bottom);
        #if MICROPY_STACK_CHECK
        MP_STATE_THREAD(stack_limit) = irq_stack_top - irq_stack_bottom - STACK_MARGIN;
        #endif
    }
    mp_sched_lock();
    gc_lock();
}

static void leave(const struct interrupted *saved) {
    gc_unlock();
    mp_sched_unlock();
    MP_STATE_THREAD(stack_top) = saved->stack_top;
    #if MICROPY_STACK_CHECK
    MP_STATE_THREAD(stack_limit) = saved->stack_limit;
    #endif
    MP_STATE_THREAD(nlr_jump_callback_top) = saved->jump_callbacks;
    MP_STATE_THREAD(stop_iteration_arg) = saved->stop_iteration_arg;
    mp_globals_set(saved->globals);
    mp_locals_set(saved->locals);
}

static void report_write(void *data, const char *text, size_t size) {
    (void)data;
    size = MIN(size, REPORT_SIZE - report.size);
    memcpy(report.text + report.size, text, size);
    report.size += size;
}

static bool is_system_exit(const mp_obj_type_t *type) {
    return mp_obj_is_subclass_fast(MP_OBJ_FROM_PTR(type), MP_OBJ_FROM_PTR(&mp_type_SystemExit));
}

// The message of the exception in (report.text): what follows the last line's "Type: ".
static mp_obj_t report_message(void) {
    size_t start = report.size;
    while (start > 0 && (start == report.size || report.text[start - 1] != '\n')) {
        start--;
    }
    const char *text = report.text + start;
    size_t size = report.size - start;
    for (size_t i = 0; i + 2 < size; i++) {
        if (text[i] == ':' && text[i + 1] == ' ') {
            text += i + 2;
            size -= i + 2;
            break;
        }
    }
    return mp_obj_new_str(text, size > 0 && text[size - 1] == '\n' ? size - 1 : size);
}

// Main thread: what hard_failed() noted.
static void report_print(mp_sched_node_t *node) {
    (void)node;
    os_event_obj_t *event = MP_STATE_VM(os_hard_failed);
    if (event == NULL) {
        return;
    }
    if (is_system_exit(report.type)) {
        mp_sched_exception(mp_obj_new_exception_arg1(&mp_type_SystemExit,
            MP_OBJ_NEW_SMALL_INT(report.status)));
    } else {
        mp_obj_t exception = mp_obj_new_exception_arg1(report.type, report_message());
        if (!os_error_handled(MP_OBJ_FROM_PTR(event), exception)) {
            os_error_print_line(MP_OBJ_FROM_PTR(event), NULL, event->callback);
            mp_print_strn(&mp_plat_print, report.text, report.size, 0, 0, 0);
            mp_print_str(&mp_plat_print, "The event is cancelled: its handler is hard.\n");
        }
    }
    if (report.lost != 0) {
        mp_printf(&mp_plat_print, "%u more exceptions in hard handlers\n", report.lost);
    }
    uint64_t state = irq_save();
    report.lost = 0;
    MP_STATE_VM(os_hard_failed) = NULL;
    irq_restore(state);
}

// Begin the report of an exception of (type). False if one is waiting to be printed.
static bool report_begin(os_event_obj_t *event, const mp_obj_type_t *type) {
    os_counters.errors++;
    if (MP_STATE_VM(os_hard_failed) != NULL) {
        report.lost++;
        return false;
    }
    MP_STATE_VM(os_hard_failed) = event;
    report.size = 0;
    report.type = type;
    report.status = 0;
    mp_sched_schedule_node(&report_node, report_print);
    return true;
}

// Interrupts off, heap locked.
static void hard_failed(os_event_obj_t *event, mp_obj_t exception) {
    const mp_obj_type_t *type = mp_obj_get_type(exception);
    if (report_begin(event, type)) {
        if (is_system_exit(type)) {
            mp_obj_t value = mp_obj_exception_get_value(exception);
            report.status = mp_obj_is_small_int(value) ? MP_OBJ_SMALL_INT_VALUE(value)
                : value != mp_const_none;
        } else {
            const mp_print_t print = { NULL, report_write };
            mp_obj_print_exception(&print, exception);
        }
    }
    os_event_cancel(event);
}

void os_hard_storm(os_event_obj_t *event) {
    static const char text[] = "RuntimeError: interrupt storm: "
        "the handler does not quiet the device\n";
    if (report_begin(event, &mp_type_RuntimeError)) {
        report_write(NULL, text, sizeof(text) - 1);
    }
    os_event_cancel(event);
}

void os_hard_call(os_event_obj_t *event) {
    struct interrupted saved;
    event->pending = event->fired;
    event->fired = 0;
    event->count += event->pending;
    if (event->awaited) {
        os_event_keep(event, event->pending);
        mp_hal_wake();
    }
    os_counters.events++;
    os_counters.merged += event->pending - 1;
    bool was_busy = event->busy;
    event->busy = true;
    enter(&saved);
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        mp_call_function_1(event->callback, event->detail->argument);
        nlr_pop();
    } else {
        // Printing an exception may raise another.
        mp_obj_t exception = MP_OBJ_FROM_PTR(nlr.ret_val);
        if (nlr_push(&nlr) == 0) {
            hard_failed(event, exception);
            nlr_pop();
        } else {
            os_event_cancel(event);
        }
    }
    leave(&saved);
    event->busy = was_busy;
    os_event_unroot(event);
}

MP_REGISTER_ROOT_POINTER(struct _os_event_obj_t *os_hard_failed);
