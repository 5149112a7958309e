/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The ImportOS authors
 *
 * Entering: from a Multiboot 1 loader (Multiboot 0.6.96) or a PVH one (Xen docs/misc/pvh.pandoc) in
 * 32-bit protected mode without paging, to kmain(magic, info) in long mode. Nothing else. */

#define MULTIBOOT_MAGIC 0x1badb002
#define MULTIBOOT_FLAGS 0x00010003 /* page-align modules, memory map, address fields */
#define PVH_MAGIC 0x336ec578
#define XEN_ELFNOTE_PHYS32_ENTRY 18

#define CR0_LONG_MODE 0x80010033 /* PG, WP, NE, ET, MP, PE: EM and TS clear, for SSE */
#define CR4_LONG_MODE 0x620 /* PAE, OSFXSR, OSXMMEXCPT */
#define MSR_EFER 0xc0000080
#define EFER_LME_BIT 8
#define EFER_NXE_BIT 11
#define CPUID_NX_BIT 20
#define CPUID_LM_BIT 29
#define EFLAGS_ID_BIT 21

#define COM1 0x3f8
#define LINE_STATUS 5
#define THR_EMPTY 0x20

/* The address fields tell the loader to take the whole file from here on as one piece: an ELF64 with
 * a Multiboot header is refused without them. load_end 0: up to the end of the file, so that the
 * payload comes along. bss_end 0: zeroing is ours. */
.section .multiboot, "a"
    .balign 4
multiboot_header:
    .long MULTIBOOT_MAGIC
    .long MULTIBOOT_FLAGS
    .long -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)
    .long multiboot_header /* header_addr */
    .long multiboot_header /* load_addr */
    .long 0 /* load_end_addr */
    .long 0 /* bss_end_addr */
    .long multiboot_entry

.section .note.Xen, "a", @note
    .balign 4
    .long 4, 8, XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .quad pvh_entry

.section .boot, "ax"
.code32

/* State: 32-bit protected mode, flat segments, no paging, interrupts off, EBX = struct
 * hvm_start_info. EAX is anything. */
.globl pvh_entry
pvh_entry:
    mov $PVH_MAGIC, %eax

/* State: the same, EAX = 0x2badb002, EBX = Multiboot information. */
.globl multiboot_entry
multiboot_entry:
    cli
    cld
    mov %eax, %ebp

    /* Zero .bss. The stacks behind it need no zeroing. */
    mov $bss_start, %edi
    mov $bss_end, %ecx
    sub %edi, %ecx
    shr $2, %ecx
    xor %eax, %eax
    rep stosl
    mov $main_stack_top, %esp

    /* CPUID is there if EFLAGS.ID can be changed; then ask it for long mode. */
    pushfl
    pop %eax
    mov %eax, %ecx
    btc $EFLAGS_ID_BIT, %eax
    push %eax
    popfl
    pushfl
    pop %eax
    cmp %ecx, %eax
    je no_long_mode
    mov %ebx, %esi
    mov $0x80000000, %eax
    cpuid
    cmp $0x80000001, %eax
    jb no_long_mode
    mov $0x80000001, %eax
    cpuid
    mov %esi, %ebx
    bt $CPUID_LM_BIT, %edx
    jnc no_long_mode
    mov %edx, %esi

    /* The first page tables: the first GiB, identity mapped in 2 MiB pages, writable and
     * executable. memory_init() replaces them. */
    movl $boot_pdpt + 3, boot_pml4
    movl $boot_pd + 3, boot_pdpt
    mov $boot_pd, %edi
    mov $0x83, %eax
1:
    mov %eax, (%edi)
    add $8, %edi
    add $0x200000, %eax
    cmp $0x40000083, %eax
    jne 1b

    /* Into long mode: PAE and page tables first, then EFER.LME, then paging. */
    mov $CR4_LONG_MODE, %eax
    mov %eax, %cr4
    mov $boot_pml4, %eax
    mov %eax, %cr3
    mov $MSR_EFER, %ecx
    rdmsr
    bts $EFER_LME_BIT, %eax
    bt $CPUID_NX_BIT, %esi
    jnc 1f
    bts $EFER_NXE_BIT, %eax
1:
    wrmsr
    mov $CR0_LONG_MODE, %eax
    mov %eax, %cr0
    lgdt boot_gdt_pointer
    ljmp $0x08, $long_mode

/* State: 32-bit, nobody to return to. Say why on COM1, then leave by every way there is. */
no_long_mode:
    mov $no_long_mode_text, %esi
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

no_long_mode_text:
    .asciz "panic: this CPU has no long mode; ImportOS needs an x86-64 (qemu-system-x86_64)\r\n"

    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9a000000ffff /* 0x08: 64-bit code */
    .quad 0x00cf92000000ffff /* 0x10: data */
boot_gdt_pointer:
    .word . - boot_gdt - 1
    .long boot_gdt

.code64
/* State: 64-bit mode, first GiB mapped, EBP = magic, EBX = boot information, interrupts off.
 * Call kmain(uint32_t magic, uintptr_t info); it never returns. */
long_mode:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    fninit
    mov $main_stack_top, %esp
    mov %ebp, %edi
    mov %ebx, %esi
    xor %ebp, %ebp
    call kmain
    ud2

.section .bss
    .balign 4096
boot_pml4:
    .skip 4096
boot_pdpt:
    .skip 4096
boot_pd:
    .skip 4096

/* One absent page below each stack (memory.c): running off its end faults instead of overwriting. */
.macro STACK name, size
    .balign 4096
.globl \name\()_stack_guard, \name\()_stack_bottom, \name\()_stack_top
\name\()_stack_guard:
    .skip 4096
\name\()_stack_bottom:
    .skip \size
\name\()_stack_top:
.endm

.section .stacks, "aw", @nobits
    STACK main, 128*1024
    STACK irq, 32*1024
    STACK fault, 16*1024
    STACK double_fault, 8*1024
    STACK nmi, 8*1024

.section .note.GNU-stack, "", @progbits
