// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Virtio block devices (virtio 1.1, section 5.2): finding them, negotiation, what a disk is. Its
// requests are in virtio_blk_io.c.

#include "virtio_blk.h"

#include <errno.h>
#include <string.h>

#include "log.h"
#include "virtio_blk_io.h"
#include "virtio_wait.h"

#define F_SIZE_MAX (1ull << 1)
#define F_SEG_MAX (1ull << 2)
#define F_RO (1ull << 5)
#define F_BLK_SIZE (1ull << 6)
#define F_FLUSH (1ull << 9)
#define F_DISCARD (1ull << 13)
#define WANTED (F_SIZE_MAX | F_SEG_MAX | F_RO | F_BLK_SIZE | F_FLUSH | F_DISCARD | \
    VIRTIO_F_EVENT_IDX)

#define CONFIG_CAPACITY 0
#define CONFIG_SIZE_MAX 8
#define CONFIG_SEG_MAX 12
#define CONFIG_BLK_SIZE 20
#define CONFIG_MAX_DISCARD 36
#define CAPACITY_LIMIT (1ull << 54) // sectors: byte offsets stay below 2^63
#define BLOCK_SIZE_MAX 4096u

#define QUEUE_SIZE 256
#define PIECE_BYTES_MAX (1u << 20)

static struct virtio_blk disks[VIRTIO_BLK_MAX];
static unsigned disk_count;

struct virtio_blk *virtio_blk_get(unsigned n) {
    static bool probed;
    if (!probed) {
        probed = true;
        struct virtio_device *device;
        while (disk_count < VIRTIO_BLK_MAX && (device = virtio_claim(VIRTIO_ID_BLOCK)) != NULL) {
            struct virtio_blk *blk = &disks[disk_count];
            blk->device = device;
            memcpy(blk->name, "disk0", 6);
            blk->name[4] = (char)('0' + disk_count++);
        }
    }
    return n < disk_count ? &disks[n] : NULL;
}

// --- start ----------------------------------------------------------------------------------

size_t virtio_blk_memory_size(void) {
    return virtq_memory_size(QUEUE_SIZE) + SLOT_MAX * sizeof(struct frame);
}

static void read_capacity(struct virtio_blk *blk) {
    uint64_t sectors = 0;
    blk->config_changed = false;
    blk->generation = blk->device->transport->config_generation(blk->device);
    virtio_config_read(blk->device, CONFIG_CAPACITY, &sectors, sizeof(sectors));
    blk->info.sectors = sectors <= CAPACITY_LIMIT ? sectors : 0;
}

static uint32_t read_config32(struct virtio_blk *blk, uint64_t feature, unsigned offset,
    uint32_t otherwise) {
    uint32_t value = otherwise;
    if (blk->device->features & feature) {
        virtio_config_read(blk->device, offset, &value, sizeof(value));
    }
    return value;
}

// Read what the disk is, and refuse what this driver cannot work with.
static int read_config(struct virtio_blk *blk) {
    uint64_t features = blk->device->features;
    blk->info.read_only = features & F_RO;
    blk->info.can_flush = features & F_FLUSH;
    blk->info.block_size = read_config32(blk, F_BLK_SIZE, CONFIG_BLK_SIZE, BLOCK_SECTOR);
    uint32_t size = blk->info.block_size;
    uint32_t bytes = read_config32(blk, F_SIZE_MAX, CONFIG_SIZE_MAX, PIECE_BYTES_MAX);
    uint32_t pieces = read_config32(blk, F_SEG_MAX, CONFIG_SEG_MAX, BLOCK_PIECES_MAX);
    if (size < BLOCK_SECTOR || size > BLOCK_SIZE_MAX || (size & (size - 1)) != 0 ||
        bytes < size || pieces == 0) {
        kprintf("%s: blocks of %u bytes, requests of %u times %u bytes: not supported\n",
            blk->name, (unsigned)size, (unsigned)pieces, (unsigned)bytes);
        return -ENOTSUP;
    }
    blk->piece_bytes_max = (bytes < PIECE_BYTES_MAX ? bytes : PIECE_BYTES_MAX) & ~(size - 1);
    blk->pieces_max = pieces < BLOCK_PIECES_MAX ? pieces : BLOCK_PIECES_MAX;
    blk->discard_max = read_config32(blk, F_DISCARD, CONFIG_MAX_DISCARD, 0);
    blk->info.can_discard = blk->discard_max > 0 && !blk->info.read_only;
    read_capacity(blk);
    return 0;
}

