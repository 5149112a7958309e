// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Split virtqueues (virtio 1.1, section 2.6) that survive a device that lies: descriptors are
// written and never read back, the free list and the posted buffers live in memory of our own,
// and every word that the device writes is read once.

#include "virtio.h"

#include <errno.h>

#include "cpu.h"

#define DESC_NEXT 1
#define DESC_WRITE 2
#define AVAIL_NO_INTERRUPT 1
#define USED_NO_NOTIFY 1
#define USED_ALIGN 4
#define PAGE 4096u

// Offsets from the start of a queue's memory, in bytes. The used ring, which the device writes,
// has a page of its own, and so has what only we may touch.
struct layout {
    size_t avail, used, slots, total;
};

static size_t round_up(size_t size) {
    return (size + PAGE - 1) & ~(size_t)(PAGE - 1);
}

static struct layout layout_for(unsigned size) {
    struct layout l;
    l.avail = sizeof(struct virtq_desc) * size;
    l.used = round_up(l.avail + sizeof(uint16_t) * (3 + size));
    l.slots = l.used + round_up(sizeof(uint16_t) * 3 + sizeof(struct virtq_used_element) * size);
    l.total = l.slots + round_up(sizeof(struct virtq_slot) * size);
    return l;
}

size_t virtq_memory_size(unsigned size) {
    return layout_for(size).total;
}

unsigned virtq_choose_size(struct virtio_device *device, unsigned index, unsigned wanted) {
    unsigned size = device->transport->queue_size(device, index);
    if (size == 0 || size > 32768 || (size & (size - 1)) != 0) {
        return 0;
    }
    if (wanted > VIRTQ_SIZE_MAX) {
        wanted = VIRTQ_SIZE_MAX;
    }
    while (size > wanted) {
        size /= 2;
    }
    return size;
}

int virtio_queue_open(struct virtio_device *device, struct virtqueue *queue, unsigned index,
    unsigned size, void *memory) {
    struct layout l = layout_for(size);
    uint8_t *base = memory;
    for (size_t i = 0; i < l.total; i++) {
        base[i] = 0;
    }
    uintptr_t address = (uintptr_t)memory;
    *queue = (struct virtqueue) {
        .device = device, .index = index, .size = (uint16_t)size, .mask = (uint16_t)(size - 1),
        .free_count = (uint16_t)size,
        .desc = memory,
        .avail = (volatile uint16_t *)(address + l.avail),
        .used_header = (volatile uint16_t *)(address + l.used),
        .used = (volatile struct virtq_used_element *)(address + l.used + USED_ALIGN),
        .slot = (struct virtq_slot *)(address + l.slots),
    };
    queue->avail_event = (volatile uint16_t *)(queue->used + size);
    for (unsigned i = 0; i < size; i++) {
        queue->slot[i].next_free = (uint16_t)((i + 1) & queue->mask);
    }
    queue->free_tail = queue->mask;
    return device->transport->queue_start(device, queue);
}

static volatile uint16_t *used_event(const struct virtqueue *queue) {
    return &queue->avail[2 + queue->size];
}

static bool has_event_index(const struct virtqueue *queue) {
    return queue->device->features & VIRTIO_F_EVENT_IDX;
}

