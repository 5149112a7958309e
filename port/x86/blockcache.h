// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// A small write-back cache between file systems, which read and write a few bytes at any offset,
// and a disk, which wants whole blocks and likes long requests. Small writes to one place become
// one request, sequential reads fetch ahead, long transfers go past the cache.
//
// What is written is on the disk after blockcache_sync() and the disk's own flush, not before; the
// order between two such points is not kept. A page that could not be written stays dirty and is
// tried again, so a sync never succeeds over lost data.
//
// No hardware in here and no allocation: the owner brings memory and a function for transfers.
// Offsets and sizes are in bytes. Main thread.

#ifndef IMPORTOS_BLOCKCACHE_H
#define IMPORTOS_BLOCKCACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "block.h"

#define BLOCKCACHE_PAGE 4096u
#define BLOCKCACHE_PAGES_MIN 4
#define BLOCKCACHE_PAGES_MAX 128

#define BLOCKCACHE_BUCKETS 256

// One page of the disk. Bit (n) of the masks is the page's sector (n). The links are indices.
struct blockcache_page {
    uint64_t number; // offset on the disk / BLOCKCACHE_PAGE
    uint8_t valid, dirty; // dirty sectors are valid
    uint8_t newer, older; // in the order of their use
    uint8_t next; // in the bucket
};

struct blockcache {
    // Carry out requests, see virtio_blk_transfer().
    int (*transfer)(void *disk, struct block_request *requests, unsigned count);
    void *disk;
    uint8_t *memory; // page_count times BLOCKCACHE_PAGE
    unsigned page_count;
    uint64_t size; // of the disk
    uint32_t unit; // the disk's block, 512 to BLOCKCACHE_PAGE
    struct blockcache_page page[BLOCKCACHE_PAGES_MAX + 1]; // the last is the ring's head
    uint8_t bucket[BLOCKCACHE_BUCKETS]; // first page of each
    struct block_request batch[BLOCK_BATCH_MAX];
};

// An empty cache of (page_count) pages in (memory), for a disk of (size) bytes and blocks of
// (unit).
void blockcache_init(struct blockcache *cache, void *memory, unsigned page_count, uint64_t size,
    uint32_t unit);

// -EINVAL: past the end of the disk. Else the disk's errors.
int blockcache_read(struct blockcache *cache, uint64_t offset, void *data, size_t size);
int blockcache_write(struct blockcache *cache, uint64_t offset, const void *data, size_t size);

// Hand everything dirty to the disk. Returns 0, or the first error; the rest is tried all the
// same.
int blockcache_sync(struct blockcache *cache);

// Forget what is clean, and with (dirty) what is not, in these bytes.
void blockcache_drop(struct blockcache *cache, uint64_t offset, uint64_t size, bool dirty);

#endif // IMPORTOS_BLOCKCACHE_H
