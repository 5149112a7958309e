// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The system UUID out of the SMBIOS tables (DMTF DSP0134, sections 5.2.1, 6.1 and 7.2).

#include <string.h>

#include "memory.h"
#include "smbios.h"

#define ENTRY_AREA_START 0xf0000u
#define ENTRY_AREA_END 0x100000u
#define TYPE_SYSTEM 1
#define TYPE_END 127
#define UUID_OFFSET 8

static bool checksum_ok(const uint8_t *bytes, size_t size) {
    uint8_t sum = 0;
    for (size_t i = 0; i < size; i++) {
        sum += bytes[i];
    }
    return sum == 0;
}

// The structure table of the 32-bit entry point; NULL if the machine has none.
static const uint8_t *find_table(size_t *size) {
    uintptr_t area = memory_map_device(ENTRY_AREA_START, ENTRY_AREA_END - ENTRY_AREA_START);
    for (uintptr_t at = area; area != 0 && at < area + (ENTRY_AREA_END - ENTRY_AREA_START) - 32;
         at += 16) {
        const uint8_t *entry = (const uint8_t *)at;
        if (memcmp(entry, "_SM_", 4) == 0 && entry[5] <= 32 && checksum_ok(entry, entry[5])) {
            uint16_t length;
            uint32_t address;
            memcpy(&length, entry + 0x16, sizeof(length));
            memcpy(&address, entry + 0x18, sizeof(address));
            *size = length;
            return (const uint8_t *)memory_map_device(address, length);
        }
    }
    return NULL;
}

bool smbios_uuid(uint8_t uuid[SMBIOS_UUID_SIZE]) {
    size_t size;
    const uint8_t *table = find_table(&size);
    size_t at = 0;
    while (table != NULL && at + 4 <= size && table[at] != TYPE_END && table[at + 1] >= 4) {
        size_t length = table[at + 1];
        if (table[at] == TYPE_SYSTEM && length >= UUID_OFFSET + SMBIOS_UUID_SIZE
            && at + length <= size) {
            static const uint8_t none[SMBIOS_UUID_SIZE];
            memcpy(uuid, table + at + UUID_OFFSET, SMBIOS_UUID_SIZE);
            return memcmp(uuid, none, SMBIOS_UUID_SIZE) != 0;
        }
        // Strings follow the formatted part; two zero bytes end them.
        at += length;
        while (at + 2 <= size && (table[at] != 0 || table[at + 1] != 0)) {
            at++;
        }
        at += 2;
    }
    return false;
}
