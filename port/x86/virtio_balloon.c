// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Virtio memory balloon: a queue each for pages given and taken back, and one on which the host
// keeps a buffer until it wants statistics.

#include "virtio_balloon.h"

#include <errno.h>

#include "clock.h"
#include "log.h"
#include "virtio.h"
#include "virtio_wait.h"

#define F_STATS (1ull << 1)
#define F_DEFLATE_ON_OOM (1ull << 2)
#define CONFIG_WANTED 0
#define CONFIG_ACTUAL 4
#define QUEUE_GIVE 0
#define QUEUE_TAKE 1
#define QUEUE_STATS 2
#define QUEUE_SIZE 8
#define NUMBERS_MAX 256u // pages of a request
#define LIMIT_NS NS_PER_S
#define STAT_FREE 4
#define STAT_TOTAL 5
#define STAT_AVAILABLE 6

struct __attribute__((packed)) stat {
    uint16_t tag;
    uint64_t value;
};
_Static_assert(sizeof(struct stat) == 10, "virtio 1.1, 5.5.6.3");

static struct virtio_device *device;
static struct virtqueue give, take, stats;
static uint32_t *numbers; // of the pages in a request
static struct stat *values;
static bool started, failed, stats_sent;

bool virtio_balloon_exists(void) {
    static bool probed;
    if (!probed) {
        probed = true;
        device = virtio_claim(VIRTIO_ID_BALLOON);
    }
    return device != NULL;
}

size_t virtio_balloon_memory_size(void) {
    return 3 * virtq_memory_size(QUEUE_SIZE) + NUMBERS_MAX * sizeof(uint32_t) +
           3 * sizeof(struct stat);
}

static void (*on_change)(void);

// Interrupt context.
static void handle(void *arg) {
    (void)arg;
    on_change();
}

static int open_queue(struct virtqueue *queue, unsigned index, uint8_t *memory) {
    unsigned size = virtq_choose_size(device, index, QUEUE_SIZE);
    int ret = size == 0 ? -EIO : virtio_queue_open(device, queue, index, size,
        memory + index * virtq_memory_size(QUEUE_SIZE));
    if (ret == 0) {
        virtq_interrupt_off(queue);
    }
    return ret;
}

static int open_queues(uint8_t *memory) {
    int ret = open_queue(&give, QUEUE_GIVE, memory);
    ret = ret < 0 ? ret : open_queue(&take, QUEUE_TAKE, memory);
    if (ret == 0 && (device->features & F_STATS)) {
        ret = open_queue(&stats, QUEUE_STATS, memory);
    }
    return ret;
}

int virtio_balloon_start(void *memory, void (*changed)(void)) {
    uint8_t *behind = (uint8_t *)memory + 3 * virtq_memory_size(QUEUE_SIZE);
    numbers = (uint32_t *)(void *)behind;
    values = (struct stat *)(void *)(numbers + NUMBERS_MAX);
    on_change = changed;
    int ret = virtio_negotiate(device, F_STATS | F_DEFLATE_ON_OOM | VIRTIO_F_EVENT_IDX);
    if (ret == 0) {
        ret = virtio_irq_open(device, "balloon", handle, handle, NULL);
    }
    if (ret == 0) {
        ret = open_queues(memory);
    }
    if (ret < 0) {
        kprintf("balloon: cannot be used: %d\n", ret);
        virtio_irq_close(device);
        virtio_fail(device);
        return ret;
    }
    virtio_start(device);
    started = true;
    if (device->features & F_STATS) {
        virtio_balloon_send_stats(0, 0); // a buffer for the host to give back when it asks
    }
    return 0;
}

uint32_t virtio_balloon_wanted(void) {
    uint32_t count = 0;
    if (started && !failed) {
        virtio_config_read(device, CONFIG_WANTED, &count, sizeof(count));
    }
    return count;
}

bool virtio_balloon_deflates_by_itself(void) {
    return started && !failed && (device->features & F_DEFLATE_ON_OOM);
}

static int give_up(void) {
    kprintf("balloon: no answer, or a wrong one: given up\n");
    failed = true;
    virtio_irq_close(device);
    virtio_reset(device);
    return -EIO;
}

static int request(struct virtqueue *queue, uint32_t count) {
    struct virtq_piece piece = { numbers, 4 * count };
    uint32_t written;
    if (virtq_add(queue, &piece, 1, 0, numbers) < 0) {
        return give_up();
    }
    virtq_notify(queue);
    if (!virtio_wait(queue, LIMIT_NS) || virtq_take(queue, &written) == NULL) {
        return give_up();
    }
    return 0;
}

static int move(struct virtqueue *queue, uintptr_t start, size_t count) {
    int ret = started && !failed ? 0 : -ENODEV;
    while (count > 0 && ret == 0) {
        uint32_t part = count < NUMBERS_MAX ? (uint32_t)count : NUMBERS_MAX;
        for (uint32_t i = 0; i < part; i++) {
            numbers[i] = (uint32_t)(start / VIRTIO_BALLOON_PAGE + i);
        }
        ret = request(queue, part);
        start += part * VIRTIO_BALLOON_PAGE;
        count -= part;
    }
    return ret;
}

int virtio_balloon_give(uintptr_t start, size_t count) {
    return move(&give, start, count);
}

int virtio_balloon_take(uintptr_t start, size_t count) {
    return move(&take, start, count);
}

void virtio_balloon_tell(uint32_t count) {
    if (started && !failed) {
        device->transport->write_config(device, CONFIG_ACTUAL, count);
    }
}

bool virtio_balloon_stats_wanted(void) {
    return started && !failed && stats_sent && virtq_pending(&stats);
}

void virtio_balloon_send_stats(uint64_t total, uint64_t free) {
    uint32_t written;
    if (stats_sent && virtq_take(&stats, &written) == NULL) {
        give_up();
        return;
    }
    values[0] = (struct stat) { STAT_TOTAL, total };
    values[1] = (struct stat) { STAT_FREE, free };
    values[2] = (struct stat) { STAT_AVAILABLE, free };
    struct virtq_piece piece = { values, 3 * sizeof(struct stat) };
    virtq_add(&stats, &piece, 1, 0, values);
    stats_sent = true;
    virtq_interrupt_on(&stats);
    virtq_notify(&stats);
}