int virtq_add(struct virtqueue *queue, const struct virtq_piece *pieces, unsigned out,
    unsigned in, void *cookie) {
    unsigned count = out + in;
    if (count == 0 || count > queue->free_count || queue->broken) {
        return -ENOSPC;
    }
    uint16_t head = queue->free_head;
    uint16_t d = head;
    uint32_t writable = 0;
    for (unsigned i = 0; i < count; i++) {
        uint16_t next = queue->slot[d].next_free;
        uint16_t flags = i + 1 < count ? DESC_NEXT : 0;
        if (i >= out) {
            flags |= DESC_WRITE;
            writable += pieces[i].size;
        }
        queue->desc[d] = (struct virtq_desc) {
            .address = (uintptr_t)pieces[i].data, .size = pieces[i].size, .flags = flags,
            .next = next,
        };
        if (i + 1 < count) {
            d = next;
        } else {
            queue->free_head = next;
        }
    }
    queue->free_count -= (uint16_t)count;
    queue->slot[head].cookie = cookie;
    queue->slot[head].writable = writable;
    queue->slot[head].count = (uint16_t)count;
    queue->outstanding++;
    queue->avail[2 + (queue->produced & queue->mask)] = head;
    // The descriptors and the ring entry must be in memory before the index that publishes them.
    barrier();
    queue->produced++;
    queue->avail[1] = queue->produced;
    return 0;
}

void virtq_notify(struct virtqueue *queue) {
    // The store of our index must be seen before the load of what the device wants to know, or
    // both sides could wait for each other (2.6.7.1).
    memory_fence();
    uint16_t before = queue->notified;
    queue->notified = queue->produced;
    bool wanted;
    if (has_event_index(queue)) {
        uint16_t event = *queue->avail_event;
        wanted = (uint16_t)(queue->produced - event - 1) < (uint16_t)(queue->produced - before);
    } else {
        wanted = !(queue->used_header[0] & USED_NO_NOTIFY);
    }
    if (wanted && before != queue->produced) {
        queue->device->transport->notify(queue);
    }
}

bool virtq_pending(const struct virtqueue *queue) {
    return queue->used_header[1] != queue->consumed;
}

// Put the chain at (head) behind the free ones. Its links are our own. What was used last is
// posted last, so a buffer that the device completes twice is free the second time, and found out.
static void free_chain(struct virtqueue *queue, uint16_t head) {
    struct virtq_slot *slot = &queue->slot[head];
    uint16_t last = head;
    for (unsigned i = 1; i < slot->count; i++) {
        last = queue->slot[last].next_free;
    }
    if (queue->free_count == 0) {
        queue->free_head = head;
    } else {
        queue->slot[queue->free_tail].next_free = head;
    }
    queue->free_tail = last;
    queue->free_count += slot->count;
    slot->cookie = NULL;
    queue->outstanding--;
}

void *virtq_take(struct virtqueue *queue, uint32_t *size) {
    uint16_t used = queue->used_header[1];
    uint16_t pending = used - queue->consumed;
    if (pending == 0 || queue->broken) {
        return NULL;
    }
    if (pending > queue->outstanding) {
        queue->broken = true;
        return NULL;
    }
    // The index must be read before the element that it publishes.
    barrier();
    uint32_t id = queue->used[queue->consumed & queue->mask].id;
    uint32_t written = queue->used[queue->consumed & queue->mask].size;
    if (id >= queue->size || queue->slot[id].cookie == NULL) {
        queue->broken = true;
        return NULL;
    }
    if (written > queue->slot[id].writable) {
        queue->wrong_lengths++;
        written = 0;
    }
    void *cookie = queue->slot[id].cookie;
    free_chain(queue, (uint16_t)id);
    queue->consumed++;
    *size = written;
    return cookie;
}

bool virtq_interrupt_on(struct virtqueue *queue) {
    if (has_event_index(queue)) {
        queue->event = queue->consumed;
        *used_event(queue) = queue->event;
    } else {
        queue->avail[0] = 0;
    }
    // The request must be seen before the last look at the index, or a buffer used in between
    // would raise no interrupt and be seen by nobody.
    memory_fence();
    return virtq_pending(queue);
}

void virtq_interrupt_off(struct virtqueue *queue) {
    if (has_event_index(queue)) {
        // One behind: the index has to go all the way round to meet it.
        queue->event = (uint16_t)(queue->consumed - 1);
        *used_event(queue) = queue->event;
    } else {
        queue->avail[0] = AVAIL_NO_INTERRUPT;
    }
}
