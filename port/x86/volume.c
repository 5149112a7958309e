// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Partition tables and file systems, by what the first blocks of a disk say.

#include "volume.h"

#include <stdbool.h>
#include <string.h>

#define SECTOR 512u
#define UNIT_MAX 4096u

// Master boot record and extended boot records.
#define MBR_TABLE 446
#define MBR_ENTRIES 4
#define MBR_ENTRY_SIZE 16
#define MBR_SIGNATURE 510
#define MBR_TYPE_GPT 0xee
#define LOGICAL_MAX 64 // steps along the chain of extended boot records

// GPT header and entries, UEFI 2.8, 5.3.2 and 5.3.3.
#define GPT_HEADER_MIN 92
#define GPT_ENTRY_MIN 128
#define GPT_ENTRY_MAX 4096
#define GPT_ENTRIES_MAX 1024
#define GPT_NAME_CHARS 36

// FAT boot sector (Microsoft FAT specification, section 3.1).
#define FAT_BYTES_PER_SECTOR 11
#define FAT_SECTORS_PER_CLUSTER 13
#define FAT_TYPE_16 54
#define FAT_TYPE_32 82

// littlefs superblock (SPEC.md of littlefs, "Superblock"): offsets in either of the first blocks.
#define LITTLEFS_MAGIC 8
#define LITTLEFS_BLOCK_SIZE 24
#define LITTLEFS_BLOCK_COUNT 28
#define LITTLEFS_BLOCK_MIN 128u
#define LITTLEFS_BLOCK_MAX (1u << 20)

static uint16_t get16(const uint8_t *p) {
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p) {
    return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint64_t get64(const uint8_t *p) {
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static bool is_power_of_two(uint32_t value, uint32_t min, uint32_t max) {
    return value >= min && value <= max && (value & (value - 1)) == 0;
}

static bool is_fat(const uint8_t *sector) {
    return get16(sector + MBR_SIGNATURE) == 0xaa55 &&
           (sector[0] == 0xeb || sector[0] == 0xe9 || sector[0] == 0xe8) &&
           is_power_of_two(get16(sector + FAT_BYTES_PER_SECTOR), 512, 4096) &&
           is_power_of_two(sector[FAT_SECTORS_PER_CLUSTER], 1, 128) &&
           (memcmp(sector + FAT_TYPE_16, "FAT", 3) == 0 ||
               memcmp(sector + FAT_TYPE_32, "FAT", 3) == 0);
}

// --- partitions -----------------------------------------------------------------------------

struct table {
    const struct volume *volume;
    struct volume_partition *partitions;
    unsigned max, count;
};

// Add (blocks) from block (start), unless it does not lie within the disk. NULL: it does not, or
// the table is full.
static struct volume_partition *add(struct table *table, unsigned number, uint64_t start,
    uint64_t blocks) {
    uint64_t total = table->volume->size / table->volume->unit;
    if (start == 0 || blocks == 0 || start >= total || blocks > total - start ||
        table->count == table->max) {
        return NULL;
    }
    struct volume_partition *partition = &table->partitions[table->count++];
    memset(partition, 0, sizeof(*partition));
    partition->number = number;
    partition->start = start * table->volume->unit;
    partition->size = blocks * table->volume->unit;
    return partition;
}

static void add_mbr(struct table *table, unsigned number, uint8_t type, uint64_t start,
    uint64_t blocks) {
    struct volume_partition *partition = type == 0 ? NULL : add(table, number, start, blocks);
    if (partition != NULL) {
        partition->type = type;
    }
}

static bool is_extended(uint8_t type) {
    return type == 0x05 || type == 0x0f || type == 0x85;
}

static bool is_mbr(const uint8_t *sector) {
    if (get16(sector + MBR_SIGNATURE) != 0xaa55) {
        return false;
    }
    for (unsigned i = 0; i < MBR_ENTRIES; i++) {
        if ((sector[MBR_TABLE + i * MBR_ENTRY_SIZE] & 0x7f) != 0) {
            return false; // active or not, nothing else
        }
    }
    return true;
}

// The chain of extended boot records: each has a logical partition, relative to itself, and a
// link, relative to the first.
static int read_logical(struct table *table, uint64_t extended) {
    uint64_t record = extended;
    unsigned number = MBR_ENTRIES + 1;
    for (unsigned step = 0; step < LOGICAL_MAX; step++) {
        uint8_t sector[SECTOR];
        uint64_t total = table->volume->size / table->volume->unit;
        if (record >= total) {
            return 0;
        }
        int ret = table->volume->read(table->volume->arg, record * table->volume->unit, sector,
            sizeof(sector));
        if (ret < 0 || !is_mbr(sector)) {
            return ret;
        }
        const uint8_t *entry = sector + MBR_TABLE;
        const uint8_t *link = entry + MBR_ENTRY_SIZE;
        if (entry[4] != 0) {
            add_mbr(table, number++, entry[4], record + get32(entry + 8), get32(entry + 12));
        }
        if (!is_extended(link[4]) || get32(link + 8) == 0) {
            return 0;
        }
        record = extended + get32(link + 8);
    }
    return 0;
}

static int read_mbr(struct table *table, const uint8_t *sector) {
    int ret = 0;
    uint32_t extended = 0;
    for (unsigned i = 0; i < MBR_ENTRIES; i++) {
        const uint8_t *entry = sector + MBR_TABLE + i * MBR_ENTRY_SIZE;
        if (is_extended(entry[4])) {
            extended = extended == 0 ? get32(entry + 8) : extended;
        } else {
            add_mbr(table, i + 1, entry[4], get32(entry + 8), get32(entry + 12));
        }
    }
    if (extended != 0) {
        ret = read_logical(table, extended);
    }
    return ret;
}

static uint32_t crc32(uint32_t crc, const uint8_t *data, size_t size) {
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
        }
    }
    return ~crc;
}

