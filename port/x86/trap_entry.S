/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The ImportOS authors
 *
 * The 256 entry points of the IDT. The CPU does not tell a handler which vector it came by, so each
 * needs a stub of its own that pushes the number; the stubs are 16 bytes apart for trap.c to find.
 * Intel SDM volume 3, sections 6.12 to 6.14. */

#define TRAP_FXSAVE_SIZE 512

/* Vectors for which the CPU itself pushes an error code: 8, 10 to 14, 17, 21, 29, 30. */
#define HAS_ERROR_CODE(v) ((v) == 8 || ((v) >= 10 && (v) <= 14) || (v) == 17 || (v) == 21 || \
    (v) == 29 || (v) == 30)

.text
.code64
    .balign 16
.globl trap_stubs
trap_stubs:
.set vector, 0
.rept 256
    .balign 16
    .if !HAS_ERROR_CODE(vector)
    push $0
    .endif
    push $vector
    jmp trap_common
    .set vector, vector + 1
.endr

/* State: interrupts off (every IDT entry is an interrupt gate), on the stack that the entry's IST
 * field names, 16-byte aligned by the CPU. Build struct trap_frame (trap.h) and call
 * trap_dispatch(frame). The SSE state is saved because what runs below is free to use it. */
trap_common:
    push %rax
    push %rcx
    push %rdx
    push %rbx
    push %rbp
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    cld
    mov %rsp, %rdi
    sub $TRAP_FXSAVE_SIZE, %rsp
    clts /* in #NM (device not available) FXSAVE itself would raise it again, without end */
    fxsave64 (%rsp)
    xor %ebp, %ebp
    call trap_dispatch
    fxrstor64 (%rsp)
    add $TRAP_FXSAVE_SIZE, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rbp
    pop %rbx
    pop %rdx
    pop %rcx
    pop %rax
    add $16, %rsp /* vector and error code */
    iretq

.section .note.GNU-stack, "", @progbits
