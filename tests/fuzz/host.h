// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Put in front of every file of the kernel that is fuzzed on the host (clang's -include): what
// stands for the machine, and where the file's variables go, so that each input starts afresh.

#ifndef IMPORTOS_FUZZ_HOST_H
#define IMPORTOS_FUZZ_HOST_H

#pragma clang section bss="fuzz_bss" data="fuzz_data"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Instead of port/x86/cpu.h.
#define IMPORTOS_CPU_H

void outb(uint16_t port, uint8_t value);
void outw(uint16_t port, uint16_t value);
void outl(uint16_t port, uint32_t value);
uint32_t inl(uint16_t port);
uint8_t mmio_read8(uintptr_t address);
uint16_t mmio_read16(uintptr_t address);
uint32_t mmio_read32(uintptr_t address);
void mmio_write8(uintptr_t address, uint8_t value);
void mmio_write16(uintptr_t address, uint16_t value);
void mmio_write32(uintptr_t address, uint32_t value);

static inline void barrier(void) {
    __asm__ volatile ("" : : : "memory");
}

static inline void memory_fence(void) {
    __asm__ volatile ("mfence" : : : "memory");
}

static inline void cpu_relax(void) {
}

static inline uint64_t irq_save(void) {
    return 0;
}

static inline void irq_restore(uint64_t flags) {
    (void)flags;
}

// --- for the harnesses (host.c) -----------------------------------------------------------------

// The input that is being run, and how far it has been read.
extern const uint8_t *fuzz_input;
extern size_t fuzz_left;

// The next byte, or bytes, of the input; 0 behind its end.
uint8_t fuzz_byte(void);
uint32_t fuzz_word(void);

// Every variable of the kernel's files is as it was at the start, and what they allocated is free.
void fuzz_begin(const uint8_t *data, size_t size);

extern uint64_t fuzz_now_ns;
extern size_t fuzz_allocated; // bytes that net_memory_alloc() gave out and has not got back

#endif // IMPORTOS_FUZZ_HOST_H
