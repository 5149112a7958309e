// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The Event object: its life, its attributes and methods, and the list that keeps events alive.
//
// An active event is in the list os_events, a root of the garbage collector, and so is one that is
// queued or running. All others are ordinary garbage. The list is walked by nobody but
// os_events_reset(), so that callbacks may make and cancel events at will.

#include "os_event.h"

#include <string.h>

#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/objstr.h"
#include "py/smallint.h"
#include "py/stream.h"

#include "clock.h"
#include "cpu.h"

static size_t hold_count;

bool os_is_event(mp_obj_t object) {
    return mp_obj_is_type(object, &os_event_type) || mp_obj_is_type(object, &machine_timer_type);
}

// --- Life ---------------------------------------------------------------------------------------

os_event_obj_t *os_event_new(const mp_obj_type_t *type, const os_source_t *source, mp_obj_t spec,
    mp_obj_t callback, bool hard) {
    if (callback != mp_const_none && type == &os_event_type) {
        os_callback_check(callback, 1, "the event");
    }
    os_detail_t *detail = m_new0(os_detail_t, 1);
    os_event_obj_t *event = m_new0(os_event_obj_t, 1);
    event->detail = detail;
    event->base.type = type;
    event->source = source;
    event->detail->spec = spec;
    event->detail->device = MP_OBJ_NULL;
    event->detail->argument = MP_OBJ_FROM_PTR(event);
    event->callback = callback;
    event->hard = hard;
    event->referenced = true;
    return event;
}

static void root(os_event_obj_t *event) {
    if (!event->rooted) {
        event->rooted = true;
        event->previous = NULL;
        event->next = MP_STATE_VM(os_events);
        if (event->next != NULL) {
            event->next->previous = event;
        }
        MP_STATE_VM(os_events) = event;
    }
}

void os_event_start(os_event_obj_t *event) {
    uint64_t state = irq_save();
    if (!event->active) {
        event->active = true;
        if (event->referenced) {
            hold_count++;
        }
    }
    root(event);
    irq_restore(state);
}

void os_event_unroot(os_event_obj_t *event) {
    uint64_t state = irq_save();
    bool queued = event->node.callback != NULL;
    if (event->rooted && !event->active && !event->busy && !queued) {
        event->rooted = false;
        if (event->previous != NULL) {
            event->previous->next = event->next;
        } else {
            MP_STATE_VM(os_events) = event->next;
        }
        if (event->next != NULL) {
            event->next->previous = event->previous;
        }
        event->next = event->previous = NULL;
    }
    irq_restore(state);
}

void os_event_finish(os_event_obj_t *event) {
    uint64_t state = irq_save();
    if (event->active) {
        event->active = false;
        if (event->referenced) {
            hold_count--;
        }
        os_event_unroot(event);
        mp_hal_wake(); // whoever waits for it, or for the last event, looks again
    }
    irq_restore(state);
}

bool os_event_cancel(os_event_obj_t *event) {
    uint64_t state = irq_save();
    bool was_active = event->active;
    if (was_active) {
        event->source->stop(event);
        event->fired = 0;
        os_event_finish(event);
    }
    irq_restore(state);
    return was_active;
}

// Have what has fired handed to the callback: now if that is hard. Interrupts off.
static void hand_over(os_event_obj_t *event) {
    if (event->hard && event->callback != mp_const_none) {
        os_hard_call(event);
    } else {
        mp_sched_schedule_node(&event->node, os_soft_deliver);
    }
}

void os_event_fire(os_event_obj_t *event) {
    event->fired_ns = clock_ns();
    if (event->fired != UINT32_MAX) {
        event->fired++;
    }
    hand_over(event);
}

void os_event_keep(os_event_obj_t *event, uint32_t firings) {
    event->unread += MIN(firings, UINT32_MAX - event->unread);
}

void os_hold(void) {
    uint64_t state = irq_save();
    hold_count++;
    irq_restore(state);
}

void os_release(void) {
    uint64_t state = irq_save();
    hold_count--;
    irq_restore(state);
    mp_hal_wake();
}

bool os_events_alive(void) {
    return hold_count != 0;
}

// Take the nodes of events out of the scheduler's queue: they are in the heap that goes away.
static void unqueue_all(void) {
    mp_sched_node_t **link = &MP_STATE_VM(sched_head);
    mp_sched_node_t *last = NULL;
    while (*link != NULL) {
        mp_sched_node_t *node = *link;
        if (node->callback == os_soft_deliver) {
            *link = node->next;
            node->callback = NULL;
        } else {
            last = node;
            link = &node->next;
        }
    }
    MP_STATE_VM(sched_tail) = last;
}

