// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// One-shot kernel timers on the local APIC, any number of them, O(log n) amortised each: an
// intrusive pairing heap, so nothing is allocated. Tickless: with no timer armed the CPU is never
// woken.

#ifndef IMPORTOS_TIMER_H
#define IMPORTOS_TIMER_H

#include <stdbool.h>
#include <stdint.h>

// The caller owns the memory and keeps it until the timer has fired or was stopped.
struct timer {
    uint64_t deadline_ns; // by clock_ns()
    void (*fire)(struct timer *timer); // interrupt context; may start timers, this one included
    // Owned by timer.c. parent is the left sibling for all children but the first.
    struct timer *child, *sibling, *parent;
    bool armed;
};

// Fire once at (deadline_ns); at once if that is past. An armed timer is moved. Any context.
void timer_start(struct timer *timer, uint64_t deadline_ns);

// Returns true if it was armed: then it will not fire. Any context.
bool timer_stop(struct timer *timer);

// Deadline of the earliest timer, or UINT64_MAX.
uint64_t timer_next_ns(void);

// Number of armed timers.
uint64_t timer_count(void);

// The local APIC timer has gone off: fire what is due. From irq_dispatch() only.
void timer_interrupt(void);

#endif // IMPORTOS_TIMER_H