// Interrupt context; the interrupt itself ends the halt.
static void handle_queue(void *arg) {
    ((struct virtio_blk *)arg)->stats.interrupts++;
}

static void handle_config(void *arg) {
    ((struct virtio_blk *)arg)->config_changed = true;
}

static int start_queue(struct virtio_blk *blk) {
    unsigned size = virtq_choose_size(blk->device, 0, QUEUE_SIZE);
    if (size < 4) {
        return -EIO;
    }
    if (blk->pieces_max > size - 2) {
        blk->pieces_max = size - 2;
    }
    int ret = virtio_queue_open(blk->device, &blk->queue, 0, size, blk->memory);
    if (ret < 0) {
        return ret;
    }
    virtq_interrupt_off(&blk->queue);
    for (unsigned i = 0; i < SLOT_MAX; i++) {
        blk->slot[i] = (struct slot) { .frame = &blk->frame[i] };
    }
    blk->in_flight = 0;
    virtio_start(blk->device);
    return 0;
}

// Reset the device, which takes back what it holds of our memory, and let it work.
static int bring_up(struct virtio_blk *blk) {
    int ret = virtio_negotiate(blk->device, WANTED);
    if (ret < 0) {
        kprintf("%s: negotiation failed: %d\n", blk->name, ret);
        return ret;
    }
    ret = read_config(blk);
    if (ret < 0) {
        return ret;
    }
    ret = start_queue(blk);
    if (ret < 0) {
        kprintf("%s: could not start the queue: %d\n", blk->name, ret);
    }
    return ret;
}

static void open_irq(struct virtio_blk *blk) {
    blk->irq_tried = true;
    if (virtio_irq_open(blk->device, blk->name, handle_queue, handle_config, blk) < 0) {
        kprintf("%s: no interrupt, it is polled\n", blk->name);
    }
}

int virtio_blk_start(struct virtio_blk *blk, void *memory) {
    blk->memory = memory;
    blk->frame = (struct frame *)((uintptr_t)memory + virtq_memory_size(QUEUE_SIZE));
    if (virtio_may_halt()) {
        open_irq(blk);
    }
    int ret = bring_up(blk);
    if (ret < 0) {
        virtio_irq_close(blk->device);
        virtio_fail(blk->device);
    }
    blk->started = ret == 0;
    return ret;
}

void virtio_blk_restart(struct virtio_blk *blk, const char *why) {
    kprintf("%s: %s, reset\n", blk->name, why);
    if (blk->stats.resets < VIRTIO_BLK_RESET_MAX && bring_up(blk) == 0) {
        blk->stats.resets++;
        return;
    }
    kprintf("%s: given up after %u resets\n", blk->name, (unsigned)blk->stats.resets);
    blk->failed = true;
    virtio_irq_close(blk->device);
    virtio_fail(blk->device);
    virtio_reset(blk->device);
}

// While the clock is not known nobody halts (virtio_wait()), so what the program finds mounted is
// read without an interrupt, whose set-up would be a tenth of what a disk adds to a boot. The
// first who could halt gets it: the device starts anew, with nothing under way, as it must know
// its interrupts before its queue is enabled (4.1.4.3.2).
void virtio_blk_want_irq(struct virtio_blk *blk) {
    if (!blk->irq_tried && blk->started && !blk->failed && virtio_may_halt()) {
        open_irq(blk);
        if (blk->device->queue_irq >= 0 && bring_up(blk) < 0) {
            virtio_blk_restart(blk, "no start with its interrupt");
        }
    }
}

// --- what it is -----------------------------------------------------------------------------

// Has the configuration changed? The device tells, or it must be asked.
static bool is_changed(const struct virtio_blk *blk) {
    struct virtio_device *device = blk->device;
    return device->queue_irq >= 0 ? blk->config_changed
        : device->transport->config_generation(device) != blk->generation;
}

void virtio_blk_info(struct virtio_blk *blk, struct virtio_blk_info *info) {
    if (blk->started && !blk->failed && is_changed(blk)) {
        read_capacity(blk);
    }
    *info = blk->info;
}

const struct virtio_blk_stats *virtio_blk_stats(const struct virtio_blk *blk) {
    return &blk->stats;
}
