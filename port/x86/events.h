// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The program's events, as the rest of the system sees them: what keeps the machine running, what
// the main program does when it has nothing to do, and how any C code calls a Python callback.
// modules/os implements it; main.c and modules/net use it.
//
// Context: the main thread unless a function says otherwise.

#ifndef IMPORTOS_EVENTS_H
#define IMPORTOS_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "py/obj.h"

// --- The life of the program ---

// Serve events until os_events_alive() is false. Raises what main code would: KeyboardInterrupt,
// SystemExit, and RuntimeError if called in a callback.
void os_run(void);

// True while anything keeps the machine running: a referenced event, or an os_hold(). Any context.
bool os_events_alive(void);

// Something other than an event keeps the machine running: a server, a connection. Any context.
void os_hold(void);
void os_release(void);

// Cancel every event and forget handlers and holds. Call it at soft reset, before the heap goes.
void os_events_reset(void);

// --- Callbacks ---

// TypeError if (callback) cannot be called with (n_args) arguments, as far as that can be known
// without calling it. (what) names the arguments in the message: "the event".
void os_callback_check(mp_obj_t callback, size_t n_args, const char *what);

// Call callback(*args) as a soft callback: from a scheduler node, so never inside another. What it
// raises does not come out but is reported as from (what) and handed to os.on_error's handler with
// (owner); SystemExit and KeyboardInterrupt go on to main code. Returns the result, or MP_OBJ_NULL
// if it raised.
mp_obj_t os_call(mp_obj_t owner, const char *what, mp_obj_t callback, size_t n_args,
    const mp_obj_t *args);

// True while a soft callback runs: what would block must raise OSError(EDEADLK) instead.
bool os_in_callback(void);

// Somebody is about to sleep for (ms). Warns, once per callback, if that is long and in a
// callback; RuntimeError in a hard handler.
void os_check_sleep(mp_uint_t ms);

// Nanoseconds of a duration: milliseconds as an int, or a str such as "1.5s". TypeError,
// ValueError.
uint64_t os_duration_ns(mp_obj_t duration);

#endif // IMPORTOS_EVENTS_H
