// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The emptiest image: a Multiboot ELF that prints READY on COM1 and leaves through isa-debug-exit.
// The floor below which no image can come on this QEMU. targets.py compiles it.

.text
.align 4
.long 0x1BADB002, 0, -0x1BADB002 // Multiboot 1: magic, flags, checksum
.code32
.globl _start
_start:
    mov $0x3f8, %dx
    mov $message, %esi
1:  lodsb (%esi), %al
    test %al, %al
    jz 2f
    out %al, %dx
    jmp 1b
2:  mov $0xf4, %dx
    mov $0x10, %al
    out %al, %dx
3:  hlt
    jmp 3b
message: .asciz "READY\n"
