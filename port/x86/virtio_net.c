// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Virtio network cards (virtio 1.1, section 5.1): one receive and one transmit queue, a header of
// 12 bytes and the frame in one buffer. No mergeable buffers: without segmentation offload a frame
// never exceeds the MTU, so there is nothing to merge.

#include "virtio_net.h"

#include <errno.h>

#include "cpu.h"
#include "log.h"
#include "random.h"
#include "virtio.h"

#define F_CSUM (1ull << 0)
#define F_GUEST_CSUM (1ull << 1)
#define F_MTU (1ull << 3)
#define F_MAC (1ull << 5)
#define F_STATUS (1ull << 16)
#define WANTED (F_CSUM | F_GUEST_CSUM | F_MTU | F_MAC | F_STATUS | VIRTIO_F_EVENT_IDX)

#define QUEUE_RX 0
#define QUEUE_TX 1
#define CONFIG_MAC 0
#define CONFIG_STATUS 6
#define CONFIG_MTU 10
#define STATUS_LINK_UP 1

#define MTU_DEFAULT 1500
#define MTU_MIN 68
#define MTU_MAX 9000
#define VLAN_SIZE 4
#define BUFFER_ALIGN 64
#define BUFFER_MIN 2048

#define HDR_NEEDS_CSUM 1
#define HDR_DATA_VALID 2

struct virtio_net_hdr {
    uint8_t flags, gso_type;
    uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
};
_Static_assert(sizeof(struct virtio_net_hdr) == 12, "virtio 1.1, 5.1.6");

enum buffer_state { BUFFER_IDLE, BUFFER_POSTED, BUFFER_HELD };

struct buffer {
    uint8_t *data; // struct virtio_net_hdr, then the frame
    enum buffer_state state;
};

struct virtio_net {
    struct virtio_device *device;
    bool started, failed;
    uint8_t mac[6];
    unsigned mtu;
    size_t buffer_size;
    unsigned rx_size, tx_size;
    uint8_t *memory;
    struct virtqueue rx, tx;
    struct buffer rx_buffer[VIRTIO_NET_RING_MAX], tx_buffer[VIRTIO_NET_RING_MAX];
    uint16_t tx_free[VIRTIO_NET_RING_MAX];
    unsigned tx_free_count;
    struct buffer *tx_current; // between send_begin and send_end
    bool tx_waiting; // the ring was full
    volatile bool config_changed; // written by the interrupt handler
    void (*ready)(void *arg);
    void *ready_arg;
    struct virtio_net_stats stats;
    char name[12];
};

static struct virtio_net cards[VIRTIO_NET_MAX];
static unsigned card_count;
static bool probed;

static int start_queues(struct virtio_net *net);
static void restart(struct virtio_net *net, const char *why);

// --- probe and start ------------------------------------------------------------------------

struct virtio_net *virtio_net_get(unsigned n) {
    while (!probed) {
        struct virtio_device *device =
            card_count < VIRTIO_NET_MAX ? virtio_claim(VIRTIO_ID_NET) : NULL;
        if (device == NULL) {
            probed = true;
            break;
        }
        struct virtio_net *net = &cards[card_count];
        net->device = device;
        const char name[] = "virtio-net0";
        for (unsigned i = 0; i < sizeof(name); i++) {
            net->name[i] = name[i];
        }
        net->name[10] = (char)('0' + card_count);
        card_count++;
    }
    return n < card_count ? &cards[n] : NULL;
}

static void read_config(struct virtio_net *net) {
    struct virtio_device *device = net->device;
    if (device->features & F_MAC) {
        virtio_config_read(device, CONFIG_MAC, net->mac, sizeof(net->mac));
    }
    bool zero = true;
    for (unsigned i = 0; i < 6; i++) {
        zero = zero && net->mac[i] == 0;
    }
    if (zero || (net->mac[0] & 1)) {
        // No address, or a group's: choose a locally administered one.
        random_bytes(net->mac, sizeof(net->mac));
        net->mac[0] = (uint8_t)((net->mac[0] & 0xfc) | 2);
    }
    net->mtu = MTU_DEFAULT;
    if (device->features & F_MTU) {
        uint16_t mtu = 0;
        virtio_config_read(device, CONFIG_MTU, &mtu, sizeof(mtu));
        net->mtu = mtu < MTU_MIN ? MTU_DEFAULT : mtu > MTU_MAX ? MTU_MAX : mtu;
    }
    size_t size = sizeof(struct virtio_net_hdr) + VIRTIO_NET_HEADER_SIZE + VLAN_SIZE + net->mtu;
    size = (size + BUFFER_ALIGN - 1) & ~(size_t)(BUFFER_ALIGN - 1);
    net->buffer_size = size < BUFFER_MIN ? BUFFER_MIN : size;
}

