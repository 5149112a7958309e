// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Virtio 1.1: devices, feature negotiation, split virtqueues (sections 2, 3 and 4). Modern devices
// only. Nothing that the device writes is trusted: what was posted is remembered in memory of our
// own, and every index, id and length is checked against that before it is used.
//
// Context: the main thread, but for the handlers that virtio_irq_open() attaches. One virtqueue
// belongs to one user, who calls from one context at a time.

#ifndef IMPORTOS_VIRTIO_H
#define IMPORTOS_VIRTIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "irq.h"

#define VIRTIO_ID_NET 1
#define VIRTIO_ID_BLOCK 2
#define VIRTIO_ID_CONSOLE 3
#define VIRTIO_ID_RNG 4
#define VIRTIO_ID_BALLOON 5
#define VIRTIO_ID_9P 9

#define VIRTIO_DEVICE_MAX 32
#define VIRTIO_QUEUE_MAX 4 // queues of a device that this program uses
#define VIRTQ_SIZE_MAX 1024
#define VIRTQ_CHAIN_MAX 24 // pieces of one buffer

#define VIRTIO_F_INDIRECT_DESC (1ull << 28)
#define VIRTIO_F_EVENT_IDX (1ull << 29)
#define VIRTIO_F_VERSION_1 (1ull << 32)

#define VIRTIO_STATUS_ACKNOWLEDGE 1
#define VIRTIO_STATUS_DRIVER 2
#define VIRTIO_STATUS_DRIVER_OK 4
#define VIRTIO_STATUS_FEATURES_OK 8
#define VIRTIO_STATUS_NEEDS_RESET 64
#define VIRTIO_STATUS_FAILED 128

struct pci_device;
struct virtio_device;
struct virtqueue;

// What PCI and MMIO do differently. Filled at probe.
struct virtio_transport {
    const char *name; // "pci" or "mmio"
    uint64_t (*read_features)(struct virtio_device *device);
    void (*write_features)(struct virtio_device *device, uint64_t features);
    uint8_t (*read_status)(struct virtio_device *device);
    void (*write_status)(struct virtio_device *device, uint8_t status);
    uint8_t (*read_config)(struct virtio_device *device, unsigned offset);
    void (*write_config)(struct virtio_device *device, unsigned offset, uint32_t value);
    uint32_t (*config_generation)(struct virtio_device *device);
    unsigned (*queue_size)(struct virtio_device *device, unsigned index); // 0: no such queue
    int (*queue_start)(struct virtio_device *device, struct virtqueue *queue);
    void (*notify)(struct virtqueue *queue);
    uint32_t (*acknowledge)(struct virtio_device *device); // interrupt status; reading quiets it
    int (*irq_open)(struct virtio_device *device);
    void (*irq_close)(struct virtio_device *device);
};

struct virtio_device {
    const struct virtio_transport *transport;
    uint16_t id; // VIRTIO_ID_*
    uint64_t features; // negotiated
    bool claimed; // a driver has it
    // What to call in interrupt context, see virtio_irq_open().
    void (*on_queue)(void *arg);
    void (*on_config)(void *arg);
    void *arg;
    const char *name;
    struct irq_action queue_action, config_action;
    int queue_irq, config_irq; // irq numbers, -1: none
    bool irq_messages; // MSI-X: handlers need not ask the device
    // PCI
    struct pci_device *pci;
    uintptr_t common, isr, config, notify_base; // mapped registers
    uint32_t config_size, notify_size, notify_multiplier;
    // MMIO
    uintptr_t mmio;
    uint32_t mmio_irq;
    unsigned mmio_wiring; // IRQ_EDGE or IRQ_LEVEL
};

// One buffer of a chain, in device order: all that the device reads, then all that it writes.
struct virtq_piece {
    void *data;
    uint32_t size; // bytes
};

struct virtq_desc {
    uint64_t address;
    uint32_t size;
    uint16_t flags;
    uint16_t next;
};
_Static_assert(sizeof(struct virtq_desc) == 16, "virtio 1.1, 2.6.5");

struct virtq_used_element {
    uint32_t id;
    uint32_t size;
};

// Our own memory of a posted buffer, by the number of its first descriptor.
struct virtq_slot {
    void *cookie; // NULL: the device does not hold this one
    uint32_t writable; // bytes that the device may write
    uint16_t count; // descriptors of the chain
    uint16_t next_free; // of this descriptor, while free
};

