// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Events: what ties a Python callback to an interrupt, a timer or a trigger. The object
// (os_event.c) is the same for every source; a source adds a table of functions (os_timer.c,
// os_irq.c, ...).
//
// Route of a soft event: the source's interrupt handler calls os_event_fire(), which counts and
// queues the event's own scheduler node, so that queueing cannot fail; between two bytecodes or
// out of a wait the main thread runs os_soft_deliver(). A hard event's callback runs inside
// os_event_fire().

#ifndef IMPORTOS_OS_EVENT_H
#define IMPORTOS_OS_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "py/obj.h"
#include "py/runtime.h"

#include "events.h"
#include "irq.h"
#include "timer.h"

#define OS_ERRORS_MAX 10 // exceptions in a row after which an event is cancelled

typedef struct _os_event_obj_t os_event_obj_t;

// What differs between the sources. Interrupts are off in fire's callers and in stop().
typedef struct _os_source_t {
    const char *verb; // how the program made it: "every"
    void (*print)(const mp_print_t *print, const os_event_obj_t *event); // event.source
    void (*stop)(os_event_obj_t *event); // no more firings, from any context
    void (*taken)(os_event_obj_t *event); // main thread, before the callback; may be NULL
    void (*done)(os_event_obj_t *event); // main thread, after the callback; may be NULL
} os_source_t;

// What is seldom looked at. On its own not for its size but for MicroPython's allocator, which
// remembers where its free memory begins only when it hands out a single block: without this
// object it would search the whole heap for each of 100,000 events.
typedef struct _os_detail_t {
    mp_obj_t spec; // delay, period or source as the program wrote it, or MP_OBJ_NULL
    mp_obj_t device; // object that the interrupt belongs to, or MP_OBJ_NULL
    mp_obj_t argument; // what the callback gets: the event, but for UART.irq()
} os_detail_t;

struct _os_event_obj_t {
    mp_obj_base_t base;
    os_event_obj_t *next, *previous; // the list of rooted events
    mp_obj_t callback; // None: none yet
    os_detail_t *detail;
    const os_source_t *source;
    mp_sched_node_t node;
    union {
        struct timer timer;
        struct irq_action action;
        os_event_obj_t *next_listener; // power button
    };
    uint64_t period_ns; // timers: 0 fires once
    uint64_t due_ns; // timers: the deadline of the next firing
    uint64_t fired_ns; // clock_ns() of the last firing
    uint64_t count; // firings handed to the program
    uint64_t left_ns; // lines: when the handler returned
    uint32_t storm_count; // hard level lines: firings with no time between them
    uint32_t fired; // firings not yet handed to the program
    uint32_t pending; // firings in the current, or last, call
    uint32_t unread; // firings for wait()
    uint16_t irq;
    uint8_t errors; // exceptions in a row
    // Whole bytes: some are written in interrupts, some outside.
    bool active;
    bool hard;
    bool referenced; // keeps the machine running
    bool rooted; // in the list
    bool busy; // its callback is running
    bool level; // its line is level-triggered
    bool held; // its line is masked for it
    bool awaited; // somebody has called wait()
};

extern const mp_obj_type_t os_event_type;
extern const mp_obj_type_t machine_timer_type; // machine.Timer: the same structure

bool os_is_event(mp_obj_t object);

// A fresh, inactive event of (type), or an exception. Main thread.
os_event_obj_t *os_event_new(const mp_obj_type_t *type, const os_source_t *source, mp_obj_t spec,
    mp_obj_t callback, bool hard);

// Make it active: rooted, counted. Call it before the source can fire. Main thread.
void os_event_start(os_event_obj_t *event);

// The source has fired. Interrupts off, any context.
void os_event_fire(os_event_obj_t *event);

// Firings without a callback to take them: kept for wait(). Main thread.
void os_event_keep(os_event_obj_t *event, uint32_t firings);

// Stop it and drop what is queued. True if it was active. Any context.
bool os_event_cancel(os_event_obj_t *event);

// A one-shot has fired for the last time. Any context.
void os_event_finish(os_event_obj_t *event);

// Out of the list of roots, if nothing needs it there any more. Any context.
void os_event_unroot(os_event_obj_t *event);

// What os.event() makes: fired by trigger() alone.
extern const os_source_t os_software_source;

// For modos.c's table.
MP_DECLARE_CONST_FUN_OBJ_2(os_set_coroutines_obj);
MP_DECLARE_CONST_FUN_OBJ_1(os_ready_obj);
MP_DECLARE_CONST_FUN_OBJ_1(os_take_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(os_after_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(os_every_obj);
MP_DECLARE_CONST_FUN_OBJ_VAR_BETWEEN(os_event_obj);
MP_DECLARE_CONST_FUN_OBJ_0(os_clock_obj);
MP_DECLARE_CONST_FUN_OBJ_1(os_due_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(os_subscribe_obj);
MP_DECLARE_CONST_FUN_OBJ_1(os_on_error_obj);
MP_DECLARE_CONST_FUN_OBJ_0(os_stats_obj);
MP_DECLARE_CONST_FUN_OBJ_0(os_interrupts_obj);

// --- Delivery (os_soft.c, os_hard.c) ---

void os_soft_deliver(mp_sched_node_t *node);

// MicroPython's mp_sched_keyboard_interrupt() under another name (mpconfigport.h).
void mp_sched_keyboard_interrupt_now(void);

// Run the callback of a hard event now. Interrupts off, on the interrupt stack.
void os_hard_call(os_event_obj_t *event);

// Cancel a hard event whose device never falls silent, and have that reported. Interrupts off.
void os_hard_storm(os_event_obj_t *event);

// --- Errors (os_error.c) ---

// An exception left the callback of (owner): SystemExit and KeyboardInterrupt go to main code, the
// rest to on_error's handler or to the console, and an event that keeps raising is cancelled.
// (what) heads the report unless (owner) is an event. Main thread.
void os_error_report(mp_obj_t owner, const char *what, mp_obj_t callback, mp_obj_t exception);

// Its parts: give it to on_error's handler, false if there is none or that raised; print who it
// was.
bool os_error_handled(mp_obj_t owner, mp_obj_t exception);
void os_error_print_line(mp_obj_t owner, const char *what, mp_obj_t callback);
void os_error_print_head(const mp_print_t *print, mp_obj_t owner, const char *what,
    mp_obj_t callback);

// --- Callbacks (os_callback.c) ---

// 'name' (file:line)
void os_callback_print(const mp_print_t *print, mp_obj_t callback);
const char *os_callback_name(mp_obj_t callback);

// Close the machine.UARTs: their rings are in the heap that goes away (uart_port.c).
void os_uarts_reset(void);

// --- Counters (os_stats.c) ---

struct os_counters {
    uint64_t events; // callbacks run
    uint64_t merged; // firings folded into another call
    uint64_t errors; // exceptions that callbacks let go
};
extern struct os_counters os_counters;

#endif // IMPORTOS_OS_EVENT_H