long virtio_net_prepare(struct virtio_net *net, unsigned ring) {
    int ret = virtio_negotiate(net->device, WANTED);
    if (ret < 0) {
        kprintf("%s: could not negotiate: %d\n", net->name, ret);
        return ret;
    }
    read_config(net);
    if (ring > VIRTIO_NET_RING_MAX) {
        ring = VIRTIO_NET_RING_MAX;
    }
    net->rx_size = virtq_choose_size(net->device, QUEUE_RX, ring);
    net->tx_size = virtq_choose_size(net->device, QUEUE_TX, ring);
    if (net->rx_size < 2 || net->tx_size < 2) {
        kprintf("%s: queue sizes %u and %u\n", net->name, net->rx_size, net->tx_size);
        virtio_fail(net->device);
        return -ENOTSUP;
    }
    return (long)(virtq_memory_size(net->rx_size) + virtq_memory_size(net->tx_size) +
        (net->rx_size + net->tx_size) * net->buffer_size);
}

// Interrupt context: no more interrupts until the main thread has looked.
static void handle_queue(void *arg) {
    struct virtio_net *net = arg;
    if (!net->started) {
        return; // a shared line, before there are rings
    }
    net->stats.interrupts++;
    virtq_interrupt_off(&net->rx);
    if (net->ready != NULL) {
        net->ready(net->ready_arg);
    }
}

static void handle_config(void *arg) {
    struct virtio_net *net = arg;
    net->config_changed = true;
    if (net->ready != NULL) {
        net->ready(net->ready_arg);
    }
}

int virtio_net_start(struct virtio_net *net, void *memory) {
    net->memory = memory;
    uint8_t *data = net->memory + virtq_memory_size(net->rx_size) +
        virtq_memory_size(net->tx_size);
    for (unsigned i = 0; i < net->rx_size; i++, data += net->buffer_size) {
        net->rx_buffer[i].data = data;
    }
    for (unsigned i = 0; i < net->tx_size; i++, data += net->buffer_size) {
        net->tx_buffer[i].data = data;
    }
    int ret = virtio_irq_open(net->device, net->name, handle_queue, handle_config, net);
    if (ret < 0) {
        kprintf("%s: no interrupt: %d\n", net->name, ret);
        virtio_fail(net->device);
        return ret;
    }
    ret = start_queues(net);
    if (ret < 0) {
        kprintf("%s: could not start the queues: %d\n", net->name, ret);
        virtio_irq_close(net->device);
        virtio_fail(net->device);
        return ret;
    }
    net->started = true;
    return 0;
}

static void post(struct virtio_net *net, struct buffer *buffer) {
    struct virtq_piece piece = { buffer->data, (uint32_t)net->buffer_size };
    bool posted = virtq_add(&net->rx, &piece, 0, 1, buffer) == 0;
    buffer->state = posted ? BUFFER_POSTED : BUFFER_IDLE;
}

static int start_queues(struct virtio_net *net) {
    int ret = virtio_queue_open(net->device, &net->rx, QUEUE_RX, net->rx_size, net->memory);
    if (ret < 0) {
        return ret;
    }
    ret = virtio_queue_open(net->device, &net->tx, QUEUE_TX, net->tx_size,
        net->memory + virtq_memory_size(net->rx_size));
    if (ret < 0) {
        return ret;
    }
    net->tx_free_count = net->tx_size;
    for (unsigned i = 0; i < net->tx_size; i++) {
        net->tx_free[i] = (uint16_t)i;
    }
    net->tx_current = NULL;
    virtq_interrupt_off(&net->tx);
    virtio_start(net->device);
    for (unsigned i = 0; i < net->rx_size; i++) {
        if (net->rx_buffer[i].state != BUFFER_HELD) {
            post(net, &net->rx_buffer[i]);
        }
    }
    virtq_notify(&net->rx);
    virtq_interrupt_on(&net->rx);
    return 0;
}

