// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Kernel timers: an intrusive pairing heap by deadline (Fredman et al., 1986), and the local
// APIC's one-shot timer set to the earliest of them. An earlier arrival re-arms it; an idle
// machine with nothing armed gets no timer interrupt at all.

#include "timer.h"

#include <stddef.h>

#include "clock.h"
#include "cpu.h"
#include "lapic.h"

static struct timer *root;
static uint64_t armed_count;

// What the local APIC is set to, so that it is written only when the earliest deadline changes.
static uint64_t programmed_ns = UINT64_MAX;
// Local APIC timer cycles per nanosecond, 32 fraction bits. 0 until the first timer is armed: to
// ask ends the clock's measurement, which would make the boot wait for it.
static uint64_t cycles_per_ns_q32;

static struct timer *meld(struct timer *a, struct timer *b) {
    if (a == NULL) {
        return b;
    }
    if (b == NULL) {
        return a;
    }
    if (b->deadline_ns < a->deadline_ns) {
        struct timer *swap = a;
        a = b;
        b = swap;
    }
    // b becomes a's first child.
    b->sibling = a->child;
    if (a->child != NULL) {
        a->child->parent = b;
    }
    b->parent = a;
    a->child = b;
    return a;
}

// Make one heap of a list of siblings: meld pairs from left to right, then the pairs from right to
// left. The list of pairs is kept through (parent), which gives it in the order needed.
static struct timer *meld_siblings(struct timer *first) {
    struct timer *pairs = NULL;
    while (first != NULL) {
        struct timer *a = first;
        struct timer *b = a->sibling;
        first = b != NULL ? b->sibling : NULL;
        a->sibling = NULL;
        a->parent = NULL;
        if (b != NULL) {
            b->sibling = NULL;
            b->parent = NULL;
        }
        struct timer *pair = meld(a, b);
        pair->parent = pairs;
        pairs = pair;
    }
    struct timer *heap = NULL;
    while (pairs != NULL) {
        struct timer *pair = pairs;
        pairs = pair->parent;
        pair->parent = NULL;
        heap = meld(heap, pair);
    }
    return heap;
}

static void heap_remove(struct timer *timer) {
    struct timer *children = meld_siblings(timer->child);
    timer->child = NULL;
    if (timer == root) {
        root = children;
    } else {
        if (timer->parent->child == timer) {
            timer->parent->child = timer->sibling;
        } else {
            timer->parent->sibling = timer->sibling;
        }
        if (timer->sibling != NULL) {
            timer->sibling->parent = timer->parent;
        }
        root = meld(root, children);
    }
    timer->sibling = NULL;
    timer->parent = NULL;
    timer->armed = false;
    armed_count--;
}

// Set the hardware to the earliest deadline. A deadline beyond the counter's range gets the
// longest count; the interrupt that then comes finds nothing due and comes here again.
static void program(uint64_t now_ns) {
    uint64_t deadline_ns = root != NULL ? root->deadline_ns : UINT64_MAX;
    if (deadline_ns == programmed_ns) {
        return;
    }
    programmed_ns = deadline_ns;
    if (root == NULL) {
        lapic_timer_arm(0);
        return;
    }
    if (cycles_per_ns_q32 == 0) {
        cycles_per_ns_q32 = (clock_lapic_hz() << 32) / NS_PER_S;
    }
    uint64_t wait_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    // Rounded up: an interrupt before the deadline would only have to be repeated.
    unsigned __int128 cycles = ((unsigned __int128)wait_ns * cycles_per_ns_q32 >> 32) + 1;
    lapic_timer_arm(cycles > UINT32_MAX ? UINT32_MAX : (uint32_t)cycles);
}

void timer_start(struct timer *timer, uint64_t deadline_ns) {
    uint64_t state = irq_save();
    if (timer->armed) {
        heap_remove(timer);
    }
    timer->deadline_ns = deadline_ns;
    timer->child = timer->sibling = timer->parent = NULL;
    timer->armed = true;
    armed_count++;
    root = meld(root, timer);
    if (root->deadline_ns != programmed_ns) {
        program(clock_ns());
    }
    irq_restore(state);
}

bool timer_stop(struct timer *timer) {
    uint64_t state = irq_save();
    bool was_armed = timer->armed;
    if (was_armed) {
        // The hardware is left as it is: at worst it interrupts once with nothing due, which is
        // cheaper than a clock reading for every timer that is stopped early.
        heap_remove(timer);
    }
    irq_restore(state);
    return was_armed;
}

uint64_t timer_next_ns(void) {
    uint64_t state = irq_save();
    uint64_t deadline_ns = root != NULL ? root->deadline_ns : UINT64_MAX;
    irq_restore(state);
    return deadline_ns;
}

uint64_t timer_count(void) {
    return armed_count;
}

void timer_interrupt(void) {
    programmed_ns = 0;
    uint64_t now_ns = clock_ns();
    while (root != NULL && root->deadline_ns <= now_ns) {
        struct timer *timer = root;
        heap_remove(timer);
        timer->fire(timer);
    }
    // What became due meanwhile waits for the next interrupt, so that a timer which re-arms itself
    // without end cannot keep the CPU in here.
    program(clock_ns());
}
