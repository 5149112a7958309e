// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Time. Monotonic nanoseconds since the clock was started (the TSC, its rate told by the machine
// or measured once) and wall-clock nanoseconds since 1970-01-01 UTC. Any context.

#ifndef IMPORTOS_CLOCK_H
#define IMPORTOS_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull

void clock_init(void);

// Monotonic: never goes back, is not set, counts while the CPU halts.
uint64_t clock_ns(void);

// Busy-wait. For device timing of a few microseconds only.
void clock_spin_ns(uint64_t duration_ns);

// False: the first reading will wait for the rate, up to 2 ms after the start of the machine.
bool clock_is_known(void);

uint64_t clock_tsc_hz(void);
uint64_t clock_lapic_hz(void); // rate of the local APIC timer at divide-by-1

// How the rate is known: "cpuid", "kvmclock", "hpet", "pm-timer", "pit", "lapic".
const char *clock_source(void);

// Wall clock: asked of (source), which returns seconds since 1970-01-01 or 0, at first use, then
// carried by the monotonic clock. Main thread only. 0 if nobody knows.
void clock_set_wall_source(uint64_t (*source)(void));
uint64_t clock_wall_ns(void);
void clock_set_wall_ns(uint64_t wall_ns);

#endif // IMPORTOS_CLOCK_H