void os_events_reset(void) {
    #if MICROPY_PY_MACHINE_UART
    os_uarts_reset();
    #endif
    os_event_obj_t *next;
    for (os_event_obj_t *event = MP_STATE_VM(os_events); event != NULL; event = next) {
        next = event->next;
        os_event_cancel(event);
    }
    uint64_t state = irq_save();
    unqueue_all();
    irq_restore(state);
    MP_STATE_VM(os_events) = NULL;
    MP_STATE_VM(os_error_handler) = MP_OBJ_NULL;
    MP_STATE_VM(os_wait) = MP_OBJ_NULL;
    MP_STATE_VM(os_next) = MP_OBJ_NULL;
    MP_STATE_VM(os_hard_failed) = NULL;
    MP_STATE_VM(machine_pci_irqs) = MP_OBJ_NULL;
    hold_count = 0;
}

// --- The Python object --------------------------------------------------------------------------

static void event_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    os_event_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_print_str(print, "<Event ");
    os_error_print_head(print, self_in, NULL, self->callback);
    mp_printf(print, " count=" UINT_FMT "%s>", (mp_uint_t)self->count,
        self->active ? "" : " inactive");
}

// event(function) gives a bare event its callback: the decorator. event(...) calls it afterwards.
static mp_obj_t event_call(mp_obj_t self_in, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    os_event_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->callback != mp_const_none) {
        return mp_call_function_n_kw(self->callback, n_args, n_kw, args);
    }
    mp_arg_check_num(n_args, n_kw, 1, 1, false);
    os_callback_check(args[0], 1, "the event");
    uint64_t state = irq_save();
    self->callback = args[0];
    if (self->unread != 0) {
        // It has fired since it was made: those firings are the callback's.
        self->fired += self->unread;
        self->count -= self->unread;
        self->unread = 0;
        root(self);
        hand_over(self);
    }
    irq_restore(state);
    return self_in;
}

static void event_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    if (dest[0] != MP_OBJ_NULL) {
        return; // nothing can be stored
    }
    os_event_obj_t *self = MP_OBJ_TO_PTR(self_in);
    switch (attr) {
        case MP_QSTR_source: {
            vstr_t text;
            mp_print_t print;
            vstr_init_print(&text, 16, &print);
            self->source->print(&print, self);
            dest[0] = mp_obj_new_str_from_vstr(&text);
            break;
        }
        case MP_QSTR_count:
            dest[0] = mp_obj_new_int_from_ull(self->count);
            break;
        case MP_QSTR_pending:
            dest[0] = mp_obj_new_int_from_uint(self->pending);
            break;
        case MP_QSTR_active:
            dest[0] = mp_obj_new_bool(self->active);
            break;
        case MP_QSTR_time_us:
            dest[0] = MP_OBJ_NEW_SMALL_INT(
                self->fired_ns / NS_PER_US & (MICROPY_PY_TIME_TICKS_PERIOD - 1));
            break;
        default:
            dest[1] = MP_OBJ_SENTINEL; // a method
    }
}

static mp_obj_t event_cancel(mp_obj_t self_in) {
    return mp_obj_new_bool(os_event_cancel(MP_OBJ_TO_PTR(self_in)));
}
static MP_DEFINE_CONST_FUN_OBJ_1(event_cancel_obj, event_cancel);

static mp_obj_t set_referenced(mp_obj_t self_in, bool referenced) {
    os_event_obj_t *self = MP_OBJ_TO_PTR(self_in);
    uint64_t state = irq_save();
    if (self->active && self->referenced != referenced) {
        hold_count += referenced ? 1 : -1;
    }
    self->referenced = referenced;
    irq_restore(state);
    return self_in;
}

static mp_obj_t event_ref(mp_obj_t self_in) {
    return set_referenced(self_in, true);
}
static MP_DEFINE_CONST_FUN_OBJ_1(event_ref_obj, event_ref);

static mp_obj_t event_unref(mp_obj_t self_in) {
    return set_referenced(self_in, false);
}
static MP_DEFINE_CONST_FUN_OBJ_1(event_unref_obj, event_unref);

static mp_obj_t event_trigger(mp_obj_t self_in) {
    os_event_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->source != &os_software_source) {
        mp_raise_TypeError(MP_ERROR_TEXT("only an event made by os.event() can be triggered"));
    }
    uint64_t state = irq_save();
    bool active = self->active;
    if (active) {
        os_event_fire(self);
    }
    irq_restore(state);
    return mp_obj_new_bool(active);
}
static MP_DEFINE_CONST_FUN_OBJ_1(event_trigger_obj, event_trigger);

