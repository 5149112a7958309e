// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Requests to virtio block devices (virtio 1.1, section 5.2.6): one queue; a request is a header,
// the data and a status byte. A batch of requests is under way at once; whoever called waits for
// all of them.

#include "virtio_blk_io.h"

#include <errno.h>
#include <string.h>

#include "virtio_wait.h"

#define TYPE_IN 0
#define TYPE_OUT 1
#define TYPE_FLUSH 4
#define TYPE_GET_ID 8
#define TYPE_DISCARD 11

#define STATUS_OK 0
#define STATUS_UNSUPPORTED 2
#define STATUS_NONE 0xff // what we leave there: the device wrote nothing

// How far a batch has been posted.
struct cursor {
    struct block_request *requests;
    unsigned count;
    unsigned request, piece;
    uint32_t offset; // bytes into the piece
    uint64_t sector;
};

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
        *(request->write ? &blk->stats.write_bytes : &blk->stats.read_bytes) += bytes;
        if (cursor->piece == request->count) {
            *(request->write ? &blk->stats.writes : &blk->stats.reads) += 1;
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
    virtio_blk_restart(blk, error == -ETIMEDOUT ? "no answer" : "the ring is out of order");
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

static int check_usable(struct virtio_blk *blk) {
    if (irq_in_handler()) {
        return -EDEADLK;
    }
    virtio_blk_want_irq(blk);
    return !blk->started || blk->failed ? -ENODEV : 0;
}

static int check_request(const struct virtio_blk *blk, const struct block_request *request) {
    uint64_t bytes = 0;
    for (unsigned i = 0; i < request->count && i < BLOCK_PIECES_MAX; i++) {
        bytes += request->piece[i].size;
    }
    uint32_t unit = blk->info.block_size; // a power of two
    if (request->count > BLOCK_PIECES_MAX || bytes == 0 ||
        ((bytes | request->sector * BLOCK_SECTOR) & (unit - 1)) != 0) {
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
        requests[i].result = 0;
        ret = check_request(blk, &requests[i]);
    }
    if (ret < 0) {
        for (unsigned i = 0; i < count; i++) {
            requests[i].result = ret;
        }
        return ret;
    }
    if (count == 0) {
        return 0;
    }
    struct cursor cursor = { .requests = requests, .count = count, .sector = requests[0].sector };
    post_batch(blk, &cursor);
    complete(blk, &cursor);
    for (unsigned i = 0; i < count && ret == 0; i++) {
        ret = requests[i].result;
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
