// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Waiting for a virtio device's answer: a short poll, then halts between interrupts.

#include "virtio_wait.h"

#include "clock.h"
#include "cpu.h"
#include "timer.h"

// A device that has the answer in the host's memory gives it within this time, and then the halt,
// the interrupt and the wake-up are saved.
#define SPIN_NS (20 * NS_PER_US)

// Polls while the clock is not known, some milliseconds of them: a disk that is mounted at boot
// has answered by then, and the program starts without having waited for the clock.
#define BOOT_POLLS 200000

static void timer_fired(struct timer *timer) {
    (void)timer; // the interrupt itself ends the halt
}

static bool interrupts_enabled(void) {
    uint64_t flags = irq_save();
    irq_restore(flags);
    return flags & CPU_RFLAGS_IF;
}

bool virtio_may_halt(void) {
    return clock_is_known() && interrupts_enabled();
}

// One halt, ended by any interrupt and by (deadline_ns).
static void halt(struct virtqueue *queue, uint64_t deadline_ns) {
    struct timer timer = { .fire = timer_fired };
    timer_start(&timer, deadline_ns);
    if (!virtq_interrupt_on(queue)) {
        irq_disable();
        if (virtq_pending(queue) || !timer.armed) { // it fired before interrupts were off
            irq_enable();
        } else {
            cpu_idle();
        }
    }
    virtq_interrupt_off(queue);
    timer_stop(&timer);
}

bool virtio_wait(struct virtqueue *queue, uint64_t limit_ns) {
    for (unsigned i = 0; i < BOOT_POLLS && !clock_is_known(); i++) {
        if (virtq_pending(queue)) {
            return true;
        }
        cpu_relax();
    }
    uint64_t start = clock_ns();
    bool can_halt = queue->device->queue_irq >= 0 && interrupts_enabled();
    while (!virtq_pending(queue)) {
        uint64_t now = clock_ns();
        if (now - start > limit_ns) {
            return false;
        }
        if (can_halt && now - start > SPIN_NS) {
            halt(queue, start + limit_ns + NS_PER_MS);
        } else {
            cpu_relax();
        }
    }
    return true;
}
