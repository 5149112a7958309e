// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What the boot loader told us, in one form for every protocol. Filled once by boot_info.c from
// the Multiboot 1 information structure (Multiboot 0.6.96, section 3.3) or the PVH start info
// (Xen docs/misc/pvh.pandoc, public/arch-x86/hvm/start_info.h) before any memory is handed out;
// everything here is a copy, so the loader's own structures may be overwritten afterwards.

#ifndef IMPORTOS_BOOT_INFO_H
#define IMPORTOS_BOOT_INFO_H

#include <stdbool.h>
#include <stdint.h>

#define BOOT_CMDLINE_SIZE 2048
#define BOOT_REGION_MAX 64
#define BOOT_MODULE_MAX 8

struct boot_region {
    uint64_t start; // physical address, bytes
    uint64_t size; // bytes
    bool usable; // true for RAM that nobody else claims
};

struct boot_module {
    uint64_t start;
    uint64_t size;
};

struct boot_info {
    const char *protocol; // "multiboot" or "pvh"
    char cmdline[BOOT_CMDLINE_SIZE]; // without the file name that Multiboot puts in front
    unsigned region_count;
    struct boot_region region[BOOT_REGION_MAX];
    unsigned module_count;
    struct boot_module module[BOOT_MODULE_MAX];
    uint64_t rsdp; // physical address of the ACPI RSDP if the loader knows it, else 0
    uint64_t ebda; // of the extended BIOS data area, 0: none; read before page 0 is made absent
};

extern struct boot_info boot_info;

// Parse what the entry code was given. (magic) is EAX and (info) is EBX at entry; for PVH boot.S
// passes the start info's own magic. Panics if neither protocol's magic is there.
void boot_info_init(uint32_t magic, uintptr_t info);

// Value of the word "key=value" on the command line: writes at most (size) - 1 bytes and a NUL to
// (value) and returns the value's full length, or -1 if the key is absent. The last one wins.
// Words after "--" are the app's and are not looked at. Any context; allocates nothing.
// Double quotes keep blanks together and are dropped.
int boot_option(const char *key, char *value, unsigned size);

// The same in any NUL-terminated text of that form (the payload's options).
int boot_option_in(const char *text, const char *key, char *value, unsigned size);

#endif // IMPORTOS_BOOT_INFO_H
