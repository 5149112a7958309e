// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Virtio block devices (virtio 1.1, section 5.2): one queue; a request is a header, the data and a
// status byte. A batch of requests is under way at once; whoever called waits for all of them.

#include "virtio_blk.h"

#include <errno.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "virtio.h"
#include "virtio_wait.h"

#define F_SIZE_MAX (1ull << 1)
#define F_SEG_MAX (1ull << 2)
#define F_RO (1ull << 5)
#define F_BLK_SIZE (1ull << 6)
#define F_FLUSH (1ull << 9)
#define F_DISCARD (1ull << 13)
#define WANTED (F_SIZE_MAX | F_SEG_MAX | F_RO | F_BLK_SIZE | F_FLUSH | F_DISCARD | \
    VIRTIO_F_EVENT_IDX)

#define TYPE_IN 0
#define TYPE_OUT 1
#define TYPE_FLUSH 4
#define TYPE_GET_ID 8
#define TYPE_DISCARD 11

#define STATUS_OK 0
#define STATUS_UNSUPPORTED 2
#define STATUS_NONE 0xff // what we leave there: the device wrote nothing

#define CONFIG_CAPACITY 0
#define CONFIG_SIZE_MAX 8
#define CONFIG_SEG_MAX 12
#define CONFIG_BLK_SIZE 20
#define CONFIG_MAX_DISCARD 36
#define CAPACITY_LIMIT (1ull << 54) // sectors: byte offsets stay below 2^63
#define BLOCK_SIZE_MAX 4096u

#define QUEUE_SIZE 256
#define SLOT_MAX 8 // device requests under way
#define PIECE_BYTES_MAX (1u << 20)
#define NAME_SIZE 8

struct header {
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
};
_Static_assert(sizeof(struct header) == 16, "virtio 1.1, 5.2.6");

struct discard {
    uint64_t sector;
    uint32_t count;
    uint32_t flags;
};
_Static_assert(sizeof(struct discard) == 16, "virtio 1.1, 5.2.6");

// What the device reads and writes of a request besides the data.
struct frame {
    struct header header;
    struct discard discard;
    volatile uint8_t status;
    uint8_t unused[31];
};
_Static_assert(sizeof(struct frame) == 64, "frames share no cache line");

// A device request, which may be part of one of the caller's.
struct slot {
    struct frame *frame;
    int *result; // of the request that this is part of; NULL: the slot is free
    uint32_t reading; // bytes that the device must have written before the status
};

// How far a batch has been posted.
struct cursor {
    struct block_request *requests;
    unsigned count;
    unsigned request, piece;
    uint32_t offset; // bytes into the piece
    uint64_t sector;
};

struct virtio_blk {
    struct virtio_device *device;
    struct virtqueue queue;
    void *memory;
    struct frame *frame;
    struct slot slot[SLOT_MAX];
    unsigned in_flight;
    unsigned pieces_max;
    uint32_t piece_bytes_max;
    uint32_t discard_max; // sectors
    bool started, failed;
    volatile bool config_changed; // set in interrupt context
    struct virtio_blk_info info;
    struct virtio_blk_stats stats;
    char name[NAME_SIZE];
};

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

int virtio_blk_start(struct virtio_blk *blk, void *memory) {
    blk->memory = memory;
    blk->frame = (struct frame *)((uintptr_t)memory + virtq_memory_size(QUEUE_SIZE));
    int ret = virtio_negotiate(blk->device, WANTED);
    if (ret < 0) {
        kprintf("%s: negotiation failed: %d\n", blk->name, ret);
        return ret;
    }
    ret = read_config(blk);
    if (ret < 0) {
        virtio_fail(blk->device);
        return ret;
    }
    if (virtio_irq_open(blk->device, blk->name, handle_queue, handle_config, blk) < 0) {
        kprintf("%s: no interrupt, it is polled\n", blk->name);
    }
    ret = start_queue(blk);
    if (ret < 0) {
        kprintf("%s: could not start the queue: %d\n", blk->name, ret);
        virtio_irq_close(blk->device);
        virtio_fail(blk->device);
        return ret;
    }
    blk->started = true;
    return 0;
}

// The device holds memory of ours and does not answer, or broke the rules: take everything back.
static void restart(struct virtio_blk *blk, const char *why) {
    kprintf("%s: %s, reset\n", blk->name, why);
    if (blk->stats.resets < VIRTIO_BLK_RESET_MAX && virtio_negotiate(blk->device, WANTED) == 0 &&
        read_config(blk) == 0 && start_queue(blk) == 0) {
        blk->stats.resets++;
        return;
    }
    kprintf("%s: given up after %u resets\n", blk->name, (unsigned)blk->stats.resets);
    blk->failed = true;
    virtio_irq_close(blk->device);
    virtio_fail(blk->device);
    virtio_reset(blk->device);
}

// --- requests -------------------------------------------------------------------------------

