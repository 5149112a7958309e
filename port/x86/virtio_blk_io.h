// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What virtio_blk.c (the disk) and virtio_blk_io.c (its requests) share. Nobody else's.

#ifndef IMPORTOS_VIRTIO_BLK_IO_H
#define IMPORTOS_VIRTIO_BLK_IO_H

#include "virtio.h"
#include "virtio_blk.h"

#define SLOT_MAX 8 // device requests under way
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
    bool irq_tried; // virtio_irq_open() was called; until then the device is polled
    volatile bool config_changed; // set in interrupt context
    uint32_t generation; // of the configuration, when the capacity was read
    struct virtio_blk_info info;
    struct virtio_blk_stats stats;
    char name[NAME_SIZE];
};

// Open the device's interrupt if that was not tried yet and somebody could halt until it comes.
// With nothing under way.
void virtio_blk_want_irq(struct virtio_blk *blk);

// The device holds memory of ours and does not answer, or broke the rules: take everything back.
void virtio_blk_restart(struct virtio_blk *blk, const char *why);

#endif // IMPORTOS_VIRTIO_BLK_IO_H
