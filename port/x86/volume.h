// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What is on a disk: its partitions (MBR with logical ones, GPT: UEFI 2.8, chapter 5) and the kind
// of file system. Reads only, trusts nothing it reads, and every walk is bounded.

#ifndef IMPORTOS_VOLUME_H
#define IMPORTOS_VOLUME_H

#include <stddef.h>
#include <stdint.h>

#define VOLUME_PARTITION_MAX 32
#define VOLUME_NAME_SIZE 112 // bytes of UTF-8: 36 characters and a NUL

// A disk or a part of it, as bytes. read() returns 0 or a negative error.
struct volume {
    int (*read)(void *arg, uint64_t offset, void *data, size_t size);
    void *arg;
    uint64_t size; // bytes
    uint32_t unit; // bytes of a block of the disk, in which partition tables count; 512 to 4096
};

struct volume_partition {
    unsigned number; // as Linux counts: 1 to 4 primary, from 5 logical; GPT: the entry, from 1
    uint64_t start, size; // bytes, within the disk
    uint8_t type; // of the MBR; 0: GPT
    uint8_t guid[16]; // type, in the order of the disk; GPT
    char name[VOLUME_NAME_SIZE]; // GPT
};

enum volume_kind { VOLUME_UNKNOWN, VOLUME_LITTLEFS, VOLUME_FAT };

struct volume_format {
    enum volume_kind kind;
    uint32_t block_size; // bytes, as the file system has it; 0: unknown
    uint64_t block_count; // littlefs; 0: unknown
};

// Fill (partitions), at most (max), in the order of their numbers. Returns how many; 0: there is
// no table, or a damaged one; or a negative error of read().
int volume_partitions(const struct volume *volume, struct volume_partition *partitions,
    unsigned max);

// Look what the volume starts with. Returns 0, or a negative error of read().
int volume_detect(const struct volume *volume, struct volume_format *format);

#endif // IMPORTOS_VOLUME_H
