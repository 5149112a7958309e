// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The x86-64 instructions that C cannot say: port and MSR access, barriers, interrupt flag, halt.
// Intel SDM volume 2. This is the only file with inline assembly besides the entry stubs.

#ifndef IMPORTOS_CPU_H
#define IMPORTOS_CPU_H

#include <stdbool.h>
#include <stdint.h>

#define MSR_APIC_BASE 0x1b
#define MSR_EFER 0xc0000080

#define CPU_RFLAGS_IF (1u << 9)

static inline void outb(uint16_t port, uint8_t value) {
    __asm__ volatile ("outb %0, %1" : : "a" (value), "Nd" (port) : "memory");
}

static inline void outw(uint16_t port, uint16_t value) {
    __asm__ volatile ("outw %0, %1" : : "a" (value), "Nd" (port) : "memory");
}

static inline void outl(uint16_t port, uint32_t value) {
    __asm__ volatile ("outl %0, %1" : : "a" (value), "Nd" (port) : "memory");
}

static inline uint8_t inb(uint16_t port) {
    uint8_t value;
    __asm__ volatile ("inb %1, %0" : "=a" (value) : "Nd" (port) : "memory");
    return value;
}

static inline uint16_t inw(uint16_t port) {
    uint16_t value;
    __asm__ volatile ("inw %1, %0" : "=a" (value) : "Nd" (port) : "memory");
    return value;
}

static inline uint32_t inl(uint16_t port) {
    uint32_t value;
    __asm__ volatile ("inl %1, %0" : "=a" (value) : "Nd" (port) : "memory");
    return value;
}

// One accessor each for memory-mapped registers. The access is volatile because the device, not
// this program, decides what the address holds.
static inline uint8_t mmio_read8(uintptr_t address) {
    return *(volatile uint8_t *)address;
}

static inline uint16_t mmio_read16(uintptr_t address) {
    return *(volatile uint16_t *)address;
}

static inline uint32_t mmio_read32(uintptr_t address) {
    return *(volatile uint32_t *)address;
}

static inline uint64_t mmio_read64(uintptr_t address) {
    return *(volatile uint64_t *)address;
}

static inline void mmio_write8(uintptr_t address, uint8_t value) {
    *(volatile uint8_t *)address = value;
}

static inline void mmio_write16(uintptr_t address, uint16_t value) {
    *(volatile uint16_t *)address = value;
}

static inline void mmio_write32(uintptr_t address, uint32_t value) {
    *(volatile uint32_t *)address = value;
}

static inline void mmio_write64(uintptr_t address, uint64_t value) {
    *(volatile uint64_t *)address = value;
}

static inline uint64_t rdmsr(uint32_t msr) {
    uint32_t low, high;
    __asm__ volatile ("rdmsr" : "=a" (low), "=d" (high) : "c" (msr));
    return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value) {
    __asm__ volatile ("wrmsr" : : "a" ((uint32_t)value), "d" ((uint32_t)(value >> 32)), "c" (msr)
        : "memory");
}

static inline uint64_t rdtsc(void) {
    uint32_t low, high;
    __asm__ volatile ("rdtsc" : "=a" (low), "=d" (high) : : "memory");
    return (uint64_t)high << 32 | low;
}

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf) {
    struct cpuid r;
    __asm__ volatile ("cpuid" : "=a" (r.eax), "=b" (r.ebx), "=c" (r.ecx), "=d" (r.edx)
        : "a" (leaf), "c" (subleaf));
    return r;
}

// Hardware random numbers: false if the CPU had none ready. Only where CPUID says so (SDM volume
// 1, 7.3.17): CPUID_RDRAND in leaf 1 ECX, CPUID_RDSEED in leaf 7 EBX.
#define CPUID_RDRAND (1u << 30)
#define CPUID_RDSEED (1u << 18)

static inline bool rdrand(uint64_t *value) {
    bool ok;
    __asm__ volatile ("rdrand %0; setc %1" : "=r" (*value), "=qm" (ok) : : "cc");
    return ok;
}

static inline bool rdseed(uint64_t *value) {
    bool ok;
    __asm__ volatile ("rdseed %0; setc %1" : "=r" (*value), "=qm" (ok) : : "cc");
    return ok;
}

static inline uint64_t read_cr0(void) {
    uint64_t value;
    __asm__ volatile ("mov %%cr0, %0" : "=r" (value));
    return value;
}

static inline void write_cr0(uint64_t value) {
    __asm__ volatile ("mov %0, %%cr0" : : "r" (value) : "memory");
}

static inline uint64_t read_cr2(void) {
    uint64_t value;
    __asm__ volatile ("mov %%cr2, %0" : "=r" (value));
    return value;
}

static inline uint64_t read_cr3(void) {
    uint64_t value;
    __asm__ volatile ("mov %%cr3, %0" : "=r" (value));
    return value;
}

static inline void write_cr3(uint64_t value) {
    __asm__ volatile ("mov %0, %%cr3" : : "r" (value) : "memory");
}

static inline uint64_t read_cr4(void) {
    uint64_t value;
    __asm__ volatile ("mov %%cr4, %0" : "=r" (value));
    return value;
}

static inline void write_cr4(uint64_t value) {
    __asm__ volatile ("mov %0, %%cr4" : : "r" (value) : "memory");
}

static inline void invlpg(uintptr_t address) {
    __asm__ volatile ("invlpg (%0)" : : "r" (address) : "memory");
}

// Keeps the compiler from moving memory accesses across it. x86 keeps stores in order and loads in
// order by itself, so this is the write and the read barrier (SDM volume 3, 9.2.2).
static inline void barrier(void) {
    __asm__ volatile ("" : : : "memory");
}

// Orders earlier stores before later loads, the one order that x86 does not keep by itself.
static inline void memory_fence(void) {
    __asm__ volatile ("mfence" : : : "memory");
}

static inline void cpu_relax(void) {
    __asm__ volatile ("pause" : : : "memory");
}

// Critical section against interrupts: state = irq_save(); ... irq_restore(state); nests.
static inline uint64_t irq_save(void) {
    uint64_t flags;
    __asm__ volatile ("pushfq; popq %0; cli" : "=r" (flags) : : "memory");
    return flags;
}

static inline void irq_restore(uint64_t flags) {
    if (flags & CPU_RFLAGS_IF) {
        __asm__ volatile ("sti" : : : "memory");
    }
}

static inline void irq_enable(void) {
    __asm__ volatile ("sti" : : : "memory");
}

static inline void irq_disable(void) {
    __asm__ volatile ("cli" : : : "memory");
}

// Sleep until the next interrupt. Call with interrupts off, after the test that found no work:
// sti takes effect one instruction late, so no interrupt can slip in between test and hlt.
// Returns with interrupts on, the interrupt handled.
static inline void cpu_idle(void) {
    __asm__ volatile ("sti; hlt" : : : "memory");
}

#endif // IMPORTOS_CPU_H
