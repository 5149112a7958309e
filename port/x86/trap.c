// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Segments, task state and interrupt descriptor table (Intel SDM volume 3, 3.4, 6.10, 7.7), and
// the fork between exceptions and interrupts. What an interrupt does is irq.c's.

#include "trap.h"

#include <stddef.h>

#include "cpu.h"
#include "irq.h"
#include "panic.h"

#define SELECTOR_CODE 0x08
#define SELECTOR_DATA 0x10
#define SELECTOR_TSS 0x18

#define GATE_INTERRUPT 0x8e // present, ring 0, interrupt gate: enters with interrupts off
#define STUB_SIZE 16

#define CPUID_MACHINE_CHECK (1u << 7) // leaf 1, EDX
#define CR4_MACHINE_CHECK (1u << 6)

#define VECTOR_NMI 2
#define VECTOR_DOUBLE_FAULT 8
#define VECTOR_MACHINE_CHECK 18

// Every entry switches to a stack of its own, so that neither a stack overflow nor an interrupt
// that comes in the red zone of somebody's frame does harm.
enum { IST_IRQ = 1, IST_FAULT, IST_DOUBLE_FAULT, IST_NMI };

_Static_assert(offsetof(struct trap_frame, vector) == 15 * 8, "trap_entry.S pushes 15 registers");
_Static_assert(sizeof(struct trap_frame) == 22 * 8, "trap_entry.S and the CPU build this");

struct idt_entry {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t ist;
    uint8_t type;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};
_Static_assert(sizeof(struct idt_entry) == 16, "SDM volume 3, figure 6-8");

struct __attribute__((packed)) task_state {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map;
};
_Static_assert(sizeof(struct task_state) == 104, "SDM volume 3, figure 7-11");

struct __attribute__((packed)) table_pointer {
    uint16_t limit;
    uint64_t base;
};

extern uint8_t trap_stubs[];
extern uint8_t fault_stack_top[], double_fault_stack_top[], nmi_stack_top[];

static struct idt_entry idt[256];
static struct task_state task_state;
static uint64_t gdt[5] = {
    0,
    0x00af9a000000ffff, // SELECTOR_CODE
    0x00cf92000000ffff, // SELECTOR_DATA
};

static void load_segments(void) {
    uint64_t base = (uintptr_t)&task_state;
    task_state.ist[IST_IRQ - 1] = (uintptr_t)irq_stack_top;
    task_state.ist[IST_FAULT - 1] = (uintptr_t)fault_stack_top;
    task_state.ist[IST_DOUBLE_FAULT - 1] = (uintptr_t)double_fault_stack_top;
    task_state.ist[IST_NMI - 1] = (uintptr_t)nmi_stack_top;
    task_state.io_map = sizeof(task_state);
    gdt[3] = (sizeof(task_state) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40
        | (base >> 24 & 0xff) << 56;
    gdt[4] = base >> 32;
    struct table_pointer pointer = { sizeof(gdt) - 1, (uintptr_t)gdt };
    // The selectors that boot.S loaded mean the same in this table.
    __asm__ volatile ("lgdt %0" : : "m" (pointer) : "memory");
    __asm__ volatile ("ltr %w0" : : "r" (SELECTOR_TSS));
}

static uint8_t stack_for(unsigned vector) {
    switch (vector) {
        case VECTOR_NMI:
            return IST_NMI;
        case VECTOR_DOUBLE_FAULT:
        case VECTOR_MACHINE_CHECK:
            return IST_DOUBLE_FAULT;
        default:
            return vector < IRQ_VECTOR_FIRST ? IST_FAULT : IST_IRQ;
    }
}

void trap_init(void) {
    load_segments();
    for (unsigned vector = 0; vector < 256; vector++) {
        uintptr_t stub = (uintptr_t)trap_stubs + vector * STUB_SIZE;
        idt[vector].offset_low = stub & 0xffff;
        idt[vector].offset_middle = stub >> 16 & 0xffff;
        idt[vector].offset_high = stub >> 32;
        idt[vector].selector = SELECTOR_CODE;
        idt[vector].ist = stack_for(vector);
        idt[vector].type = GATE_INTERRUPT;
    }
    struct table_pointer pointer = { sizeof(idt) - 1, (uintptr_t)idt };
    __asm__ volatile ("lidt %0" : : "m" (pointer) : "memory");
    // Without CR4.MCE a machine check resets the machine without a word (SDM volume 3, 16.6).
    if (cpuid(1, 0).edx & CPUID_MACHINE_CHECK) {
        write_cr4(read_cr4() | CR4_MACHINE_CHECK);
    }
}

void trap_dispatch(struct trap_frame *frame) {
    if (frame->vector < IRQ_VECTOR_FIRST) {
        panic_trap(frame);
    }
    irq_dispatch(frame->vector);
}
