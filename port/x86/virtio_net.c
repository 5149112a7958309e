// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Virtio network cards (virtio 1.1, section 5.1): finding, starting, resetting them, and what they
// are. The frames are in virtio_net_io.c.

#include <errno.h>

#include "cpu.h"
#include "log.h"
#include "pci.h"
#include "random.h"
#include "virtio_net_io.h"

#define WANTED (F_CSUM | F_GUEST_CSUM | F_MTU | F_MAC | F_STATUS | VIRTIO_F_EVENT_IDX)
#define OFFLOADS (F_MRG_RXBUF | F_GUEST_TSO | F_HOST_TSO)
#define RECEIVE_OFFLOADS (F_GUEST_CSUM | F_GUEST_TSO)

#define QUEUE_RX 0
#define QUEUE_TX 1
#define CONFIG_MAC 0
#define CONFIG_STATUS 6
#define CONFIG_MTU 10
#define STATUS_LINK_UP 1

#define MTU_DEFAULT 1500
#define MTU_MIN 68
#define MTU_MAX 9000
#define BUFFER_ALIGN 64
#define BUFFER_MIN 2048
// With mergeable buffers: a copy of one with its headers fits an object of 16 KiB of net_memory.c,
// and of QEMU's 128 buffers half hold a window of lwIP's.
#define BUFFER_MERGED 16256

static struct virtio_net cards[VIRTIO_NET_MAX];
static unsigned card_count;
static bool probed;

static int start_queues(struct virtio_net *net);

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
    net->tx_buffer_size = size < BUFFER_MIN ? BUFFER_MIN : size;
    net->rx_buffer_size = net->tx_buffer_size;
    if ((device->features & F_MRG_RXBUF) && size < BUFFER_MERGED) {
        net->rx_buffer_size = BUFFER_MERGED;
    }
}

// Large frames need buffers that can be joined. (They also need the checksum features, 5.1.3.1,
// but a device that forgets that does not harm us.)
static int negotiate(struct virtio_net *net) {
    int ret = virtio_negotiate(net->device, net->wanted);
    uint64_t features = net->device->features;
    if (ret == 0 && (features & F_GUEST_TSO) && !(features & F_MRG_RXBUF)) {
        ret = virtio_negotiate(net->device, net->wanted & ~F_GUEST_TSO);
    }
    return ret;
}

long virtio_net_prepare(struct virtio_net *net, unsigned ring, bool large) {
    net->wanted = large ? WANTED | OFFLOADS : WANTED;
    int ret = negotiate(net);
    if (ret < 0) {
        kprintf("%s: could not negotiate: %d\n", net->name, ret);
        return ret;
    }
    read_config(net);
    if (ring > VIRTIO_NET_RING_MAX) {
        ring = VIRTIO_NET_RING_MAX;
    }
    net->rx_size = virtq_choose_size(net->device, QUEUE_RX, 2 * ring);
    net->tx_size = virtq_choose_size(net->device, QUEUE_TX, ring);
    if (net->rx_size < 2 || net->tx_size < 2) {
        kprintf("%s: queue sizes %u and %u\n", net->name, net->rx_size, net->tx_size);
        virtio_fail(net->device);
        return -ENOTSUP;
    }
    // Twice as many descriptors as buffers: see free_chain() in virtq.c.
    net->rx_count = net->rx_size / 2;
    net->tx_count = net->tx_size;
    return (long)(virtq_memory_size(net->rx_size) + virtq_memory_size(net->tx_size) +
        net->rx_count * net->rx_buffer_size + net->tx_count * net->tx_buffer_size +
        sizeof(struct card_state));
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
    struct card_state *state = (struct card_state *)(void *)(data +
        net->rx_count * net->rx_buffer_size + net->tx_count * net->tx_buffer_size);
    net->rx_buffer = state->rx_buffer;
    net->tx_buffer = state->tx_buffer;
    net->rest = state->rest;
    net->tx_free = state->tx_free;
    for (unsigned i = 0; i < net->rx_count; i++, data += net->rx_buffer_size) {
        net->rx_buffer[i] = (struct buffer) { .data = data };
    }
    for (unsigned i = 0; i < net->tx_count; i++, data += net->tx_buffer_size) {
        net->tx_buffer[i] = (struct buffer) { .data = data };
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
    virtio_net_forget_sent(net);
    net->rest_count = 0;
    virtq_interrupt_off(&net->tx);
    virtio_start(net->device);
    for (unsigned i = 0; i < net->rx_count; i++) {
        if (net->rx_buffer[i].state != BUFFER_HELD) {
            virtio_net_post(net, &net->rx_buffer[i]);
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
        } else {
            virtio_net_forget_sent(net);
        }
    }
}

// Reset, and the same features again: what was promised to the stack must stay true.
static int begin_again(struct virtio_net *net) {
    uint64_t before = net->device->features;
    int ret = negotiate(net);
    if (ret == 0 && ((net->device->features ^ before) & ~RECEIVE_OFFLOADS) != 0) {
        ret = -ENOTSUP;
    }
    return ret == 0 ? start_queues(net) : ret;
}

static void give_up(struct virtio_net *net) {
    net->failed = true;
    virtio_irq_close(net->device);
    virtio_fail(net->device);
    // Where nothing answers, reads give zeros or ones: what reads as ones is not known to be idle.
    if (virtio_reset(net->device) == 0) {
        virtio_net_forget_sent(net);
    }
}

void virtio_net_restart(struct virtio_net *net, const char *why) {
    net->stats.violations++;
    if (net->failed) {
        return;
    }
    kprintf("%s: %s, reset\n", net->name, why);
    if (net->stats.resets < VIRTIO_NET_RESET_MAX && begin_again(net) == 0) {
        net->stats.resets++;
        return;
    }
    kprintf("%s: given up after %u resets\n", net->name, (unsigned)net->stats.resets);
    give_up(net);
}

bool virtio_net_lost(struct virtio_net *net) {
    if (net->started && !net->failed && net->device->pci != NULL &&
        !pci_present(net->device->pci)) {
        kprintf("%s: taken out\n", net->name);
        give_up(net);
    }
    return net->failed;
}

void virtio_net_raw(struct virtio_net *net, bool raw) {
    bool offloaded = net->device->features & RECEIVE_OFFLOADS;
    bool wanted = net->wanted & RECEIVE_OFFLOADS;
    if (raw ? !offloaded : wanted) {
        return;
    }
    net->wanted = raw ? net->wanted & ~RECEIVE_OFFLOADS : net->wanted | net->dropped;
    net->dropped = raw ? net->device->features & RECEIVE_OFFLOADS : 0;
    if (net->started && !net->failed && begin_again(net) < 0) {
        virtio_net_restart(net, "no other features");
    }
}

// --- facts ----------------------------------------------------------------------------------

void virtio_net_on_ready(struct virtio_net *net, void (*fn)(void *arg), void *arg) {
    uint64_t state = irq_save();
    net->ready = fn;
    net->ready_arg = arg;
    irq_restore(state);
}

void virtio_net_on_sent(struct virtio_net *net, void (*fn)(void *cookie)) {
    net->sent = fn;
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
            virtio_net_restart(net, "the device asks for it");
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

bool virtio_net_segments(const struct virtio_net *net) {
    return (net->device->features & F_CSUM) &&
           (net->device->features & F_HOST_TSO) == F_HOST_TSO;
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