static struct slot *free_slot(struct virtio_blk *blk) {
    for (unsigned i = 0; i < SLOT_MAX; i++) {
        if (blk->slot[i].result == NULL) {
            return &blk->slot[i];
        }
    }
    return NULL;
}

// Post one device request with (count) data pieces, which piece[1] to piece[count] hold; the frame
// goes around them. -ENOSPC: the queue is full.
static int post(struct virtio_blk *blk, struct slot *slot, struct virtq_piece *piece,
    unsigned count, bool device_writes) {
    struct frame *frame = slot->frame;
    frame->status = STATUS_NONE;
    piece[0] = (struct virtq_piece) { &frame->header, sizeof(frame->header) };
    piece[count + 1] = (struct virtq_piece) { (void *)(uintptr_t)&frame->status, 1 };
    unsigned out = device_writes ? 1 : 1 + count;
    int ret = virtq_add(&blk->queue, piece, out, count + 2 - out, slot);
    if (ret == 0) {
        blk->in_flight++;
    }
    return ret;
}

// Take the next part of the batch that fits into one device request: fills pieces from piece[1]
// on and returns their number; (bytes) is what they hold.
static unsigned gather(struct virtio_blk *blk, struct cursor *cursor, struct virtq_piece *piece,
    uint32_t *bytes) {
    struct block_request *request = &cursor->requests[cursor->request];
    unsigned count = 0;
    *bytes = 0;
    while (count < blk->pieces_max && cursor->piece < request->count) {
        const struct block_piece *from = &request->piece[cursor->piece];
        uint32_t size = from->size - cursor->offset;
        if (size > blk->piece_bytes_max) {
            size = blk->piece_bytes_max;
        }
        piece[1 + count++] = (struct virtq_piece) { (uint8_t *)from->data + cursor->offset, size };
        *bytes += size;
        cursor->offset += size;
        if (cursor->offset == from->size) {
            cursor->offset = 0;
            cursor->piece++;
        }
    }
    cursor->sector += *bytes / BLOCK_SECTOR;
    return count;
}

static void next_request(struct cursor *cursor) {
    cursor->request++;
    cursor->piece = 0;
    cursor->offset = 0;
    if (cursor->request < cursor->count) {
        cursor->sector = cursor->requests[cursor->request].sector;
    }
}

// Post what fits.
static void post_batch(struct virtio_blk *blk, struct cursor *cursor) {
    struct virtq_piece piece[BLOCK_PIECES_MAX + 2];
    struct slot *slot;
    while (cursor->request < cursor->count && (slot = free_slot(blk)) != NULL) {
        struct block_request *request = &cursor->requests[cursor->request];
        struct cursor before = *cursor;
        uint32_t bytes;
        unsigned count = gather(blk, cursor, piece, &bytes);
        slot->frame->header = (struct header) {
            .type = request->write ? TYPE_OUT : TYPE_IN, .sector = before.sector,
        };
        if (post(blk, slot, piece, count, !request->write) < 0) {
            *cursor = before;
            break;
        }
        slot->result = &request->result;
        slot->reading = request->write ? 0 : bytes;
        if (cursor->piece == request->count) {
            next_request(cursor);
        }
    }
    virtq_notify(&blk->queue);
}

static void finish(struct virtio_blk *blk, struct slot *slot, uint32_t written) {
    uint8_t status = slot->frame->status;
    int result = status == STATUS_UNSUPPORTED ? -ENOTSUP : status != STATUS_OK ? -EIO : 0;
    if (result == 0 && written < slot->reading) {
        result = -EIO; // it says that it went well, but did not fill the memory
    }
    if (result < 0) {
        blk->stats.errors++;
        if (*slot->result == 0) {
            *slot->result = result;
        }
    }
    slot->result = NULL;
    blk->in_flight--;
}

// The batch cannot be carried on: what is under way and what was not posted gets (error).
static void abandon(struct virtio_blk *blk, struct cursor *cursor, int error) {
    for (unsigned i = 0; i < SLOT_MAX; i++) {
        if (blk->slot[i].result != NULL) {
            *blk->slot[i].result = error;
            blk->stats.errors++;
        }
    }
    while (cursor != NULL && cursor->request < cursor->count) {
        cursor->requests[cursor->request++].result = error;
    }
    restart(blk, error == -ETIMEDOUT ? "no answer" : "the ring is out of order");
}

// Take answers until nothing is under way and the batch, if there is one, is done.
static void complete(struct virtio_blk *blk, struct cursor *cursor) {
    while (blk->in_flight > 0) {
        if (!virtio_wait(&blk->queue, VIRTIO_BLK_LIMIT_NS)) {
            abandon(blk, cursor, -ETIMEDOUT);
            return;
        }
        uint32_t written;
        struct slot *slot;
        while ((slot = virtq_take(&blk->queue, &written)) != NULL) {
            finish(blk, slot, written);
        }
        if (blk->queue.broken) {
            abandon(blk, cursor, -EIO);
            return;
        }
        if (cursor != NULL) {
            post_batch(blk, cursor);
        }
    }
}

