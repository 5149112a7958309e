// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Virtio entropy device (virtio 1.1, section 5.4): one queue, one request at a time, polled,
// because it is asked a few times in the life of the machine.

#include "virtio_rng.h"

#include <errno.h>
#include <string.h>

#include "clock.h"
#include "cpu.h"
#include "virtio.h"

#define QUEUE_SIZE 8
#define QUEUE_MEMORY (3 * 4096) // virtq_memory_size(QUEUE_SIZE)
#define REQUEST_MAX 256
#define LIMIT_NS (100 * NS_PER_MS)

static struct virtio_device *device;
static struct virtqueue queue;
static bool probed, failed;
static uint8_t queue_memory[QUEUE_MEMORY] __attribute__((aligned(4096)));
static uint8_t answer[REQUEST_MAX] __attribute__((aligned(64)));

static int start(void) {
    if (!probed) {
        probed = true;
        device = virtio_claim(VIRTIO_ID_RNG);
        unsigned size = 0;
        failed = device == NULL || virtio_negotiate(device, 0) < 0 ||
            virtq_memory_size(QUEUE_SIZE) > QUEUE_MEMORY ||
            (size = virtq_choose_size(device, 0, QUEUE_SIZE)) == 0 ||
            virtio_queue_open(device, &queue, 0, size, queue_memory) < 0;
        if (!failed) {
            virtq_interrupt_off(&queue);
            virtio_start(device);
        }
    }
    return device == NULL ? -ENODEV : failed ? -EIO : 0;
}

int virtio_rng_read(void *data, size_t size) {
    int ret = start();
    if (ret < 0) {
        return ret;
    }
    struct virtq_piece piece = { answer, size < REQUEST_MAX ? (uint32_t)size : REQUEST_MAX };
    memset(answer, 0, sizeof(answer));
    virtq_add(&queue, &piece, 0, 1, answer);
    virtq_notify(&queue);
    uint64_t limit = clock_ns() + LIMIT_NS;
    uint32_t written = 0;
    while (virtq_take(&queue, &written) == NULL) {
        if (queue.broken || clock_ns() > limit) {
            // The buffer stays the device's for ever: it may answer yet.
            failed = true;
            return queue.broken ? -EIO : -ETIMEDOUT;
        }
        cpu_relax();
    }
    memcpy(data, answer, written);
    memset(answer, 0, sizeof(answer));
    return (int)written;
}
