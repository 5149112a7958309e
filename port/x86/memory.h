// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Physical memory and the page tables. Everything is identity mapped: an address is the same to C,
// to Python and to a device. Page 0 and the guard page under every stack are absent; code is
// read-only, everything else not executable, but for the pool of the native emitter.

#ifndef IMPORTOS_MEMORY_H
#define IMPORTOS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SIZE 4096u
#define MEMORY_REGION_MAX 32

struct memory_region {
    uintptr_t start;
    size_t size; // bytes
};

// Carve the usable RAM: everything the loader calls usable, less page 0, the kernel with its
// payload, the loader's modules. Builds and loads the final page tables. Boot time only.
void memory_init(void);

// Free RAM, largest region first, page aligned. The port makes Python's heap of it.
unsigned memory_regions(const struct memory_region **regions);

// Take (size) bytes, zeroed and (align)ed (a power of two), out of the free regions, for ever.
// Boot time only: before the port has taken the regions. NULL if there is no room.
void *memory_alloc(size_t size, size_t align);

// The same for rings and buffers that devices read and write: below 4 GiB, page aligned.
void *dma_alloc(size_t size);

// Map device registers uncached at their physical address, and return it as a usable address.
// Callable at any time from the main thread; 0 if there is no page table left for it.
uintptr_t memory_map_device(uint64_t address, size_t size);

// Total RAM that the loader reported as usable, bytes.
uint64_t memory_total(void);

// Memory for machine code that is written once and then run (native emitter, native .mpy): one
// pool, reserved at boot, mapped twice: writable where exec_alloc() says, executable where
// exec_address() says, never both at one address. NULL when the pool is used up.
void *exec_alloc(size_t size);
void *exec_address(void *writable);
void exec_reset(void); // soft reset: the whole pool is free again
size_t exec_free(void); // bytes left

// The image's payload behind the kernel (what mkimage appended), or NULL. Read-only.
const void *memory_payload(size_t *size);

// Stack of the main thread.
extern uint8_t main_stack_bottom[], main_stack_top[];

#endif // IMPORTOS_MEMORY_H
