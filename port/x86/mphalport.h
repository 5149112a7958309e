// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What MicroPython asks of its port: console, ticks, delay, idle. Main thread only, but for
// mp_hal_wake().

#ifndef IMPORTOS_MPHALPORT_H
#define IMPORTOS_MPHALPORT_H

#include <stdbool.h>

#include "py/mpconfig.h"
#include "shared/runtime/interrupt_char.h"

#include "clock.h"
#include "cpu.h"

// Open COM1 as the console: receive ring, Ctrl-C filter, transmit ring. (baud) 0: 115200.
void console_open(uint32_t baud);

// Wait until everything printed has left the UART, at most (timeout_ms).
void console_flush(unsigned timeout_ms);

// Read what the terminals of os.dupterm() have, as far as there is room (4 KiB): a Ctrl-C in it is
// acted on at once, the rest is kept for whoever reads.
void console_take_dupterm(void);

// Sleep until (deadline_ns) by clock_ns(), a pending event, or any interrupt that called
// mp_hal_wake(); UINT64_MAX: no deadline. May return early; callers test and call again. Events
// that came since the last call make it return at once, so a test that found nothing before the
// call loses nothing.
void mp_hal_wait_until(uint64_t deadline_ns);

// Make the next, or the current, mp_hal_wait_until() return. Interrupt context, mostly.
void mp_hal_wake(void);

// For os.stats(): nanoseconds spent halted since boot.
uint64_t mp_hal_idle_ns(void);

static inline uint64_t mp_hal_deadline_ns(mp_uint_t timeout_ms) {
    return timeout_ms == (mp_uint_t)-1 ? UINT64_MAX : clock_ns() + timeout_ms * NS_PER_MS;
}

#define MICROPY_INTERNAL_WFE(timeout_ms) mp_hal_wait_until(mp_hal_deadline_ns(timeout_ms))

static inline mp_uint_t mp_hal_ticks_ms(void) {
    return clock_ns() / NS_PER_MS;
}

static inline mp_uint_t mp_hal_ticks_us(void) {
    return clock_ns() / NS_PER_US;
}

static inline mp_uint_t mp_hal_ticks_cpu(void) {
    return rdtsc();
}

static inline uint64_t mp_hal_time_ns(void) {
    return clock_wall_ns();
}

#endif // IMPORTOS_MPHALPORT_H