static mp_obj_t event_exit(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    os_event_cancel(MP_OBJ_TO_PTR(args[0]));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(event_exit_obj, 4, 4, event_exit);

// --- asyncio ------------------------------------------------------------------------------------

// The coroutines are in frozen/os.py, which has handed them to os_set_coroutines().
static mp_obj_t coroutine(mp_obj_t function, mp_obj_t self) {
    if (function == MP_OBJ_NULL) {
        mp_raise_msg(&mp_type_RuntimeError, MP_ERROR_TEXT("import os first"));
    }
    return mp_call_function_1(function, self);
}

static mp_obj_t event_wait(mp_obj_t self_in) {
    return coroutine(MP_STATE_VM(os_wait), self_in);
}
static MP_DEFINE_CONST_FUN_OBJ_1(event_wait_obj, event_wait);

static mp_obj_t event_anext(mp_obj_t self_in) {
    return coroutine(MP_STATE_VM(os_next), self_in);
}
static MP_DEFINE_CONST_FUN_OBJ_1(event_anext_obj, event_anext);

static mp_obj_t event_getiter(mp_obj_t self_in, mp_obj_iter_buf_t *iter_buf) {
    (void)iter_buf;
    return coroutine(MP_STATE_VM(os_wait), self_in);
}

static mp_uint_t event_ioctl(mp_obj_t self_in, mp_uint_t request, uintptr_t arg, int *errcode) {
    os_event_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (request == MP_STREAM_POLL) {
        return self->unread != 0 || !self->active ? arg & MP_STREAM_POLL_RD : 0;
    }
    *errcode = MP_EINVAL;
    return MP_STREAM_ERROR;
}

// _set_coroutines(wait, next): what event.wait() and event.__anext__() call.
static mp_obj_t os_set_coroutines(mp_obj_t wait, mp_obj_t next) {
    MP_STATE_VM(os_wait) = wait;
    MP_STATE_VM(os_next) = next;
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_2(os_set_coroutines_obj, os_set_coroutines);

static void check_event(mp_obj_t object) {
    if (!os_is_event(object)) {
        mp_raise_TypeError(MP_ERROR_TEXT("not an event"));
    }
}

// _ready(event): somebody begins to wait. True if there is nothing to wait for.
static mp_obj_t os_ready(mp_obj_t event_in) {
    check_event(event_in);
    os_event_obj_t *event = MP_OBJ_TO_PTR(event_in);
    uint64_t state = irq_save();
    if (!event->awaited) {
        event->awaited = true;
        if (event->active && event->callback != mp_const_none) {
            event->unread = 0; // the callback has had those
        }
    }
    bool ready = event->unread != 0 || !event->active;
    if (!ready && event->fired == 0 && event->source->done != NULL && !event->busy) {
        event->source->done(event); // whatever the last wait() returned for has been dealt with
    }
    irq_restore(state);
    return mp_obj_new_bool(ready);
}
MP_DEFINE_CONST_FUN_OBJ_1(os_ready_obj, os_ready);

// _take(event): the number of firings since the last _take(); 0: cancelled.
static mp_obj_t os_take(mp_obj_t event_in) {
    check_event(event_in);
    os_event_obj_t *event = MP_OBJ_TO_PTR(event_in);
    mp_obj_t firings = mp_obj_new_int_from_uint(event->unread);
    event->unread = 0;
    return firings;
}
MP_DEFINE_CONST_FUN_OBJ_1(os_take_obj, os_take);

// --- The type -----------------------------------------------------------------------------------

static const mp_rom_map_elem_t event_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_cancel), MP_ROM_PTR(&event_cancel_obj) },
    { MP_ROM_QSTR(MP_QSTR_ref), MP_ROM_PTR(&event_ref_obj) },
    { MP_ROM_QSTR(MP_QSTR_unref), MP_ROM_PTR(&event_unref_obj) },
    { MP_ROM_QSTR(MP_QSTR_trigger), MP_ROM_PTR(&event_trigger_obj) },
    { MP_ROM_QSTR(MP_QSTR_wait), MP_ROM_PTR(&event_wait_obj) },
    { MP_ROM_QSTR(MP_QSTR___enter__), MP_ROM_PTR(&mp_identity_obj) },
    { MP_ROM_QSTR(MP_QSTR___exit__), MP_ROM_PTR(&event_exit_obj) },
    { MP_ROM_QSTR(MP_QSTR___aiter__), MP_ROM_PTR(&mp_identity_obj) },
    { MP_ROM_QSTR(MP_QSTR___anext__), MP_ROM_PTR(&event_anext_obj) },
};
static MP_DEFINE_CONST_DICT(event_locals, event_locals_table);

static const mp_stream_p_t event_stream = {
    .ioctl = event_ioctl,
};

MP_DEFINE_CONST_OBJ_TYPE(
    os_event_type,
    MP_QSTR_Event,
    MP_TYPE_FLAG_NONE,
    print, event_print,
    call, event_call,
    attr, event_attr,
    iter, event_getiter,
    protocol, &event_stream,
    locals_dict, &event_locals
    );

MP_REGISTER_ROOT_POINTER(struct _os_event_obj_t *os_events);
MP_REGISTER_ROOT_POINTER(mp_obj_t os_wait);
MP_REGISTER_ROOT_POINTER(mp_obj_t os_next);
