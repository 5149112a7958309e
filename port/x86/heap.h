// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Python's heap over the machine's free RAM. Main thread only.

#ifndef IMPORTOS_HEAP_H
#define IMPORTOS_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Take over memory_regions(). At most (limit) bytes of it are used for Python; 0: all. Once.
void heap_boot(size_t limit);

// Keep (size) bytes, page aligned, out of the heap for good, soft resets included. Not zeroed.
// At any time; NULL if there is no room, or the heap has grown over it.
void *heap_reserve(size_t size);

// Give MicroPython an empty heap. At every start of the interpreter.
void heap_start(void);

// RAM that heap_boot() found, less the reservations, in bytes.
size_t heap_total(void);

// Take (size) bytes, page aligned, that no area of the heap covers, for a while; NULL: there is no
// such stretch. Ends with heap_return(), or with heap_start().
void *heap_take(size_t size);
void heap_return(void *start, size_t size);
size_t heap_largest(void); // the longest stretch that heap_take() has, bytes
size_t heap_unused(void); // all that no area covers

// True if (size) bytes at (address) are in RAM that the heap may use. Any context.
bool heap_contains(const void *address, size_t size);

#endif // IMPORTOS_HEAP_H
