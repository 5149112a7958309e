// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The machine's disks: virtio_blk.h below, blockcache.h on top.

#include "drive.h"

#include <errno.h>

#include "blockcache.h"
#include "heap.h"
#include "memory.h"

// Of the RAM the caches take at most a 64th each, whole pages.
#define CACHE_PART 64

struct drive {
    struct virtio_blk *blk;
    struct blockcache cache;
    struct virtio_blk_info info;
    uint8_t *pages; // cache pages, then the driver's memory
    unsigned page_count;
    bool tried, started;
    bool unflushed; // the host has been written to since the last flush
};

static struct drive *drives[VIRTIO_BLK_MAX];
static unsigned count;

static size_t driver_offset(unsigned page_count) {
    return (size_t)page_count * BLOCKCACHE_PAGE;
}

static size_t memory_size(unsigned page_count) {
    return driver_offset(page_count) + virtio_blk_memory_size() + sizeof(struct drive);
}

void drive_boot(void) {
    size_t pages = memory_total() / CACHE_PART / BLOCKCACHE_PAGE;
    unsigned page_count = pages < BLOCKCACHE_PAGES_MIN ? BLOCKCACHE_PAGES_MIN
        : pages > BLOCKCACHE_PAGES_MAX ? BLOCKCACHE_PAGES_MAX : (unsigned)pages;
    struct virtio_blk *blk;
    while (count < VIRTIO_BLK_MAX && (blk = virtio_blk_get(count)) != NULL) {
        uint8_t *memory = heap_reserve(memory_size(page_count));
        if (memory != NULL) {
            uint8_t *driver = memory + driver_offset(page_count);
            struct drive *drive = (struct drive *)(void *)(driver + virtio_blk_memory_size());
            // The cache, most of it, is made when it is used.
            drive->blk = blk;
            drive->info = (struct virtio_blk_info) { 0 };
            drive->pages = memory;
            drive->page_count = page_count;
            drive->tried = drive->started = drive->unflushed = false;
            drives[count] = drive;
        }
        count++;
    }
}

unsigned drive_count(void) {
    return count;
}

static int transfer(void *arg, struct block_request *requests, unsigned request_count) {
    struct drive *drive = arg;
    if (request_count > 0 && requests[0].write) {
        drive->unflushed = true;
    }
    return virtio_blk_transfer(drive->blk, requests, request_count);
}

static void set_size(struct drive *drive) {
    blockcache_init(&drive->cache, drive->pages, drive->page_count,
        drive->info.sectors * BLOCK_SECTOR, drive->info.block_size);
}

struct drive *drive_get(unsigned n) {
    struct drive *drive = n < count ? drives[n] : NULL;
    if (drive == NULL) {
        return NULL;
    }
    if (!drive->tried) {
        drive->tried = true;
        drive->started = virtio_blk_start(drive->blk,
            drive->pages + driver_offset(drive->page_count)) == 0;
        virtio_blk_info(drive->blk, &drive->info);
        drive->cache.transfer = transfer;
        drive->cache.disk = drive;
        if (drive->started) {
            set_size(drive);
        }
    }
    return drive->started ? drive : NULL;
}

void drive_info(struct drive *drive, struct virtio_blk_info *info) {
    uint64_t sectors = drive->info.sectors;
    virtio_blk_info(drive->blk, &drive->info);
    if (drive->info.sectors != sectors && drive_sync(drive) == 0) {
        set_size(drive);
    }
    *info = drive->info;
}

const struct virtio_blk_stats *drive_stats(const struct drive *drive) {
    return virtio_blk_stats(drive->blk);
}

int drive_serial(struct drive *drive, char *serial) {
    return virtio_blk_serial(drive->blk, serial);
}

size_t drive_memory(const struct drive *drive) {
    return memory_size(drive->page_count);
}

int drive_read(struct drive *drive, uint64_t offset, void *data, size_t size) {
    return blockcache_read(&drive->cache, offset, data, size);
}

int drive_write(struct drive *drive, uint64_t offset, const void *data, size_t size) {
    return drive->info.read_only ? -EROFS : blockcache_write(&drive->cache, offset, data, size);
}

int drive_discard(struct drive *drive, uint64_t offset, uint64_t size) {
    if (offset % drive->info.block_size != 0 || size % drive->info.block_size != 0) {
        return -EINVAL;
    }
    // Dirty pages are written first: one may hold sectors outside of the range.
    int ret = blockcache_sync(&drive->cache);
    if (ret == 0) {
        ret = virtio_blk_discard(drive->blk, offset / BLOCK_SECTOR, size / BLOCK_SECTOR);
        drive->unflushed = true;
    }
    if (ret == 0) {
        blockcache_drop(&drive->cache, offset, size, false);
    }
    return ret;
}

int drive_sync(struct drive *drive) {
    int ret = blockcache_sync(&drive->cache);
    if (ret == 0 && drive->unflushed) {
        ret = virtio_blk_flush(drive->blk);
        drive->unflushed = ret < 0;
    }
    return ret;
}

int drive_sync_all(void) {
    int ret = 0;
    for (unsigned n = 0; n < count; n++) {
        if (drives[n] != NULL && drives[n]->started) {
            int result = drive_sync(drives[n]);
            ret = ret == 0 ? result : ret;
        }
    }
    return ret;
}
