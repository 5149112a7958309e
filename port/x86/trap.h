// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Exceptions and interrupts enter here: the frame that trap_entry.S builds, and the IDT.
// Intel SDM volume 3, chapter 6. Vectors 0-31 are exceptions, 32 and up interrupts (irq.h).

#ifndef IMPORTOS_TRAP_H
#define IMPORTOS_TRAP_H

#include <stdint.h>

// As pushed, lowest address first: trap_entry.S saves the registers, the stub the vector and (for
// exceptions without one) a zero error code, the CPU the rest. Offsets are checked in trap.c.
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
    uint64_t rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

// Build GDT, TSS and IDT and load them. After this an exception prints a panic. Boot time only.
void trap_init(void);

// Called by trap_entry.S with interrupts off, on the stack that the IDT entry names.
void trap_dispatch(struct trap_frame *frame);

// Stack on which interrupt handlers run.
extern uint8_t irq_stack_bottom[], irq_stack_top[];

#endif // IMPORTOS_TRAP_H
