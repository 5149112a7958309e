// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Soft delivery: callbacks on the main thread, between two bytecodes or out of a wait. The
// scheduler is locked while one runs (MicroPython's py/scheduler.c), so none runs inside another.

#include "os_event.h"

#include <stddef.h>

#include "py/mphal.h"

#include "cpu.h"
#include "irq.h"

#define SLEEP_MS_MAX 20 // longer in a callback is worth a warning
#define WARNED_MAX 16

static unsigned depth; // callbacks running: os_call() may nest when a C function calls back
static mp_obj_t running; // the innermost one
static bool interrupt_waiting; // Ctrl-C came while a callback ran
static bool interrupt_forced; // and came again

// Callbacks that were warned about. Addresses to compare, not references.
static mp_obj_t warned[WARNED_MAX];
static unsigned warned_count;

// --- Ctrl-C -------------------------------------------------------------------------------------

// Replaces MicroPython's function of this name (mpconfigport.h renames that one): Ctrl-C belongs
// to main code, so a callback is left to finish first. A second Ctrl-C says that it does not: then
// it is interrupted after all.
void mp_sched_keyboard_interrupt(void) {
    uint64_t state = irq_save();
    if (depth == 0) {
        mp_sched_keyboard_interrupt_now();
    } else if (!interrupt_waiting) {
        interrupt_waiting = true;
    } else {
        interrupt_forced = true;
        mp_sched_keyboard_interrupt_now();
        // The bytecode loop looks at pending exceptions only in this state. leave() restores it.
        if (MP_STATE_VM(sched_state) == MP_SCHED_LOCKED) {
            MP_STATE_VM(sched_state) = MP_SCHED_PENDING;
        }
    }
    irq_restore(state);
}

// A callback begins: an exception on its way to main code is put aside, it must not surface here.
static mp_obj_t enter(mp_obj_t callback, mp_obj_t *outer) {
    uint64_t state = irq_save();
    mp_obj_t aside = MP_STATE_MAIN_THREAD(mp_pending_exception);
    MP_STATE_MAIN_THREAD(mp_pending_exception) = MP_OBJ_NULL;
    *outer = running;
    running = callback;
    depth++;
    irq_restore(state);
    return aside;
}

static void leave(mp_obj_t aside, mp_obj_t outer) {
    uint64_t state = irq_save();
    running = outer;
    depth--;
    if (interrupt_forced) {
        // Raised in the callback, it goes on from there; not raised yet, it is still pending.
        interrupt_forced = false;
        interrupt_waiting = false;
        MP_STATE_VM(sched_state) = MP_SCHED_LOCKED;
    }
    if (aside != MP_OBJ_NULL && MP_STATE_MAIN_THREAD(mp_pending_exception) == MP_OBJ_NULL) {
        MP_STATE_MAIN_THREAD(mp_pending_exception) = aside;
    }
    if (depth == 0 && interrupt_waiting) {
        interrupt_waiting = false;
        mp_sched_keyboard_interrupt_now();
    }
    irq_restore(state);
}

// --- Calls --------------------------------------------------------------------------------------

mp_obj_t os_call(mp_obj_t owner, const char *what, mp_obj_t callback, size_t n_args,
    const mp_obj_t *args) {
    mp_obj_t outer;
    mp_obj_t aside = enter(callback, &outer);
    mp_obj_t result = MP_OBJ_NULL;
    mp_obj_t exception = MP_OBJ_NULL;
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        result = mp_call_function_n_kw(callback, n_args, 0, args);
        nlr_pop();
    } else {
        exception = MP_OBJ_FROM_PTR(nlr.ret_val);
    }
    leave(aside, outer);
    os_counters.events++;
    if (exception != MP_OBJ_NULL) {
        os_error_report(owner, what, callback, exception);
    }
    return result;
}

bool os_in_callback(void) {
    return depth != 0;
}

static void serve(os_event_obj_t *event) {
    if (event->callback == mp_const_none || event->awaited) {
        os_event_keep(event, event->pending);
    }
    if (event->callback == mp_const_none) {
        return;
    }
    os_counters.merged += event->pending - 1;
    if (os_call(MP_OBJ_FROM_PTR(event), NULL, event->callback, 1, &event->detail->argument)
        != MP_OBJ_NULL) {
        event->errors = 0;
    }
}

void os_soft_deliver(mp_sched_node_t *node) {
    os_event_obj_t *event = (os_event_obj_t *)((byte *)node - offsetof(os_event_obj_t, node));
    uint64_t state = irq_save();
    uint32_t fired = event->fired;
    event->fired = 0;
    event->busy = true;
    irq_restore(state);
    if (fired != 0) { // 0: cancelled since
        event->pending = fired;
        if (event->source->taken != NULL) {
            event->source->taken(event);
        }
        event->count += event->pending;
        serve(event);
        if (event->source->done != NULL && event->callback != mp_const_none) {
            event->source->done(event);
        }
    }
    event->busy = false;
    os_event_unroot(event);
}

// --- Blocking -----------------------------------------------------------------------------------

void os_check_sleep(mp_uint_t ms) {
    if (irq_in_handler()) {
        mp_raise_msg(&mp_type_RuntimeError, MP_ERROR_TEXT("sleep in a hard handler"));
    }
    if (depth == 0 || ms <= SLEEP_MS_MAX) {
        return;
    }
    for (unsigned i = 0; i < MIN(warned_count, WARNED_MAX); i++) {
        if (warned[i] == running) {
            return;
        }
    }
    warned[warned_count++ % WARNED_MAX] = running;
    mp_print_str(&mp_plat_print, "Warning: callback ");
    os_callback_print(&mp_plat_print, running);
    mp_printf(&mp_plat_print, " sleeps %u ms, and every other callback waits\n", (unsigned)ms);
}

void os_run(void) {
    if (os_in_callback()) {
        mp_raise_msg(&mp_type_RuntimeError, MP_ERROR_TEXT("run() in a callback"));
    }
    for (;;) {
        mp_event_handle_nowait();
        if (!os_events_alive()) {
            return;
        }
        // What has fired since makes this return at once (mphalport.c).
        MICROPY_INTERNAL_WFE(-1);
    }
}
