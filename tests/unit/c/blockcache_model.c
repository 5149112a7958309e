// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The block cache against a model: random reads, writes, syncs and disk errors, with the
// simplest possible cache (an array) beside it. Ends with status 1 and a line at the first
// difference. Arguments: seed, operations.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blockcache.h"

#define DISK_MAX (1u << 20)

static uint8_t disk[DISK_MAX]; // what the disk has
static uint8_t model[DISK_MAX]; // what a reader must see
static uint8_t known[DISK_MAX]; // 0: a write failed, anything may be read
static unsigned fail_rate; // one request in so many fails; 0: none
static uint32_t unit;
static size_t disk_size;

static void die(const char *what, size_t offset) {
    printf("blockcache: %s at %zu\n", what, offset);
    exit(1);
}

// Carry out one request; returns 0, or -EIO every now and then.
static int carry_out(struct block_request *request) {
    size_t place = request->sector * BLOCK_SECTOR;
    int result = fail_rate != 0 && rand() % fail_rate == 0 ? -EIO : 0;
    if (request->count == 0 || request->count > BLOCK_PIECES_MAX || place % unit != 0) {
        die("request that cannot be", place);
    }
    for (unsigned n = 0; n < request->count; n++) {
        struct block_piece *piece = &request->piece[n];
        if (piece->size == 0 || piece->size % unit != 0 || place + piece->size > disk_size) {
            die("piece that cannot be", place);
        }
        if (result == 0 && request->write) {
            memcpy(disk + place, piece->data, piece->size);
        } else if (result == 0) {
            memcpy(piece->data, disk + place, piece->size);
        }
        place += piece->size;
    }
    return result;
}

static int transfer(void *arg, struct block_request *requests, unsigned count) {
    (void)arg;
    int ret = 0;
    if (count > BLOCK_BATCH_MAX) {
        die("batch too large", count);
    }
    for (unsigned i = 0; i < count; i++) {
        requests[i].result = carry_out(&requests[i]);
        ret = ret == 0 ? requests[i].result : ret;
    }
    return ret;
}

static void compare(const uint8_t *data, size_t offset, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (known[offset + i] && data[i] != model[offset + i]) {
            die("wrong byte read", offset + i);
        }
    }
}

static void check_disk(void) {
    for (size_t i = 0; i < disk_size; i++) {
        if (known[i] && disk[i] != model[i]) {
            die("byte lost by a sync", i);
        }
    }
}

static size_t random_size(void) {
    static const size_t kinds[] = { 1, 16, 128, 512, 700, 4096, 10000, 40000, 70000 };
    return 1 + (size_t)rand() % kinds[rand() % (sizeof(kinds) / sizeof(kinds[0]))];
}

static void write_some(struct blockcache *cache, size_t offset, size_t size) {
    static uint8_t data[DISK_MAX];
    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)rand();
    }
    if (blockcache_write(cache, offset, data, size) == 0) {
        memcpy(model + offset, data, size);
        memset(known + offset, 1, size);
    } else {
        memset(known + offset, 0, size); // some of it may have arrived
    }
}

static void choose_range(size_t *offset, size_t *size) {
    *size = random_size();
    *offset = rand() % 4 == 0 ? (size_t)rand() % 65536 / 4096 * 4096 : (size_t)rand();
    *offset %= disk_size;
    if (rand() % 3 == 0) {
        *offset = *offset / 4096 * 4096;
        *size = (*size + 4095) / 4096 * 4096;
    }
    if (*size > disk_size - *offset) {
        *size = disk_size - *offset;
    }
}

static void step(struct blockcache *cache) {
    static uint8_t data[DISK_MAX];
    size_t offset, size;
    choose_range(&offset, &size);
    int what = rand() % 7;
    if (what < 3) {
        write_some(cache, offset, size);
    } else if (what < 6) {
        if (blockcache_read(cache, offset, data, size) == 0) {
            compare(data, offset, size);
        }
    } else if (blockcache_sync(cache) == 0) {
        check_disk();
    }
}

int main(int argc, char **argv) {
    unsigned seed = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
    unsigned steps = argc > 2 ? (unsigned)atoi(argv[2]) : 10000;
    srand(seed);
    unit = 512u << seed % 4;
    disk_size = DISK_MAX - (seed % 3) * 4096 - seed % 2 * unit;
    unsigned pages = BLOCKCACHE_PAGES_MIN + seed * 7 % (BLOCKCACHE_PAGES_MAX - 3);
    static struct blockcache cache;
    cache.transfer = transfer;
    uint8_t *memory = malloc(pages * BLOCKCACHE_PAGE);
    blockcache_init(&cache, memory, pages, disk_size, unit);
    for (unsigned i = 0; i < steps; i++) {
        fail_rate = seed % 5 == 4 && i / 100 % 2 == 1 ? 6 : 0;
        step(&cache);
    }
    fail_rate = 0;
    if (blockcache_sync(&cache) != 0) {
        die("sync fails on a sound disk", 0);
    }
    check_disk();
    uint8_t byte = 0;
    if (blockcache_read(&cache, disk_size, &byte, 1) != -EINVAL ||
        blockcache_write(&cache, UINT64_MAX - 1, &byte, 1) != -EINVAL) {
        die("access past the end is not refused", disk_size);
    }
    free(memory);
    return 0;
}
