// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Virtio block devices (virtio 1.1, section 5.2): whole requests in, answers out, synchronously.
// No cache and no partitions: those are blockcache.h and partition.h.
//
// Context: the main thread. While a request is under way the CPU halts and interrupt handlers run,
// but nothing of Python does, so a file system above is never entered twice. Where interrupts are
// off, the answer is polled for.
// Errors: -EIO the disk says so, or breaks the rules; -EROFS, -EINVAL the request cannot be;
// -ETIMEDOUT no answer within VIRTIO_BLK_LIMIT_NS: the disk was reset and may be asked again;
// -ENODEV it failed for good. -EDEADLK: called in an interrupt handler.

#ifndef IMPORTOS_VIRTIO_BLK_H
#define IMPORTOS_VIRTIO_BLK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "block.h"

#define VIRTIO_BLK_MAX 8 // disks
#define VIRTIO_BLK_RESET_MAX 3
#define VIRTIO_BLK_LIMIT_NS 30000000000ull
#define VIRTIO_BLK_SERIAL_SIZE 20 // bytes

struct virtio_blk;

struct virtio_blk_info {
    uint64_t sectors; // capacity in units of BLOCK_SECTOR
    uint32_t block_size; // bytes: what reads and writes are multiples of; 512 to 4096
    bool read_only;
    bool can_flush; // false: the disk has no cache, what is written is kept
    bool can_discard;
};

struct virtio_blk_stats {
    uint64_t reads, writes, flushes, discards; // requests
    uint64_t read_bytes, write_bytes;
    uint64_t errors; // requests that failed
    uint64_t interrupts;
    uint64_t resets;
};

// The (n)th disk, in the order of the bus; NULL if there is none. Looks for them on first call.
struct virtio_blk *virtio_blk_get(unsigned n);

// Bytes of page-aligned memory, below 4 GiB or not, that virtio_blk_start() needs.
size_t virtio_blk_memory_size(void);

// Reset and negotiate, and begin to work with (memory) as the disk's for ever.
// -ENOTSUP: a legacy device, or blocks of a size that is not supported; -EIO: see the log.
int virtio_blk_start(struct virtio_blk *blk, void *memory);

// What the disk is. The capacity follows a change made by the host.
void virtio_blk_info(struct virtio_blk *blk, struct virtio_blk_info *info);

// The name that the host gave it, "" if none: VIRTIO_BLK_SERIAL_SIZE bytes and a NUL.
int virtio_blk_serial(struct virtio_blk *blk, char *serial);

// Carry out (count) requests, at most BLOCK_BATCH_MAX, in any order. Returns 0 if all went well,
// or the first error; each request has its own in (result).
int virtio_blk_transfer(struct virtio_blk *blk, struct block_request *requests, unsigned count);

// Everything that was written before is kept when this returns 0, power cut or not.
int virtio_blk_flush(struct virtio_blk *blk);

// The contents of these sectors do not matter any more. -ENOTSUP: the disk does not know that.
int virtio_blk_discard(struct virtio_blk *blk, uint64_t sector, uint64_t count);

const struct virtio_blk_stats *virtio_blk_stats(const struct virtio_blk *blk);

#endif // IMPORTOS_VIRTIO_BLK_H
