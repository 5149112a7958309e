// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Reads what the loader left behind: Multiboot 1 information (Multiboot 0.6.96, section 3.3) or
// PVH start info (Xen public/arch-x86/hvm/start_info.h). Copies; carving memory up is memory.c's.

#include "boot_info.h"

#include <stddef.h>

#include "panic.h"

#define MULTIBOOT_BOOTLOADER_MAGIC 0x2badb002u
#define PVH_MAGIC 0x336ec578u

#define MULTIBOOT_INFO_MEMORY (1u << 0)
#define MULTIBOOT_INFO_CMDLINE (1u << 2)
#define MULTIBOOT_INFO_MODULES (1u << 3)
#define MULTIBOOT_INFO_MEMORY_MAP (1u << 6)

#define MEMORY_TYPE_RAM 1

struct multiboot_info {
    uint32_t flags;
    uint32_t mem_lower, mem_upper; // KiB
    uint32_t boot_device;
    uint32_t cmdline;
    uint32_t mods_count, mods_addr;
    uint32_t syms[4];
    uint32_t mmap_length, mmap_addr;
};

struct multiboot_module {
    uint32_t start, end, string, reserved;
};

struct __attribute__((packed)) multiboot_memory {
    uint32_t size; // of what follows
    uint64_t start, length;
    uint32_t type;
};

struct pvh_start_info {
    uint32_t magic, version, flags, module_count;
    uint64_t modules, cmdline, rsdp;
    uint64_t memory_map; // from version 1 on
    uint32_t memory_map_count, reserved;
};
_Static_assert(sizeof(struct pvh_start_info) == 56, "start_info.h");

struct pvh_module {
    uint64_t start, size, cmdline, reserved;
};

struct pvh_memory {
    uint64_t start, size;
    uint32_t type, reserved;
};

// In the BIOS data area, placed by kernel.ld: the compiler takes an address this low for a null
// pointer.
extern const uint16_t bios_ebda_segment;

struct boot_info boot_info;

static void add_region(uint64_t start, uint64_t size, uint32_t type) {
    if (size == 0 || type == 0 || boot_info.region_count == BOOT_REGION_MAX) {
        return;
    }
    struct boot_region *region = &boot_info.region[boot_info.region_count++];
    region->start = start;
    region->size = size;
    region->usable = type == MEMORY_TYPE_RAM;
}

static void add_module(uint64_t start, uint64_t size) {
    if (size != 0 && boot_info.module_count < BOOT_MODULE_MAX) {
        boot_info.module[boot_info.module_count++] = (struct boot_module) { start, size };
    }
}

static void copy_cmdline(const char *text) {
    unsigned i = 0;
    while (i < BOOT_CMDLINE_SIZE - 1 && text[i] != 0) {
        boot_info.cmdline[i] = text[i];
        i++;
    }
    boot_info.cmdline[i] = 0;
}

// QEMU and GRUB 1 put the name of the kernel's file in front, GRUB 2 does not: the first word is
// left out unless it is an option, "key=value" or "--".
static const char *skip_file_name(const char *text) {
    const char *end = text;
    bool option = false;
    while (*end != 0 && *end != ' ') {
        option = option || *end == '=';
        end++;
    }
    if (option || (end - text == 2 && text[0] == '-' && text[1] == '-')) {
        return text;
    }
    while (*end == ' ') {
        end++;
    }
    return end;
}

static void read_multiboot(const struct multiboot_info *info) {
    boot_info.protocol = "multiboot";
    if (info->flags & MULTIBOOT_INFO_CMDLINE) {
        copy_cmdline(skip_file_name((const char *)(uintptr_t)info->cmdline));
    }
    if (info->flags & MULTIBOOT_INFO_MODULES) {
        const struct multiboot_module *module = (const void *)(uintptr_t)info->mods_addr;
        for (uint32_t i = 0; i < info->mods_count; i++) {
            add_module(module[i].start, module[i].end - module[i].start);
        }
    }
    if (info->flags & MULTIBOOT_INFO_MEMORY_MAP) {
        uintptr_t at = info->mmap_addr, end = at + info->mmap_length;
        while (at + sizeof(struct multiboot_memory) <= end) {
            const struct multiboot_memory *entry = (const void *)at;
            add_region(entry->start, entry->length, entry->type);
            at += entry->size + sizeof(entry->size);
        }
    } else if (info->flags & MULTIBOOT_INFO_MEMORY) {
        add_region(0, info->mem_lower * 1024ull, MEMORY_TYPE_RAM);
        add_region(1 << 20, info->mem_upper * 1024ull, MEMORY_TYPE_RAM);
    }
}

static void read_pvh(const struct pvh_start_info *info) {
    boot_info.protocol = "pvh";
    boot_info.rsdp = info->rsdp;
    if (info->cmdline != 0) {
        copy_cmdline((const char *)(uintptr_t)info->cmdline);
    }
    const struct pvh_module *module = (const void *)(uintptr_t)info->modules;
    for (uint32_t i = 0; i < info->module_count; i++) {
        add_module(module[i].start, module[i].size);
    }
    if (info->version >= 1) {
        const struct pvh_memory *entry = (const void *)(uintptr_t)info->memory_map;
        for (uint32_t i = 0; i < info->memory_map_count; i++) {
            add_region(entry[i].start, entry[i].size, entry[i].type);
        }
    }
}

void boot_info_init(uint32_t magic, uintptr_t info) {
    boot_info.ebda = (uint64_t)bios_ebda_segment << 4;
    if (magic == MULTIBOOT_BOOTLOADER_MAGIC) {
        read_multiboot((const struct multiboot_info *)info);
    } else if (magic == PVH_MAGIC && *(const uint32_t *)info == PVH_MAGIC) {
        read_pvh((const struct pvh_start_info *)info);
    } else {
        panic("boot: neither Multiboot nor PVH: magic 0x%x", magic);
    }
}

// Length of the word at (text), up to a blank outside double quotes.
static unsigned word_length(const char *text) {
    unsigned i = 0;
    bool quoted = false;
    while (text[i] != 0 && (quoted || text[i] != ' ')) {
        quoted ^= text[i] == '"';
        i++;
    }
    return i;
}

// If the word of (length) bytes at (word) is (key)=..., the offset of its value, else 0. A quote
// may be in front of the key, "key=two words", or of the value.
static unsigned value_offset(const char *word, unsigned length, const char *key) {
    unsigned i = *word == '"';
    while (i < length && *key != 0 && word[i] == *key) {
        i++;
        key++;
    }
    return i < length && *key == 0 && word[i] == '=' ? i + 1 : 0;
}

int boot_option_in(const char *text, const char *key, char *value, unsigned size) {
    int found = -1;
    while (*text != 0) {
        while (*text == ' ') {
            text++;
        }
        unsigned length = word_length(text);
        if (length == 2 && text[0] == '-' && text[1] == '-') {
            break;
        }
        unsigned offset = value_offset(text, length, key);
        if (offset != 0) {
            unsigned written = 0;
            found = 0;
            for (unsigned i = offset; i < length; i++) {
                if (text[i] == '"') {
                    continue;
                }
                if (written + 1 < size) {
                    value[written++] = text[i];
                }
                found++;
            }
            if (size != 0) {
                value[written] = 0;
            }
        }
        text += length;
    }
    return found;
}

int boot_option(const char *key, char *value, unsigned size) {
    return boot_option_in(boot_info.cmdline, key, value, size);
}
