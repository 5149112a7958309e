// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// One routine per CPU exception, which raises it (Intel SDM volume 3, chapter 6.15). For the tests
// of the panic path; machine._fault() calls them with interrupts on and the ABI's stack.

.macro FAULT name
    .section .text.fault_\name, "ax", @progbits
    .globl fault_\name
fault_\name:
.endm

FAULT de // divide error: by zero
    xor %edx, %edx
    mov $1, %eax
    xor %ecx, %ecx
    div %ecx
    ret

FAULT db // debug: single step, by the trap flag
    pushfq
    orq $0x100, (%rsp)
    popfq
    nop
    ret

FAULT bp // breakpoint
    int3
    ret

FAULT of // overflow: INTO does not exist in long mode, its vector does
    int $4
    ret

FAULT br // bound range, likewise
    int $5
    ret

FAULT ud // invalid opcode
    ud2

FAULT nm // device not available: SSE with the task-switched flag set
    mov %cr0, %rax
    or $8, %rax
    mov %rax, %cr0
    movaps %xmm0, %xmm0
    ret

FAULT df // double fault: a divide error whose gate is not present
    sub $16, %rsp
    sidt 6(%rsp)
    mov 8(%rsp), %rax
    andb $0x7f, 5(%rax)
    add $16, %rsp
    jmp fault_de

FAULT np // segment not present: a data segment that is absent
    lgdt fault_gdt_register(%rip)
    mov $FAULT_ABSENT, %eax
    mov %eax, %fs
    ret

FAULT ss // stack fault: the same as the stack segment
    lgdt fault_gdt_register(%rip)
    mov $FAULT_ABSENT, %eax
    mov %eax, %ss
    ret

FAULT gp // general protection: an address that is not canonical
    mov $0x8000000000000000, %rax
    mov (%rax), %rax
    ret

FAULT pf_read // page fault: read of NULL
    xor %eax, %eax
    mov (%rax), %rax
    ret

FAULT pf_write // page fault: write to code
    lea fault_pf_write(%rip), %rax
    movq $0, (%rax)
    ret

FAULT pf_exec // page fault: run data
    jmp fault_data

FAULT mf // x87 exception: divide by zero, unmasked; FWAIT reports it
    fninit
    pushq $0x0360
    fldcw (%rsp)
    fld1
    fldz
    fdivrp
    fwait
    pop %rax
    ret

FAULT xm // SIMD exception: divide by zero, unmasked
    pushq $0x1d80
    ldmxcsr (%rsp)
    pop %rax
    mov $1, %eax
    cvtsi2sd %eax, %xmm0
    xorps %xmm1, %xmm1
    divsd %xmm1, %xmm0
    pushq $0x1f80 // an emulator may not raise it: then put the default back
    ldmxcsr (%rsp)
    pop %rax
    ret

FAULT stack // runs down the stack into the guard page
    sub $256, %rsp
    mov %rax, (%rsp)
    jmp fault_stack

    .section .data.fault_data, "aw", @progbits
fault_data:
    ret

    // The kernel's segments (trap.c: code 0x08, data 0x10, TSS 0x18) and one that is absent.
    .equ FAULT_ABSENT, 0x28
    .balign 8
fault_gdt:
    .quad 0, 0x00af9a000000ffff, 0x00cf92000000ffff, 0, 0, 0x00cf12000000ffff
fault_gdt_register:
    .word . - fault_gdt - 1
    .quad fault_gdt

    .section .note.GNU-stack, "", @progbits
