// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What is printed when nothing can go on, in an order in which each part is worth more than the
// next, since any of them may fault: reason, registers, return addresses, what Python was running.
// Kernel messages went to the same console as they came, so they stand above.

#include "panic.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu.h"
#include "log.h"
#include "memory.h"
#include "power.h"
#include "trap.h"

#define BACKTRACE_MAX 32
#define VECTOR_PAGE_FAULT 14

#define PAGE_FAULT_PRESENT 1u
#define PAGE_FAULT_WRITE 2u
#define PAGE_FAULT_FETCH 16u

static const char *const exception_names[32] = {
    "divide error (#DE)", "debug (#DB)", "non-maskable interrupt (NMI)", "breakpoint (#BP)",
    "overflow (#OF)", "bound range exceeded (#BR)", "invalid opcode (#UD)",
    "device not available (#NM)", "double fault (#DF)", "coprocessor segment overrun",
    "invalid TSS (#TS)", "segment not present (#NP)", "stack fault (#SS)",
    "general protection (#GP)", "page fault (#PF)", "reserved exception 15",
    "x87 floating point (#MF)", "alignment check (#AC)", "machine check (#MC)",
    "SIMD floating point (#XM)", "virtualization (#VE)", "control protection (#CP)",
};

extern uint8_t main_stack_guard[], irq_stack_guard[], fault_stack_guard[];
extern uint8_t double_fault_stack_guard[], nmi_stack_guard[];
extern uint8_t irq_stack_bottom[], irq_stack_top[];
extern uint8_t text_start[], text_end[];

// How far the panic has come. A fault inside one stage goes on with the next.
static enum { STAGE_NONE, STAGE_REGISTERS, STAGE_BACKTRACE, STAGE_PYTHON, STAGE_END } stage;

static void (*describe_program)(void);

void panic_set_describe(void (*describe)(void)) {
    describe_program = describe;
}

static const char *guard_name(uint64_t address) {
    static const struct {
        uint8_t *guard;
        const char *name;
    } guards[] = {
        { main_stack_guard, "main" }, { irq_stack_guard, "interrupt" },
        { fault_stack_guard, "fault" }, { double_fault_stack_guard, "double fault" },
        { nmi_stack_guard, "NMI" },
    };
    for (size_t i = 0; i < sizeof(guards) / sizeof(guards[0]); i++) {
        if (address - (uintptr_t)guards[i].guard < PAGE_SIZE) {
            return guards[i].name;
        }
    }
    return NULL;
}

static void print_reason(const struct trap_frame *frame) {
    const char *name = exception_names[frame->vector & 31];
    kprintf("panic: %s", name != NULL ? name : "reserved exception");
    if (frame->vector == VECTOR_PAGE_FAULT) {
        uint64_t address = read_cr2();
        const char *what = frame->error & PAGE_FAULT_FETCH ? "executing"
            : frame->error & PAGE_FAULT_WRITE ? "writing" : "reading";
        kprintf(" %s 0x%lx (%s)", what, address,
            frame->error & PAGE_FAULT_PRESENT ? "not allowed" : "not mapped");
        if (guard_name(address) != NULL) {
            kprintf(": %s stack overflow", guard_name(address));
        } else if (address < PAGE_SIZE) {
            kprintf(": null pointer");
        }
    }
    kprintf(" at rip 0x%lx\n", frame->rip);
}

static void print_registers(const struct trap_frame *f) {
    kprintf("  vector %lu error 0x%lx cr2 0x%lx rflags 0x%lx\n", f->vector, f->error, read_cr2(),
        f->rflags);
    kprintf("  rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
    kprintf("  rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", f->rsi, f->rdi, f->rbp, f->rsp);
    kprintf("  r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", f->r8, f->r9, f->r10, f->r11);
    kprintf("  r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", f->r12, f->r13, f->r14, f->r15);
}

// The end of the stack that (rsp) is in, or 0: nothing beyond it is read.
static uintptr_t stack_end(uint64_t rsp) {
    if (rsp >= (uintptr_t)main_stack_bottom && rsp < (uintptr_t)main_stack_top) {
        return (uintptr_t)main_stack_top;
    }
    if (rsp >= (uintptr_t)irq_stack_bottom && rsp < (uintptr_t)irq_stack_top) {
        return (uintptr_t)irq_stack_top;
    }
    return 0;
}

// Print what looks like return addresses on the stack: every word that points into the code. Not
// all code keeps frame pointers, so some of them are leftovers; symbolize shows which.
static void print_backtrace(uint64_t rip, uint64_t rsp) {
    kprintf("  called from: 0x%lx", rip);
    uintptr_t end = stack_end(rsp);
    unsigned printed = 0;
    for (uintptr_t at = rsp & ~7ull; at + 8 <= end && printed < BACKTRACE_MAX; at += 8) {
        uint64_t word = *(const uint64_t *)at;
        if (word >= (uintptr_t)text_start && word < (uintptr_t)text_end) {
            kprintf(printed % 6 == 5 ? "\n   0x%lx" : " 0x%lx", word);
            printed++;
        }
    }
    kprintf("\n");
}

__attribute__((noreturn)) static void finish(const struct trap_frame *frame, uint64_t rip,
    uint64_t rsp) {
    power_on_leave(NULL);
    if (stage < STAGE_REGISTERS) {
        stage = STAGE_REGISTERS;
        if (frame != NULL) {
            print_registers(frame);
        }
    }
    if (stage < STAGE_BACKTRACE) {
        stage = STAGE_BACKTRACE;
        print_backtrace(rip, rsp);
    }
    if (stage < STAGE_PYTHON) {
        stage = STAGE_PYTHON;
        if (describe_program != NULL) {
            describe_program();
        }
    }
    stage = STAGE_END;
    power_exit(PANIC_STATUS);
}

void panic(const char *format, ...) {
    irq_disable();
    if (stage == STAGE_END) {
        power_exit(PANIC_STATUS);
    }
    va_list args;
    va_start(args, format);
    kprintf("\npanic: ");
    kvprintf(format, args);
    kprintf("\n");
    va_end(args);
    finish(NULL, (uintptr_t)__builtin_return_address(0), (uintptr_t)__builtin_frame_address(0));
}

void panic_trap(const struct trap_frame *frame) {
    if (stage == STAGE_END) {
        power_exit(PANIC_STATUS);
    }
    if (stage == STAGE_NONE) {
        kprintf("\n");
        print_reason(frame);
    } else {
        kprintf("\n(a fault while panicking: vector %lu at rip 0x%lx)\n", frame->vector,
            frame->rip);
    }
    finish(frame, frame->rip, frame->rsp);
}
