/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The ImportOS authors
 *
 * The front of a compressed image (tools/importos/compress.py): entered as the kernel is, from a
 * Multiboot 1 loader or a PVH one, in 32-bit protected mode without paging; unpacks the image to
 * where it would have been loaded and enters its kernel in the same state. Nothing else. */

#define MULTIBOOT_MAGIC 0x1badb002
#define MULTIBOOT_FLAGS 0x00010003 /* page-align modules, memory map, address fields */
#define PVH_MAGIC 0x336ec578

#define COM1 0x3f8
#define LINE_STATUS 5
#define THR_EMPTY 0x20

/* compress.py writes the ELF header in front and fills in what stands here as 0. */
.section .head, "ax"
.code32
    .balign 4
multiboot_header:
    .long MULTIBOOT_MAGIC
    .long MULTIBOOT_FLAGS
    .long -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)
    .long multiboot_header /* header_addr */
    .long image_start /* load_addr */
    .long 0 /* load_end_addr: the end of the packed data */
    .long 0 /* bss_end_addr: the end of the unpacked image */
    .long multiboot_entry

/* struct unpack_order of unpack.c */
.globl order
order:
    .ascii "ImportOZ"
    .long pvh_entry
    .long multiboot_entry
    .fill 7, 4, 0

.globl pvh_entry, multiboot_entry
pvh_entry:
    mov $PVH_MAGIC, %eax
multiboot_entry:
    cli
    cld
    mov order + 40, %esp /* scratch */
    push %ebx
    push %eax
    call unpack
    mov %eax, %ecx
    pop %eax
    pop %ebx
    test %ecx, %ecx
    jz damaged
    jmp *%ecx

/* Say why on COM1, each byte when the last one has gone (as boot.S does: a port that never sends is
 * not waited for), then leave by QEMU's debug exit, else by a reset. */
damaged:
    mov $damaged_text, %esi
1:
    mov $COM1 + LINE_STATUS, %dx
    mov $0x10000, %ecx
2:
    in %dx, %al
    test $THR_EMPTY, %al
    jnz 3f
    loop 2b
3:
    lodsb
    test %al, %al
    jz 4f
    mov $COM1, %dx
    out %al, %dx
    jmp 1b
4:
    mov $0xf4, %dx
    mov $125, %al
    out %al, %dx
    mov $0xfe, %al
    out %al, $0x64
5:
    hlt
    jmp 5b

damaged_text:
    .asciz "panic: the compressed image is damaged\r\n"

.section .note.GNU-stack, "", @progbits
