// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Events of the clock: os.after() and os.every(), over the kernel's timers (timer.h).
//
// A soft periodic timer is armed again when its firing is handed over, not in the interrupt:
// however far the program falls behind, one interrupt is all it gets, and the periods that went by
// are counted from the clock. Deadlines are start + n * period, so nothing drifts.

#include "os_timer.h"

#include <stddef.h>

#include "clock.h"
#include "cpu.h"

#define PERIOD_MIN_NS (10 * NS_PER_US)

// A hard handler that takes longer than its period must leave the processor to the rest for this
// many times as long as it ran.
#define HARD_REST 2

static os_event_obj_t *event_of(struct timer *timer) {
    return (os_event_obj_t *)((byte *)timer - offsetof(os_event_obj_t, timer));
}

// The deadline has passed: move it past (now_ns), and return the number of firings between.
static uint32_t advance(os_event_obj_t *event, uint64_t now_ns) {
    uint64_t missed = (now_ns - event->due_ns) / event->period_ns;
    event->due_ns += (missed + 1) * event->period_ns;
    return MIN(missed, UINT32_MAX / 2);
}

static void fire_hard(os_event_obj_t *event) {
    uint64_t begin_ns = clock_ns();
    if (event->period_ns == 0) {
        os_event_finish(event);
        os_event_fire(event);
        return;
    }
    event->fired += advance(event, begin_ns);
    timer_start(&event->timer, event->due_ns);
    os_event_fire(event);
    uint64_t end_ns = clock_ns();
    uint64_t earliest_ns = end_ns + HARD_REST * (end_ns - begin_ns);
    if (event->timer.armed && event->due_ns < end_ns) {
        timer_start(&event->timer, earliest_ns);
    }
}

static void timer_fired(struct timer *timer) {
    os_event_obj_t *event = event_of(timer);
    if (event->hard && event->callback != mp_const_none) {
        fire_hard(event);
    } else {
        os_event_fire(event);
    }
}

static void timer_stop_event(os_event_obj_t *event) {
    timer_stop(&event->timer);
}

static void timer_taken(os_event_obj_t *event) {
    if (event->period_ns == 0) {
        os_event_finish(event);
        return;
    }
    uint64_t state = irq_save();
    uint64_t now_ns = clock_ns();
    if (event->active && now_ns >= event->due_ns) {
        uint32_t missed = advance(event, now_ns);
        if (missed != 0) {
            event->pending += missed;
            event->fired_ns = event->due_ns - event->period_ns;
        }
        timer_start(&event->timer, event->due_ns);
    }
    irq_restore(state);
}

static void timer_print_source(const mp_print_t *print, const os_event_obj_t *event) {
    (void)event;
    mp_print_str(print, "timer");
}

static const os_source_t after_source = {
    .verb = "after",
    .print = timer_print_source,
    .stop = timer_stop_event,
    .taken = timer_taken,
};

static const os_source_t every_source = {
    .verb = "every",
    .print = timer_print_source,
    .stop = timer_stop_event,
    .taken = timer_taken,
};

const os_source_t os_machine_timer_source = {
    .verb = "Timer",
    .print = timer_print_source,
    .stop = timer_stop_event,
    .taken = timer_taken,
};

// _clock(): monotonic nanoseconds, and _due(event): when a timer is due by that clock. For those
// who measure how late a callback runs; a small int, so that hard handlers can call them.
static mp_obj_t os_clock(void) {
    return MP_OBJ_NEW_SMALL_INT(clock_ns());
}
MP_DEFINE_CONST_FUN_OBJ_0(os_clock_obj, os_clock);

static mp_obj_t os_due(mp_obj_t event_in) {
    if (!os_is_event(event_in)) {
        mp_raise_TypeError(MP_ERROR_TEXT("not an event"));
    }
    return MP_OBJ_NEW_SMALL_INT(((os_event_obj_t *)MP_OBJ_TO_PTR(event_in))->due_ns);
}
MP_DEFINE_CONST_FUN_OBJ_1(os_due_obj, os_due);

void os_timer_start(os_event_obj_t *event, uint64_t first_ns, uint64_t period_ns) {
    event->timer.fire = timer_fired;
    event->period_ns = period_ns;
    os_event_start(event);
    uint64_t state = irq_save();
    event->due_ns = clock_ns() + first_ns;
    timer_start(&event->timer, event->due_ns);
    irq_restore(state);
}

// after(delay, callback=None, *, hard=False)
static mp_obj_t os_after(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_delay, ARG_callback, ARG_hard };
    static const mp_arg_t allowed_args[] = {
        { MP_QSTR_delay, MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_obj = MP_OBJ_NULL } },
        { MP_QSTR_callback, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_hard, MP_ARG_KW_ONLY | MP_ARG_BOOL, { .u_bool = false } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    uint64_t delay_ns = os_duration_ns(args[ARG_delay].u_obj);
    os_event_obj_t *event = os_event_new(&os_event_type, &after_source, args[ARG_delay].u_obj,
        args[ARG_callback].u_obj, args[ARG_hard].u_bool);
    os_timer_start(event, delay_ns, 0);
    return MP_OBJ_FROM_PTR(event);
}
MP_DEFINE_CONST_FUN_OBJ_KW(os_after_obj, 0, os_after);

// every(period, callback=None, *, start=None, hard=False)
static mp_obj_t os_every(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_period, ARG_callback, ARG_start, ARG_hard };
    static const mp_arg_t allowed_args[] = {
        { MP_QSTR_period, MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_obj = MP_OBJ_NULL } },
        { MP_QSTR_callback, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_start, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_hard, MP_ARG_KW_ONLY | MP_ARG_BOOL, { .u_bool = false } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    uint64_t period_ns = os_duration_ns(args[ARG_period].u_obj);
    if (period_ns < PERIOD_MIN_NS) {
        mp_raise_ValueError(MP_ERROR_TEXT("period too short: 10us at least"));
    }
    uint64_t first_ns = period_ns;
    if (args[ARG_start].u_obj != mp_const_none) {
        first_ns = os_duration_ns(args[ARG_start].u_obj);
    }
    os_event_obj_t *event = os_event_new(&os_event_type, &every_source, args[ARG_period].u_obj,
        args[ARG_callback].u_obj, args[ARG_hard].u_bool);
    os_timer_start(event, first_ns, period_ns);
    return MP_OBJ_FROM_PTR(event);
}
MP_DEFINE_CONST_FUN_OBJ_KW(os_every_obj, 0, os_every);
