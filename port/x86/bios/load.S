/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The ImportOS authors
 *
 * The start of a disk image or disc (tools/importos/disk_boot.py): entered by a PC's BIOS in 16-bit
 * mode at 0x7c00, from a disk with its first sector alone, from a disc (El Torito 1.0, no emulation)
 * whole. Loads the image that follows to where it belongs, and enters its kernel as a Multiboot 1
 * loader does (0.6.96, section 3.2), with the memory map and nothing else. 2,048 bytes; not for
 * UEFI. BIOS calls: INT 13h 42h and 48h of the Enhanced Disk Drive specification 3.0; INT 15h 87h,
 * 2401h, and E820h of ACPI 6.5, section 15.1. */

#define SECTOR 512 /* of a disk */
#define BLOCK 2048 /* of a disc */
#define CHUNK 0x8000 /* bytes loaded at once; some BIOSes take no more */
#define BUFFER_SEGMENT 0x1000
#define PARAMETERS 0x8400 /* of the drive, behind this program; then the Multiboot information */
#define PARAMETERS_SIZE 30
#define INFO 0x8500
#define INFO_SIZE 116
#define MAP 0x8600
#define MAP_END 0xc000
#define MULTIBOOT_LOADER_MAGIC 0x2badb002
#define MULTIBOOT_INFO_MEMORY_MAP 0x40
#define SMAP 0x534d4150
#define COM1 0x3f8
#define LINE_STATUS 5
#define THR_EMPTY 0x20

.section .text
.code16
.globl start
start:
    ljmp $0, $1f
1:
    cli
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov $start, %sp
    sti
    cld
    mov %dl, drive

    /* Of a disk the BIOS has read 512 bytes only. */
    mov $drive_text, %bp
    movw $PARAMETERS_SIZE, PARAMETERS
    mov $PARAMETERS, %si
    mov $0x48, %ah
    int $0x13
    jc fail
    mov PARAMETERS + 24, %ax
    mov %ax, sector_size
    cmp $BLOCK, %ax
    je load
    cmp $SECTOR, %ax
    jne fail
    mov $(BLOCK / SECTOR - 1), %ax
    call read
    jmp load

/* Read AX sectors as (packet) says. */
read:
    mov %ax, packet + 2
    mov $read_text, %bp
    mov $packet, %si
    mov drive, %dl
    mov $0x42, %ah
    int $0x13
    jc fail
    ret

/* Say the text at BP on the screen and on COM1 (each byte when the last one has gone; a port that
 * never sends is not waited for), leave by QEMU's debug exit if it is there, else stop. */
fail:
    mov %bp, %si
1:
    lodsb
    test %al, %al
    jz 4f
    push %ax
    mov $7, %bx
    mov $0x0e, %ah
    int $0x10
    mov $COM1 + LINE_STATUS, %dx
    xor %cx, %cx
2:
    in %dx, %al
    test $THR_EMPTY, %al
    jnz 3f
    loop 2b
3:
    pop %ax
    mov $COM1, %dx
    out %al, %dx
    jmp 1b
4:
    mov $0xf4, %dx
    mov $125, %al
    out %al, %dx
    cli
5:
    hlt
    jmp 5b

drive:
    .byte 0
sector_size:
    .word 0
/* Disk address packet: at first the rest of this program, behind its first sector. */
    .balign 4
packet:
    .byte 16, 0
    .word 0
    .word start + SECTOR, 0
    .quad 1

drive_text:
    .asciz "panic: boot: the BIOS does not tell the drive's sectors\r\n"
read_text:
    .asciz "panic: boot: the drive cannot be read\r\n"

/* The partition table, which disk_boot.py fills in, and what a BIOS looks for. */
    .org 446
    .fill 64, 1, 0
    .word 0xaa55

/* disk_boot.py fills this in: where on the disk the image's file is, its bytes, where it goes, where
 * it is entered. */
    .balign 4
    .ascii "ImportOD"
file_offset:
    .long 0
file_size:
    .long 0
target:
    .long 0
entry:
    .long 0

/* Read the file piece by piece to where 16-bit code can reach, and let the BIOS move each up. */
load:
    movzwl sector_size, %ecx
    mov file_offset, %eax
    xor %edx, %edx
    div %ecx
    mov %eax, packet + 8
    movw $0, packet + 4
    movw $BUFFER_SEGMENT, packet + 6
    mov $CHUNK, %eax
    xor %edx, %edx
    div %ecx
    mov %ax, chunk_sectors
1:
    mov chunk_sectors, %ax
    call read
    mov target, %eax
    mov %ax, move_to + 2
    shr $16, %eax
    mov %al, move_to + 4
    mov %ah, move_to + 7
    mov $move_text, %bp
    mov $move_table, %si
    mov $CHUNK / 2, %cx
    mov $0x87, %ah
    int $0x15
    jc fail
    movzwl chunk_sectors, %eax
    add %eax, packet + 8
    addl $CHUNK, target
    subl $CHUNK, file_size
    ja 1b

    /* The memory map, each entry with its size in front; an entry of the BIOS may be larger. */
    mov $map_text, %bp
    mov $MAP + 4, %di
    xor %ebx, %ebx
2:
    mov $0xe820, %eax
    mov $SMAP, %edx
    mov $20, %ecx
    int $0x15
    jc 3f
    cmp $SMAP, %eax
    jne fail
    movl $20, -4(%di)
    add $24, %di
    test %ebx, %ebx
    jz 3f
    cmp $MAP_END, %di
    jb 2b
3:
    sub $MAP + 4, %di
    jz fail
    movzwl %di, %edx
    xor %ax, %ax
    mov $INFO, %di
    mov $INFO_SIZE / 2, %cx
    rep stosw
    movb $MULTIBOOT_INFO_MEMORY_MAP, INFO
    mov %edx, INFO + 44
    movl $MAP, INFO + 48

    /* The address line 20, by the BIOS and by the port of the PS/2 controller's successor. */
    mov $0x2401, %ax
    int $0x15
    in $0x92, %al
    or $2, %al
    and $0xfe, %al
    out %al, $0x92

    cli
    lgdtl gdt_pointer
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    ljmpl $8, $1f

.code32
1:
    mov $16, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov %ax, %fs
    mov %ax, %gs
    mov $MULTIBOOT_LOADER_MAGIC, %eax
    mov $INFO, %ebx
    jmp *entry

chunk_sectors:
    .word 0

    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff /* code, 4 GiB */
    .quad 0x00cf93000000ffff /* data, 4 GiB */
gdt_pointer:
    .word 23
    .long gdt

/* For INT 15h 87h, which fills in the rest. */
    .balign 8
move_table:
    .quad 0, 0
    .word 0xffff, (BUFFER_SEGMENT << 4) & 0xffff, 0x9300 | (BUFFER_SEGMENT >> 12), 0
move_to:
    .word 0xffff, 0, 0x9300, 0
    .quad 0, 0

move_text:
    .asciz "panic: boot: the image cannot be moved above 1 MiB\r\n"
map_text:
    .asciz "panic: boot: the BIOS gives no memory map\r\n"

    .org BLOCK
.section .note.GNU-stack, "", @progbits
