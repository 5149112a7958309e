// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Python's heap over the machine's free RAM. It starts with one area of moderate size and takes
// in more, an area at a time, whenever less than half is free after a collection, so the cost of
// booting and of collecting follows what lives in the heap and not the size of the machine.
// Not here: the collector itself (py/gc.c), which also calls heap_take() for a large object.

#include <string.h>

#include "py/gc.h"
#include "py/mphal.h"
#include "py/mpstate.h"
#include "py/persistentcode.h"
#include "py/runtime.h"
#include "shared/runtime/gchelper.h"

#include "balloon.h"
#include "heap.h"
#include "memory.h"

#define HEAP_AREA_MAX 64
#define HEAP_FIRST_MIN (512u << 10)
#define HEAP_FIRST_MAX (8u << 20)
#define HEAP_AREA_MIN (64u << 10) // smaller remains are not worth an area of their own

// Allocation table: two bits a block (py/gc.c).
#define BLOCKS_PER_BYTE 4
#define KIND_FREE 0
#define KIND_HEAD 1
#define KIND_MARK 3

static struct memory_region whole[MEMORY_REGION_MAX]; // what Python may use
static unsigned whole_count;
static struct memory_region unused[HEAP_AREA_MAX]; // what no area covers
static unsigned unused_count;
static size_t budget; // bytes that heap_take() may still hand out
static size_t total;

static size_t page_up(size_t size) {
    return (size + PAGE_SIZE - 1) & ~(size_t)(PAGE_SIZE - 1);
}

static struct memory_region *largest(struct memory_region *regions, unsigned count) {
    struct memory_region *best = NULL;
    for (unsigned i = 0; i < count; i++) {
        if (best == NULL || regions[i].size > best->size) {
            best = &regions[i];
        }
    }
    return best;
}

void heap_boot(size_t limit) {
    const struct memory_region *regions;
    whole_count = memory_regions(&regions);
    memcpy(whole, regions, whole_count * sizeof(whole[0]));
    for (unsigned i = 0; i < whole_count; i++) {
        total += whole[i].size;
    }
    if (limit != 0 && limit < total) {
        total = limit;
    }
}

static void subtract(size_t size) {
    total = total > size ? total - size : 0;
}

// Before there is a heap, cut (size) bytes off the start of a region: the first pages of Python's
// heap are beside them, and the host has to find memory for one place and not for two.
static void *reserve_first(size_t size) {
    for (unsigned i = 0; i < whole_count; i++) {
        if (whole[i].size >= size + HEAP_FIRST_MIN) {
            void *start = (void *)whole[i].start;
            whole[i].start += size;
            whole[i].size -= size;
            subtract(size);
            return start;
        }
    }
    return NULL;
}

// Later off its end, where no area of the heap lies.
void *heap_reserve(size_t size) {
    size = page_up(size);
    if (unused_count == 0) {
        return reserve_first(size);
    }
    for (unsigned i = 0; i < whole_count; i++) {
        uintptr_t end = whole[i].start + whole[i].size;
        for (unsigned n = 0; n < unused_count; n++) {
            if (unused[n].start + unused[n].size == end && unused[n].size > size &&
                budget > size) {
                whole[i].size -= size;
                unused[n].size -= size;
                budget -= size;
                subtract(size);
                return (void *)(end - size);
            }
        }
    }
    return NULL;
}

size_t heap_total(void) {
    return total;
}

bool heap_contains(const void *address, size_t size) {
    for (unsigned i = 0; i < whole_count; i++) {
        uintptr_t offset = (uintptr_t)address - whole[i].start;
        if (offset < whole[i].size && size <= whole[i].size - offset) {
            return true;
        }
    }
    return false;
}

void heap_start(void) {
    memcpy(unused, whole, sizeof(whole));
    unused_count = whole_count;
    budget = total;
    size_t size = MIN(MAX(total / 8, HEAP_FIRST_MIN), HEAP_FIRST_MAX);
    size = MIN(size, heap_largest());
    uint8_t *area = heap_take(size);
    gc_init(area, area + size);
}

size_t heap_largest(void) {
    struct memory_region *region = largest(unused, unused_count);
    return region == NULL ? 0 : MIN(region->size, budget & ~(size_t)(PAGE_SIZE - 1));
}

