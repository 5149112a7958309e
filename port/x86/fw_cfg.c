// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// QEMU's firmware configuration device: a directory of named items, read by DMA.

#include "fw_cfg.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "cpu.h"
#include "log.h"

#define PORT_SELECTOR 0x510
#define PORT_DATA 0x511
#define PORT_DMA_HIGH 0x514 // big-endian, as all that follows
#define PORT_DMA_LOW 0x518 // starts the transfer
#define KEY_SIGNATURE 0
#define KEY_FEATURES 1
#define KEY_DIRECTORY 0x19
#define FEATURE_DMA 2
#define DMA_ERROR 1
#define DMA_READ 2
#define DMA_SELECT 8
#define DMA_POLLS 1000000
#define NAME_SIZE 56
#define DIRECTORY_MAX 1024 // items
#define DIRECTORY_PART 16 // items read at once

struct dma {
    uint32_t control;
    uint32_t size;
    uint64_t address;
};
_Static_assert(sizeof(struct dma) == 16, "docs/specs/fw_cfg.rst, DMA interface");

struct file {
    uint32_t size;
    uint16_t key;
    uint16_t reserved;
    char name[NAME_SIZE]; // with a NUL
};
_Static_assert(sizeof(struct file) == 64, "docs/specs/fw_cfg.rst, file directory");

static struct {
    uint32_t size;
    uint16_t key;
    char name[NAME_SIZE - sizeof(FW_CFG_PREFIX) + 1];
} items[FW_CFG_ITEM_MAX];
static unsigned item_count;

// Read (size) bytes of what is selected, from where the last read ended. (select): 0, or what
// select() makes of a key.
static bool read(uint32_t select, void *data, uint32_t size) {
    volatile struct dma dma = {
        .control = __builtin_bswap32(DMA_READ | select), .size = __builtin_bswap32(size),
        .address = __builtin_bswap64((uintptr_t)data),
    };
    uint64_t address = (uintptr_t)&dma;
    // The structure must be in memory before the write that starts the transfer.
    barrier();
    outl(PORT_DMA_HIGH, __builtin_bswap32((uint32_t)(address >> 32)));
    outl(PORT_DMA_LOW, __builtin_bswap32((uint32_t)address));
    for (unsigned i = 0; i < DMA_POLLS; i++) {
        uint32_t control = __builtin_bswap32(dma.control);
        // The data is read after the word that says it is there.
        barrier();
        if (control == 0 || (control & DMA_ERROR)) {
            return control == 0;
        }
    }
    return false;
}

static uint32_t select(uint16_t key) {
    return DMA_SELECT | (uint32_t)key << 16;
}

static bool is_there(void) {
    static const char signature[] = "QEMU";
    outw(PORT_SELECTOR, KEY_SIGNATURE);
    for (unsigned i = 0; i < 4; i++) {
        if (inb(PORT_DATA) != (uint8_t)signature[i]) {
            return false;
        }
    }
    outw(PORT_SELECTOR, KEY_FEATURES);
    return inb(PORT_DATA) & FEATURE_DMA;
}

static void add_item(const struct file *file) {
    size_t prefix = sizeof(FW_CFG_PREFIX) - 1;
    if (memcmp(file->name, FW_CFG_PREFIX, prefix) != 0 || file->name[NAME_SIZE - 1] != 0) {
        return;
    }
    if (item_count == FW_CFG_ITEM_MAX) {
        kprintf("fw_cfg: %s is left out, %u are the limit\n", file->name, FW_CFG_ITEM_MAX);
        return;
    }
    items[item_count].size = __builtin_bswap32(file->size);
    items[item_count].key = __builtin_bswap16(file->key);
    memcpy(items[item_count++].name, file->name + prefix, NAME_SIZE - prefix);
}

void fw_cfg_init(void) {
    uint32_t count;
    if (!is_there() || !read(select(KEY_DIRECTORY), &count, sizeof(count))) {
        return;
    }
    count = __builtin_bswap32(count);
    struct file part[DIRECTORY_PART];
    for (uint32_t done = 0; done < count && done < DIRECTORY_MAX; done += DIRECTORY_PART) {
        uint32_t n = count - done < DIRECTORY_PART ? count - done : DIRECTORY_PART;
        if (!read(0, part, n * (uint32_t)sizeof(part[0]))) {
            return;
        }
        for (uint32_t i = 0; i < n; i++) {
            add_item(&part[i]);
        }
    }
}

int fw_cfg_get(const char *key, void *value, size_t size) {
    for (unsigned i = 0; i < item_count; i++) {
        if (strcmp(items[i].name, key) == 0 && items[i].size <= INT_MAX) {
            size = size < items[i].size ? size : items[i].size;
            return size > 0 && !read(select(items[i].key), value, (uint32_t)size) ? -1
                : (int)items[i].size;
        }
    }
    return -1;
}