void virtio_net_stop(struct virtio_net *net) {
    if (net->started) {
        net->started = false;
        net->ready = NULL;
        virtio_irq_close(net->device);
        if (virtio_reset(net->device) < 0) {
            net->failed = true;
        }
    }
}

// The device broke a rule that the ring stands on, or says that it is broken: begin again, and
// give up when that does not help.
static void restart(struct virtio_net *net, const char *why) {
    net->stats.violations++;
    if (net->failed) {
        return;
    }
    kprintf("%s: %s, reset\n", net->name, why);
    if (net->stats.resets < VIRTIO_NET_RESET_MAX && virtio_negotiate(net->device, WANTED) == 0 &&
        start_queues(net) == 0) {
        net->stats.resets++;
        return;
    }
    kprintf("%s: given up after %u resets\n", net->name, (unsigned)net->stats.resets);
    net->failed = true;
    virtio_irq_close(net->device);
    virtio_fail(net->device);
    virtio_reset(net->device);
}

// --- receive --------------------------------------------------------------------------------

// Turn (size) written bytes of (buffer) into a frame; false if it is none.
static bool parse(struct virtio_net *net, struct buffer *buffer, uint32_t size,
    struct virtio_net_frame *frame) {
    const size_t header_size = sizeof(struct virtio_net_hdr);
    if (size < header_size + VIRTIO_NET_HEADER_SIZE) {
        return false;
    }
    size_t length = size - header_size;
    if (length > net->mtu + VIRTIO_NET_HEADER_SIZE + VLAN_SIZE) {
        return false;
    }
    const struct virtio_net_hdr *header = (const struct virtio_net_hdr *)(void *)buffer->data;
    frame->data = buffer->data + header_size;
    while (length < VIRTIO_NET_FRAME_MIN) {
        frame->data[length++] = 0;
    }
    frame->size = length;
    frame->verified = (net->device->features & F_GUEST_CSUM) &&
        (header->flags & (HDR_NEEDS_CSUM | HDR_DATA_VALID));
    frame->buffer = buffer;
    return true;
}

int virtio_net_receive(struct virtio_net *net, struct virtio_net_frame *frame) {
    if (net->failed || !net->started) {
        return -ENODEV;
    }
    // Bounded by what the device holds: a frame that is refused is posted again only afterwards.
    for (unsigned i = 0; i < net->rx_size; i++) {
        uint32_t size;
        uint64_t wrong = net->rx.wrong_lengths;
        struct buffer *buffer = virtq_take(&net->rx, &size);
        if (buffer == NULL) {
            if (net->rx.broken) {
                restart(net, "the receive ring is out of order");
            }
            return -EAGAIN;
        }
        net->stats.violations += net->rx.wrong_lengths - wrong;
        if (parse(net, buffer, size, frame)) {
            buffer->state = BUFFER_HELD;
            net->stats.rx_frames++;
            net->stats.rx_bytes += frame->size;
            return (int)frame->size;
        }
        net->stats.rx_dropped++;
        post(net, buffer);
    }
    return -EAGAIN;
}

void virtio_net_release(struct virtio_net *net, void *buffer) {
    struct buffer *b = buffer;
    b->state = BUFFER_IDLE;
    if (net->started && !net->failed) {
        post(net, b);
    }
}

unsigned virtio_net_posted(const struct virtio_net *net) {
    return net->rx.outstanding;
}

// --- send -----------------------------------------------------------------------------------

static void reclaim(struct virtio_net *net) {
    uint32_t size;
    struct buffer *buffer;
    while ((buffer = virtq_take(&net->tx, &size)) != NULL) {
        net->tx_free[net->tx_free_count++] = (uint16_t)(buffer - net->tx_buffer);
    }
    if (net->tx.broken) {
        restart(net, "the transmit ring is out of order");
    }
}