size_t heap_unused(void) {
    size_t size = 0;
    for (unsigned i = 0; i < unused_count; i++) {
        size += unused[i].size;
    }
    return MIN(size, budget);
}

// Asked by gc.c when an allocation has failed.
size_t gc_get_max_new_split(void) {
    #if IMPORTOS_DISKS
    balloon_help();
    #endif
    return heap_largest();
}

void *heap_take(size_t size) {
    struct memory_region *region = largest(unused, unused_count);
    size = page_up(size);
    if (region == NULL || size > region->size || size > budget) {
        return NULL;
    }
    void *area = (void *)region->start;
    region->start += size;
    region->size -= size;
    budget -= size;
    return area;
}

// It joins its neighbours, so that one large object finds room again after many small ones.
void heap_return(void *start, size_t size) {
    struct memory_region region = { (uintptr_t)start, page_up(size) };
    budget += region.size;
    for (unsigned i = 0; i < unused_count;) {
        bool behind = unused[i].start + unused[i].size == region.start;
        if (behind || region.start + region.size == unused[i].start) {
            region.start = behind ? unused[i].start : region.start;
            region.size += unused[i].size;
            unused[i] = unused[--unused_count];
        } else {
            i++;
        }
    }
    if (unused_count < HEAP_AREA_MAX) {
        unused[unused_count++] = region;
    }
}

// (pointer) is an area that gc.c has emptied and taken off its list.
void heap_give_back(void *pointer) {
    mp_state_mem_area_t *area = pointer;
    heap_return(area, (size_t)(area->gc_pool_end - (byte *)area));
    #if IMPORTOS_DISKS
    balloon_poke();
    #endif
}

static unsigned block_kind(const mp_state_mem_area_t *area, size_t block) {
    uint8_t kinds = area->gc_alloc_table_start[block / BLOCKS_PER_BYTE];
    return kinds >> 2 * (block % BLOCKS_PER_BYTE) & 3;
}

// gc.c takes an area for empty when no block above number 0 is used, and hands it back even if
// block 0 is. Between mark and sweep, keep block 1 alive where block 0 is.
static void keep_first_block(mp_state_mem_area_t *area) {
    unsigned next = block_kind(area, 1);
    if (block_kind(area, 0) == KIND_MARK && (next == KIND_FREE || next == KIND_HEAD)) {
        area->gc_alloc_table_start[0] |= KIND_MARK << 2;
        area->gc_last_used_block = MAX(area->gc_last_used_block, 1);
    }
}

static size_t area_used_blocks(const mp_state_mem_area_t *area) {
    size_t used = 0;
    size_t bytes = area->gc_last_used_block / BLOCKS_PER_BYTE + 1;
    for (size_t i = 0; i < bytes; i += sizeof(uint64_t)) {
        uint64_t word = 0;
        memcpy(&word, area->gc_alloc_table_start + i, MIN(bytes - i, sizeof(word)));
        used += __builtin_popcountl((word | word >> 1) & 0x5555555555555555);
    }
    return used;
}

// Keep at least half of the heap free: a full heap is collected over and over.
static void heap_grow(void) {
    size_t used = 0, blocks = 0;
    for (mp_state_mem_area_t *area = &MP_STATE_MEM(area); area != NULL; area = area->next) {
        used += area_used_blocks(area);
        blocks += area->gc_alloc_table_byte_len * BLOCKS_PER_BYTE;
    }
    size_t size = MIN(page_up(blocks * MICROPY_BYTES_PER_GC_BLOCK), heap_largest());
    if (used > blocks / 2 && size >= HEAP_AREA_MIN) {
        uint8_t *area = heap_take(size);
        gc_add(area, area + size);
    }
}

void gc_collect(void) {
    gc_collect_start();
    gc_helper_collect_regs_and_stack();
    for (mp_state_mem_area_t *area = MP_STATE_MEM(area).next; area != NULL; area = area->next) {
        keep_first_block(area);
    }
    gc_collect_end();
    heap_grow();
}

#if MICROPY_EMIT_NATIVE
void *port_exec_commit(void *code, size_t size, void *relocations) {
    void *writable = exec_alloc(size);
    if (writable == NULL) {
        m_malloc_fail(size);
    }
    void *address = exec_address(writable);
    if (relocations != NULL) {
        mp_native_relocate(relocations, code, (uintptr_t)address);
    }
    memcpy(writable, code, size);
    return address;
}
#endif