// UTF-16 to UTF-8; what is not a character of the basic plane becomes a question mark.
static void copy_name(char *name, const uint8_t *utf16) {
    for (unsigned i = 0; i < GPT_NAME_CHARS; i++) {
        unsigned c = get16(utf16 + 2 * i);
        if (c == 0) {
            break;
        }
        if (c >= 0xd800 && c < 0xe000) {
            c = '?';
        }
        if (c < 0x80) {
            *name++ = (char)c;
        } else if (c < 0x800) {
            *name++ = (char)(0xc0 | c >> 6);
            *name++ = (char)(0x80 | (c & 0x3f));
        } else {
            *name++ = (char)(0xe0 | c >> 12);
            *name++ = (char)(0x80 | (c >> 6 & 0x3f));
            *name++ = (char)(0x80 | (c & 0x3f));
        }
    }
    *name = 0;
}

static void add_gpt(struct table *table, unsigned number, const uint8_t *entry) {
    static const uint8_t unused[16];
    uint64_t first = get64(entry + 32), last = get64(entry + 40);
    if (memcmp(entry, unused, sizeof(unused)) == 0 || last < first) {
        return;
    }
    struct volume_partition *partition = add(table, number, first, last - first + 1);
    if (partition != NULL) {
        memcpy(partition->guid, entry, sizeof(partition->guid));
        copy_name(partition->name, entry + 56);
    }
}

struct gpt {
    uint64_t entries; // offset on the disk, bytes
    uint32_t count, size, crc;
};

// True if block (lba) holds a header that is whole.
static bool read_gpt_header(const struct volume *volume, uint64_t lba, struct gpt *gpt) {
    uint8_t header[SECTOR];
    if (volume->read(volume->arg, lba * volume->unit, header, sizeof(header)) < 0 ||
        memcmp(header, "EFI PART", 8) != 0) {
        return false;
    }
    uint32_t size = get32(header + 12), crc = get32(header + 16);
    memset(header + 16, 0, 4);
    if (size < GPT_HEADER_MIN || size > sizeof(header) || crc32(0, header, size) != crc ||
        get64(header + 24) != lba) {
        return false;
    }
    uint64_t total = volume->size / volume->unit;
    *gpt = (struct gpt) {
        .count = get32(header + 80), .size = get32(header + 84), .crc = get32(header + 88),
    };
    if (get64(header + 72) >= total || gpt->count > GPT_ENTRIES_MAX ||
        !is_power_of_two(gpt->size, GPT_ENTRY_MIN, GPT_ENTRY_MAX)) {
        return false;
    }
    gpt->entries = get64(header + 72) * volume->unit;
    return volume->size - gpt->entries >= (uint64_t)gpt->count * gpt->size;
}