struct virtqueue {
    struct virtio_device *device;
    unsigned index;
    uint16_t size, mask; // descriptors, a power of two
    uint16_t produced; // our avail index; counts up and wraps by itself
    uint16_t consumed; // used entries taken
    uint16_t free_head, free_tail, free_count; // descriptors, a queue
    uint16_t outstanding; // buffers that the device holds
    uint16_t notified; // produced at the last look at avail_event
    uint16_t event; // used_event as last written
    bool broken; // the device lied; nothing is taken until virtq_init()
    struct virtq_desc *desc;
    volatile uint16_t *avail; // flags, idx, ring[size], used_event
    volatile uint16_t *used_header; // flags, idx
    volatile struct virtq_used_element *used;
    volatile uint16_t *avail_event;
    struct virtq_slot *slot;
    uintptr_t notify_address;
    uint16_t notify_value;
    uint64_t wrong_lengths; // buffers that came back longer than they are
};

// Find all virtio devices, once: PCI, then MMIO (the command line's words of the form
// virtio_mmio.device=512@0xfeb00e00:12, or else ACPI). Returns the (n)th device with (id) that no
// driver has claimed and claims it, or NULL.
struct virtio_device *virtio_claim(uint16_t id);

// Reset the device and negotiate: (wanted) less what it does not offer. VERSION_1 is required.
// -ENOTSUP: a legacy device; -EIO: it does not come out of reset, or refuses the features.
// Then: queues by virtio_queue_open(), interrupts by virtio_irq_open(), and virtio_start().
int virtio_negotiate(struct virtio_device *device, uint64_t wanted);
void virtio_start(struct virtio_device *device);

// Stop the device: it holds no memory of ours any more. -EIO: it does not say that it stopped
// within 100 ms; its memory must then never be used for anything else.
int virtio_reset(struct virtio_device *device);

// Tell the device that the driver gave up.
void virtio_fail(struct virtio_device *device);

// Device-specific configuration, (size) bytes, read until it did not change meanwhile (bounded).
void virtio_config_read(struct virtio_device *device, unsigned offset, void *data, size_t size);

// Call (on_queue)(arg) in interrupt context when a queue has used buffers, (on_config)(arg) when
// the configuration changed: two MSI-X messages, or one line. A call may come for nothing.
// -EBUSY, -ENOSPC, -ENODEV: no interrupt is to be had.
int virtio_irq_open(struct virtio_device *device, const char *name, void (*on_queue)(void *arg),
    void (*on_config)(void *arg), void *arg);
void virtio_irq_close(struct virtio_device *device);

// The size that queue (index) will get: the device's maximum, at most (wanted), a power of two.
// 0: there is no such queue, or its size is not a power of two (2.6).
unsigned virtq_choose_size(struct virtio_device *device, unsigned index, unsigned wanted);

// Bytes of page-aligned memory that a queue of (size) needs.
size_t virtq_memory_size(unsigned size);

// Lay out (queue) in (memory), which is the queue's until the device is reset, and tell the
// device.
int virtio_queue_open(struct virtio_device *device, struct virtqueue *queue, unsigned index,
    unsigned size, void *memory);

// Post one buffer of (out) pieces for the device to read and (in) pieces to write. (cookie), not
// NULL, names it when it comes back. The memory is the device's until then. -ENOSPC: no
// descriptor.
int virtq_add(struct virtqueue *queue, const struct virtq_piece *pieces, unsigned out,
    unsigned in, void *cookie);

// Tell the device about what was added, if it wants to know.
void virtq_notify(struct virtqueue *queue);

// Take back one buffer: returns its cookie and how much the device wrote, or NULL if there is
// none. A length above what was posted counts in wrong_lengths and reads as 0. An index or an id
// that cannot be sets (broken): the caller must reset the device.
void *virtq_take(struct virtqueue *queue, uint32_t *size);

// True if virtq_take() has something to take (or to find broken).
bool virtq_pending(const struct virtqueue *queue);

// Ask for an interrupt with the next used buffer; true if one is there already and none will come.
bool virtq_interrupt_on(struct virtqueue *queue);
void virtq_interrupt_off(struct virtqueue *queue);

// The probes, for virtio.c: call (found) for every device; the device is copied.
void virtio_pci_probe(void (*found)(const struct virtio_device *device));
void virtio_mmio_probe(void (*found)(const struct virtio_device *device));

#endif // IMPORTOS_VIRTIO_H
