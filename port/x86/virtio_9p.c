// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Virtio 9P transport: one request at a time.

#include "virtio_9p.h"

#include <errno.h>
#include <stdbool.h>

#include "clock.h"
#include "log.h"
#include "virtio.h"
#include "virtio_wait.h"

#define F_MOUNT_TAG (1ull << 0)
#define CONFIG_TAG_SIZE 0
#define CONFIG_TAG 2
#define QUEUE_SIZE 16
#define LIMIT_NS (30 * NS_PER_S)

struct virtio_9p {
    struct virtio_device *device;
    struct virtqueue queue;
    uint8_t *memory; // request, answer, queue
    bool started;
    char tag[VIRTIO_9P_TAG_MAX + 1];
};

static struct virtio_9p shares[VIRTIO_9P_MAX];
static unsigned share_count;

struct virtio_9p *virtio_9p_get(unsigned n) {
    static bool probed;
    struct virtio_device *device;
    while (!probed && share_count < VIRTIO_9P_MAX &&
           (device = virtio_claim(VIRTIO_ID_9P)) != NULL) {
        shares[share_count++].device = device;
    }
    probed = true;
    return n < share_count ? &shares[n] : NULL;
}

size_t virtio_9p_memory_size(void) {
    return 2 * VIRTIO_9P_MESSAGE_MAX + virtq_memory_size(QUEUE_SIZE);
}

static void read_tag(struct virtio_9p *p9) {
    uint16_t size = 0;
    virtio_config_read(p9->device, CONFIG_TAG_SIZE, &size, sizeof(size));
    if (size > VIRTIO_9P_TAG_MAX) {
        size = VIRTIO_9P_TAG_MAX;
    }
    virtio_config_read(p9->device, CONFIG_TAG, p9->tag, size);
    p9->tag[size] = 0;
}

// Interrupt context; the interrupt itself ends the halt.
static void handle_queue(void *arg) {
    (void)arg;
}

int virtio_9p_start(struct virtio_9p *p9, void *memory) {
    p9->memory = memory;
    int ret = virtio_negotiate(p9->device, F_MOUNT_TAG | VIRTIO_F_EVENT_IDX);
    if (ret < 0) {
        return ret;
    }
    read_tag(p9);
    if (virtio_irq_open(p9->device, "9p", handle_queue, NULL, p9) < 0) {
        kprintf("9p: no interrupt, it is polled\n");
    }
    unsigned size = virtq_choose_size(p9->device, 0, QUEUE_SIZE);
    ret = size < 2 ? -EIO : virtio_queue_open(p9->device, &p9->queue, 0, size,
        p9->memory + 2 * VIRTIO_9P_MESSAGE_MAX);
    if (ret < 0) {
        virtio_irq_close(p9->device);
        virtio_fail(p9->device);
        return ret;
    }
    virtq_interrupt_off(&p9->queue);
    virtio_start(p9->device);
    p9->started = true;
    return 0;
}

const char *virtio_9p_tag(const struct virtio_9p *p9) {
    return p9->tag;
}

uint8_t *virtio_9p_request(struct virtio_9p *p9) {
    return p9->memory;
}

const uint8_t *virtio_9p_answer(struct virtio_9p *p9) {
    return p9->memory + VIRTIO_9P_MESSAGE_MAX;
}

static int give_up(struct virtio_9p *p9, int error) {
    kprintf("9p: share \"%s\" given up: %d\n", p9->tag, error);
    p9->started = false;
    virtio_irq_close(p9->device);
    virtio_reset(p9->device); // the memory is kept for it in any case
    return error;
}

int virtio_9p_call(struct virtio_9p *p9, size_t size) {
    if (irq_in_handler()) {
        return -EDEADLK;
    }
    if (!p9->started || size > VIRTIO_9P_MESSAGE_MAX) {
        return -ENODEV;
    }
    struct virtq_piece pieces[2] = {
        { p9->memory, (uint32_t)size },
        { p9->memory + VIRTIO_9P_MESSAGE_MAX, VIRTIO_9P_MESSAGE_MAX },
    };
    if (virtq_add(&p9->queue, pieces, 1, 1, p9) < 0) {
        return give_up(p9, -EIO);
    }
    virtq_notify(&p9->queue);
    if (!virtio_wait(&p9->queue, LIMIT_NS)) {
        return give_up(p9, -ETIMEDOUT);
    }
    uint32_t written = 0;
    if (virtq_take(&p9->queue, &written) == NULL) {
        return give_up(p9, -EIO);
    }
    return (int)written;
}