// Entry by entry: the sum over all of them, and those that fit into the table.
static bool read_gpt(struct table *table, uint64_t lba) {
    struct gpt gpt;
    if (!read_gpt_header(table->volume, lba, &gpt)) {
        return false;
    }
    uint32_t crc = 0;
    table->count = 0;
    for (unsigned i = 0; i < gpt.count; i++) {
        for (uint32_t done = 0; done < gpt.size; done += GPT_ENTRY_MIN) {
            uint8_t part[GPT_ENTRY_MIN];
            if (table->volume->read(table->volume->arg,
                gpt.entries + (uint64_t)i * gpt.size + done, part, sizeof(part)) < 0) {
                return false;
            }
            crc = crc32(crc, part, sizeof(part));
            if (done == 0) {
                add_gpt(table, i + 1, part);
            }
        }
    }
    return crc == gpt.crc;
}

int volume_partitions(const struct volume *volume, struct volume_partition *partitions,
    unsigned max) {
    uint8_t sector[SECTOR];
    struct table table = { .volume = volume, .partitions = partitions, .max = max };
    if (volume->size < 2 * UNIT_MAX) {
        return 0;
    }
    int ret = volume->read(volume->arg, 0, sector, sizeof(sector));
    if (ret < 0 || !is_mbr(sector) || is_fat(sector)) {
        return ret;
    }
    for (unsigned i = 0; i < MBR_ENTRIES; i++) {
        if (sector[MBR_TABLE + i * MBR_ENTRY_SIZE + 4] == MBR_TYPE_GPT) {
            bool whole = read_gpt(&table, 1) ||
                read_gpt(&table, volume->size / volume->unit - 1); // the copy at the end
            return whole ? (int)table.count : 0;
        }
    }
    ret = read_mbr(&table, sector);
    return ret < 0 ? ret : (int)table.count;
}

// --- file systems ---------------------------------------------------------------------------

// Look for a superblock at (offset). Returns 0 if there is one, 1 if not, or an error.
static int read_littlefs(const struct volume *volume, uint64_t offset,
    struct volume_format *format) {
    uint8_t block[LITTLEFS_BLOCK_COUNT + 4];
    int ret = volume->read(volume->arg, offset, block, sizeof(block));
    if (ret < 0) {
        return ret;
    }
    uint32_t block_size = get32(block + LITTLEFS_BLOCK_SIZE);
    if (memcmp(block + LITTLEFS_MAGIC, "littlefs", 8) != 0 ||
        !is_power_of_two(block_size, LITTLEFS_BLOCK_MIN, LITTLEFS_BLOCK_MAX)) {
        return 1;
    }
    *format = (struct volume_format) { VOLUME_LITTLEFS, block_size,
                                       get32(block + LITTLEFS_BLOCK_COUNT) };
    return 0;
}

int volume_detect(const struct volume *volume, struct volume_format *format) {
    uint8_t sector[SECTOR];
    *format = (struct volume_format) { VOLUME_UNKNOWN, 0, 0 };
    if (volume->size < 2 * SECTOR) {
        return 0;
    }
    int ret = volume->read(volume->arg, 0, sector, sizeof(sector));
    if (ret < 0) {
        return ret;
    }
    if (is_fat(sector)) {
        *format = (struct volume_format) { VOLUME_FAT, get16(sector + FAT_BYTES_PER_SECTOR), 0 };
        return 0;
    }
    // The superblock is in both of the first blocks, but one may be half written; the second one's
    // place depends on the size that it tells.
    ret = read_littlefs(volume, 0, format);
    for (uint32_t size = LITTLEFS_BLOCK_MIN; ret == 1 && size <= LITTLEFS_BLOCK_MAX &&
         2ull * size <= volume->size; size *= 2) {
        ret = read_littlefs(volume, size, format);
        if (ret == 0 && format->block_size != size) {
            *format = (struct volume_format) { VOLUME_UNKNOWN, 0, 0 };
            ret = 1;
        }
    }
    return ret < 0 ? ret : 0;
}
