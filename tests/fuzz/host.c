// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What the fuzzed files call outside of themselves, and their return to the state of a fresh boot.

#include "host.h"

#pragma clang section bss="" data=""

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const uint8_t *fuzz_input;
size_t fuzz_left;
uint64_t fuzz_now_ns;
size_t fuzz_allocated;
static uint32_t random_state;

uint8_t fuzz_byte(void) {
    if (fuzz_left == 0) {
        return 0;
    }
    fuzz_left--;
    return *fuzz_input++;
}

uint32_t fuzz_word(void) {
    uint32_t word = 0;
    for (unsigned i = 0; i < 4; i++) {
        word |= (uint32_t)fuzz_byte() << 8 * i;
    }
    return word;
}

// --- memory: malloc() of exactly what was asked for, so that the sanitizer sees its ends --------

struct block {
    struct block *next, **link;
    size_t size;
    uint64_t data[];
};
static struct block *blocks;

void *net_memory_alloc(size_t size) {
    struct block *block = malloc(sizeof(*block) + size);
    block->size = size;
    block->link = &blocks;
    block->next = blocks;
    if (blocks != NULL) {
        blocks->link = &block->next;
    }
    blocks = block;
    fuzz_allocated += size;
    return block->data;
}

void *net_memory_calloc(size_t count, size_t size) {
    return memset(net_memory_alloc(count * size), 0, count * size);
}

void net_memory_free(void *data) {
    if (data == NULL) {
        return;
    }
    struct block *block = (struct block *)((uint8_t *)data - offsetof(struct block, data));
    *block->link = block->next;
    if (block->next != NULL) {
        block->next->link = block->link;
    }
    fuzz_allocated -= block->size;
    free(block);
}

// --- state --------------------------------------------------------------------------------------

extern uint8_t __start_fuzz_bss[] __attribute__((weak)), __stop_fuzz_bss[] __attribute__((weak));
extern uint8_t __start_fuzz_data[] __attribute__((weak)), __stop_fuzz_data[] __attribute__((weak));

// Between the variables lie the sanitizer's red zones, which may be read and written here.
__attribute__((no_sanitize("address", "undefined")))
static void copy(volatile uint8_t *to, const volatile uint8_t *from, size_t size) {
    for (size_t i = 0; i < size; i++) {
        to[i] = from == NULL ? 0 : from[i];
    }
}

void fuzz_begin(const uint8_t *data, size_t size) {
    static uint8_t *saved;
    size_t data_size = (size_t)(__stop_fuzz_data - __start_fuzz_data);
    while (blocks != NULL) {
        net_memory_free(blocks->data);
    }
    if (saved == NULL) {
        saved = malloc(data_size + 1);
        copy(saved, __start_fuzz_data, data_size);
    }
    copy(__start_fuzz_data, saved, data_size);
    copy(__start_fuzz_bss, NULL, (size_t)(__stop_fuzz_bss - __start_fuzz_bss));
    fuzz_input = data;
    fuzz_left = size;
    fuzz_now_ns = 1000000000;
    random_state = 1;
}

// --- the kernel's services ----------------------------------------------------------------------

uint64_t clock_ns(void) {
    return fuzz_now_ns;
}

void kprintf(const char *format, ...) {
    (void)format;
}

_Noreturn void panic(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    abort();
}

// The same numbers for each input.
uint32_t random_u32(void) {
    random_state = random_state * 1664525 + 1013904223;
    return random_state;
}

void random_bytes(void *data, size_t size) {
    memset(data, 0x5a, size);
}
