// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What of the heap's unused RAM the host has. The driver is virtio_balloon.h.

#include "py/gc.h"
#include "py/mphal.h"
#include "py/runtime.h"

#include "balloon.h"
#include "heap.h"
#include "irq.h"
#include "memory.h"
#include "virtio_balloon.h"

#define HELD_MAX 64 // stretches of memory
#define STEP (16u << 20) // bytes given at once; other callbacks run in between
#define MARGIN_MIN (1u << 20) // bytes that the heap keeps to grow into
#define MARGIN_PART 16 // of the heap's whole size

static struct memory_region held[HELD_MAX];
static unsigned held_count;
static size_t held_size; // bytes
static size_t collected_for; // what the host wanted at the last collection for it
static bool works;
static mp_sched_node_t node;

static void adjust(mp_sched_node_t *scheduled);

// Interrupt context, too.
static void schedule(void) {
    mp_sched_schedule_node(&node, adjust);
}

void balloon_boot(void) {
    if (virtio_balloon_exists()) {
        void *memory = heap_reserve(virtio_balloon_memory_size());
        works = memory != NULL && virtio_balloon_start(memory, schedule) == 0;
        balloon_resume();
    }
}

static void tell(void) {
    virtio_balloon_tell((uint32_t)(held_size / VIRTIO_BALLOON_PAGE));
}

// Give (size) bytes, whole pages that heap_take() has. False: there is no more to give now.
static bool give(size_t size) {
    size_t margin = MAX(heap_total() / MARGIN_PART, MARGIN_MIN);
    size_t spare = heap_largest();
    size = MIN(size, spare > margin ? (spare - margin) & ~(size_t)(PAGE_SIZE - 1) : 0);
    uint8_t *start = size > 0 && held_count < HELD_MAX ? heap_take(size) : NULL;
    if (start == NULL) {
        return false;
    }
    struct memory_region *last = held_count > 0 ? &held[held_count - 1] : NULL;
    if (last != NULL && last->start + last->size == (uintptr_t)start) {
        last->size += size;
    } else {
        held[held_count++] = (struct memory_region) { (uintptr_t)start, size };
    }
    held_size += size;
    // After a failure the device may have any of it: then it stays out of the heap.
    return virtio_balloon_give((uintptr_t)start, size / VIRTIO_BALLOON_PAGE) == 0;
}

// Take (size) bytes back. False: the device failed, and keeps what it has.
static bool take(size_t size) {
    struct memory_region *last = &held[held_count - 1];
    size = MIN(size, last->size);
    uintptr_t start = last->start + last->size - size;
    if (virtio_balloon_take(start, size / VIRTIO_BALLOON_PAGE) < 0) {
        return false;
    }
    last->size -= size;
    held_size -= size;
    held_count -= last->size == 0;
    heap_return((void *)start, size);
    return true;
}

static void send_stats(void) {
    if (virtio_balloon_stats_wanted()) {
        virtio_balloon_send_stats(heap_total(), heap_unused());
    }
}

// Main thread: one step towards what the host wants.
static void adjust(mp_sched_node_t *scheduled) {
    (void)scheduled;
    send_stats();
    size_t wanted = (size_t)virtio_balloon_wanted() * VIRTIO_BALLOON_PAGE;
    bool moved = false;
    if (wanted > held_size) {
        moved = give(MIN(wanted - held_size, STEP));
    } else if (wanted < held_size && held_count > 0) {
        moved = take(held_size - wanted);
    }
    if (moved) {
        tell();
        schedule();
    } else if (wanted > held_size && collected_for != wanted) {
        collected_for = wanted; // once: what this frees comes back here by balloon_poke()
        gc_collect();
    }
}

static void take_all(void) {
    while (held_count > 0 && take(held_size)) {
    }
    tell();
}

void balloon_soft_reset(void) {
    if (works && held_count > 0) {
        take_all();
    }
}

void balloon_resume(void) {
    if (works) {
        schedule();
    }
}

void balloon_poke(void) {
    if (works && (size_t)virtio_balloon_wanted() * VIRTIO_BALLOON_PAGE > held_size) {
        schedule();
    }
}

void balloon_help(void) {
    if (held_count > 0 && !irq_in_handler() && virtio_balloon_deflates_by_itself()) {
        take_all();
        schedule(); // what the allocation leaves goes back
    }
}

static mp_obj_t machine_balloon(void) {
    if (!works) {
        return mp_const_none;
    }
    mp_obj_t items[] = {
        mp_obj_new_int_from_ull((uint64_t)virtio_balloon_wanted() * VIRTIO_BALLOON_PAGE),
        mp_obj_new_int_from_ull(held_size),
    };
    return mp_obj_new_tuple(2, items);
}
MP_DEFINE_CONST_FUN_OBJ_0(machine_balloon_obj, machine_balloon);
