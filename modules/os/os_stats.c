// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// os.stats(): what the machine has been doing.

#include "os_event.h"

#include "py/gc.h"
#include "py/mphal.h"

#include "clock.h"

struct os_counters os_counters;

// How long the processor was busy is known as a total since boot; the last second is the
// difference to a sample between one and two seconds old, if stats() is called that often, and
// older if not.
static struct {
    uint64_t at_ns;
    uint64_t idle_ns;
} sample[2];

static mp_int_t busy_percent(void) {
    uint64_t now_ns = clock_ns();
    uint64_t idle_ns = mp_hal_idle_ns();
    if (now_ns - sample[1].at_ns >= NS_PER_S) {
        sample[0] = sample[1];
        sample[1].at_ns = now_ns;
        sample[1].idle_ns = idle_ns;
    }
    uint64_t span_ns = now_ns - sample[0].at_ns;
    uint64_t halted_ns = idle_ns - sample[0].idle_ns;
    if (span_ns == 0 || halted_ns >= span_ns) {
        return 0;
    }
    return 100 - halted_ns * 100 / span_ns;
}

static mp_obj_t irq_counts(void) {
    mp_obj_t counts = mp_obj_new_dict(0);
    for (unsigned irq = 0; irq < IRQ_COUNT; irq++) {
        struct irq_info info;
        if (irq_get_info(irq, &info)) {
            mp_obj_dict_store(counts, MP_OBJ_NEW_SMALL_INT(irq),
                mp_obj_new_int_from_ull(info.count));
        }
    }
    return counts;
}

static mp_obj_t os_stats(void) {
    static const qstr fields[] = {
        MP_QSTR_uptime_ms, MP_QSTR_busy, MP_QSTR_events, MP_QSTR_merged, MP_QSTR_errors,
        MP_QSTR_heap_free, MP_QSTR_irqs,
    };
    gc_info_t heap;
    gc_info(&heap);
    mp_obj_t values[] = {
        mp_obj_new_int_from_ull(clock_ns() / NS_PER_MS),
        MP_OBJ_NEW_SMALL_INT(busy_percent()),
        mp_obj_new_int_from_ull(os_counters.events),
        mp_obj_new_int_from_ull(os_counters.merged),
        mp_obj_new_int_from_ull(os_counters.errors),
        mp_obj_new_int_from_ull(heap.free),
        irq_counts(),
    };
    return mp_obj_new_attrtuple(fields, MP_ARRAY_SIZE(fields), values);
}
MP_DEFINE_CONST_FUN_OBJ_0(os_stats_obj, os_stats);