static int check_usable(const struct virtio_blk *blk) {
    return irq_in_handler() ? -EDEADLK : !blk->started || blk->failed ? -ENODEV : 0;
}

static uint64_t request_bytes(const struct block_request *request) {
    uint64_t bytes = 0;
    for (unsigned i = 0; i < request->count; i++) {
        bytes += request->piece[i].size;
    }
    return bytes;
}

static int check_request(const struct virtio_blk *blk, const struct block_request *request) {
    uint64_t bytes = request_bytes(request);
    uint32_t unit = blk->info.block_size;
    if (request->count == 0 || request->count > BLOCK_PIECES_MAX || bytes == 0 ||
        bytes % unit != 0 || request->sector % (unit / BLOCK_SECTOR) != 0) {
        return -EINVAL;
    }
    uint64_t sectors = blk->info.sectors;
    if (request->sector >= sectors || bytes / BLOCK_SECTOR > sectors - request->sector) {
        return -EINVAL;
    }
    return request->write && blk->info.read_only ? -EROFS : 0;
}

int virtio_blk_transfer(struct virtio_blk *blk, struct block_request *requests, unsigned count) {
    int ret = check_usable(blk);
    for (unsigned i = 0; i < count && ret == 0; i++) {
        ret = check_request(blk, &requests[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        requests[i].result = ret;
    }
    if (ret < 0 || count == 0) {
        return ret;
    }
    struct cursor cursor = { .requests = requests, .count = count, .sector = requests[0].sector };
    post_batch(blk, &cursor);
    complete(blk, &cursor);
    for (unsigned i = 0; i < count; i++) {
        *(requests[i].write ? &blk->stats.writes : &blk->stats.reads) += 1;
        *(requests[i].write ? &blk->stats.write_bytes : &blk->stats.read_bytes) +=
            request_bytes(&requests[i]);
        if (requests[i].result < 0 && ret == 0) {
            ret = requests[i].result;
        }
    }
    return ret;
}

// A request of another kind, alone, with at most one piece of data.
static int control(struct virtio_blk *blk, uint32_t type, void *data, uint32_t size,
    bool device_writes) {
    int result = check_usable(blk);
    if (result < 0) {
        return result;
    }
    struct slot *slot = &blk->slot[0];
    struct virtq_piece piece[3];
    piece[1] = (struct virtq_piece) { data, size };
    slot->frame->header = (struct header) { .type = type };
    if (post(blk, slot, piece, size > 0 ? 1 : 0, device_writes) < 0) {
        return -EIO;
    }
    slot->result = &result;
    slot->reading = 0;
    virtq_notify(&blk->queue);
    complete(blk, NULL);
    return result;
}

int virtio_blk_flush(struct virtio_blk *blk) {
    if (!blk->info.can_flush) {
        return check_usable(blk);
    }
    blk->stats.flushes++;
    return control(blk, TYPE_FLUSH, NULL, 0, false);
}

int virtio_blk_discard(struct virtio_blk *blk, uint64_t sector, uint64_t count) {
    if (blk->info.read_only) {
        return -EROFS;
    }
    if (sector > blk->info.sectors || count > blk->info.sectors - sector) {
        return -EINVAL;
    }
    if (!blk->info.can_discard) {
        return -ENOTSUP;
    }
    int ret = 0;
    while (count > 0 && ret == 0) {
        struct discard *discard = &blk->slot[0].frame->discard;
        uint32_t part = count < blk->discard_max ? (uint32_t)count : blk->discard_max;
        *discard = (struct discard) { .sector = sector, .count = part };
        ret = control(blk, TYPE_DISCARD, discard, sizeof(*discard), false);
        blk->stats.discards++;
        sector += part;
        count -= part;
    }
    return ret;
}

int virtio_blk_serial(struct virtio_blk *blk, char *serial) {
    // The answer goes where nothing else is under way.
    char *answer = (char *)(uintptr_t)&blk->frame[1];
    memset(answer, 0, VIRTIO_BLK_SERIAL_SIZE);
    int ret = control(blk, TYPE_GET_ID, answer, VIRTIO_BLK_SERIAL_SIZE, true);
    memcpy(serial, answer, VIRTIO_BLK_SERIAL_SIZE);
    serial[VIRTIO_BLK_SERIAL_SIZE] = 0;
    return ret;
}

void virtio_blk_info(struct virtio_blk *blk, struct virtio_blk_info *info) {
    if (blk->config_changed && blk->started && !blk->failed) {
        blk->config_changed = false;
        read_capacity(blk);
    }
    *info = blk->info;
}

const struct virtio_blk_stats *virtio_blk_stats(const struct virtio_blk *blk) {
    return &blk->stats;
}