uint8_t *virtio_net_send_begin(struct virtio_net *net) {
    if (net->failed || !net->started) {
        return NULL;
    }
    if (net->tx_free_count < net->tx_size / 2) {
        reclaim(net);
    }
    if (net->tx_free_count == 0) {
        net->stats.tx_full++;
        net->tx_waiting = true;
        if (!virtq_interrupt_on(&net->tx)) {
            return NULL;
        }
        reclaim(net);
        if (net->tx_free_count == 0) {
            return NULL;
        }
    }
    net->tx_current = &net->tx_buffer[net->tx_free[net->tx_free_count - 1]];
    return net->tx_current->data + sizeof(struct virtio_net_hdr);
}

void virtio_net_send_end(struct virtio_net *net, size_t size, unsigned sum_start,
    unsigned sum_offset) {
    struct buffer *buffer = net->tx_current;
    net->tx_current = NULL;
    if (buffer == NULL || size == 0) {
        return;
    }
    struct virtio_net_hdr *header = (struct virtio_net_hdr *)(void *)buffer->data;
    *header = (struct virtio_net_hdr) { 0 };
    if (sum_start != 0 && (net->device->features & F_CSUM)) {
        header->flags = HDR_NEEDS_CSUM;
        header->csum_start = (uint16_t)sum_start;
        header->csum_offset = (uint16_t)sum_offset;
    }
    struct virtq_piece piece = { buffer->data, (uint32_t)(size + sizeof(*header)) };
    if (virtq_add(&net->tx, &piece, 1, 0, buffer) == 0) {
        net->tx_free_count--;
        net->stats.tx_frames++;
        net->stats.tx_bytes += size;
    }
}

void virtio_net_flush(struct virtio_net *net) {
    if (net->started && !net->failed) {
        virtq_notify(&net->tx);
        virtq_notify(&net->rx);
    }
}

bool virtio_net_send_resumed(struct virtio_net *net) {
    if (!net->tx_waiting || net->failed || !net->started) {
        return false;
    }
    reclaim(net);
    if (net->tx_free_count < net->tx_size / 4) {
        return false;
    }
    net->tx_waiting = false;
    virtq_interrupt_off(&net->tx);
    return true;
}

bool virtio_net_wait(struct virtio_net *net) {
    if (net->failed || !net->started) {
        return false;
    }
    bool work = virtq_interrupt_on(&net->rx);
    if (net->tx_waiting) {
        work = virtq_interrupt_on(&net->tx) || work;
    }
    return work || (net->config_changed && net->started);
}

// --- facts ----------------------------------------------------------------------------------

void virtio_net_on_ready(struct virtio_net *net, void (*fn)(void *arg), void *arg) {
    uint64_t state = irq_save();
    net->ready = fn;
    net->ready_arg = arg;
    irq_restore(state);
}

const uint8_t *virtio_net_mac(const struct virtio_net *net) {
    return net->mac;
}

unsigned virtio_net_mtu(const struct virtio_net *net) {
    return net->mtu;
}

bool virtio_net_link(struct virtio_net *net) {
    if (net->failed || !net->started) {
        return false;
    }
    if (net->config_changed) {
        net->config_changed = false;
        if (net->device->transport->read_status(net->device) & VIRTIO_STATUS_NEEDS_RESET) {
            restart(net, "the device asks for it");
        }
    }
    if (net->failed || !(net->device->features & F_STATUS)) {
        return !net->failed;
    }
    uint16_t status = 0;
    virtio_config_read(net->device, CONFIG_STATUS, &status, sizeof(status));
    return status & STATUS_LINK_UP;
}

bool virtio_net_link_changed(const struct virtio_net *net) {
    return net->config_changed;
}

bool virtio_net_checksums(const struct virtio_net *net) {
    return net->device->features & F_CSUM;
}

bool virtio_net_failed(const struct virtio_net *net) {
    return net->failed;
}

const struct virtio_net_stats *virtio_net_stats(const struct virtio_net *net) {
    return &net->stats;
}

const char *virtio_net_attachment(const struct virtio_net *net) {
    if (net->device->pci == NULL) {
        return "mmio";
    }
    return net->device->irq_messages ? "pci msix" : "pci intx";
}
