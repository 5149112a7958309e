// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The frames of virtio network cards (virtio 1.1, sections 5.1.6.2 to 5.1.6.4): a header of 12
// bytes stands in front of each. A frame received may lie in several buffers; one to send is
// copied into a buffer, or stays where it is and goes out in pieces that the card cuts into
// packets.
//
// No indirect descriptors: they save ring entries, which do not run short here, and cost one more
// structure to fill and, in QEMU, to map for each frame.

#include "virtio_net_io.h"

#include <errno.h>

#define HDR_NEEDS_CSUM 1
#define HDR_DATA_VALID 2
#define GSO_NONE 0
#define GSO_TCP4 1
#define GSO_TCP6 4
#define GSO_ECN 0x80

// The longest frame that the stack can count. (A packet of 65,535 bytes would be one longer, but
// senders leave room for headers.)
#define FRAME_MAX 65535

#define HEADER_SIZE sizeof(struct virtio_net_hdr)

// --- receive --------------------------------------------------------------------------------

void virtio_net_post(struct virtio_net *net, struct buffer *buffer) {
    struct virtq_piece piece = { buffer->data, (uint32_t)net->rx_buffer_size };
    bool posted = virtq_add(&net->rx, &piece, 0, 1, buffer) == 0;
    buffer->state = posted ? BUFFER_POSTED : BUFFER_IDLE;
}

// Take the (count) buffers that follow the first one of a frame: the device must have used them
// together with it (5.1.6.4). Returns their bytes, or -1.
static long take_rest(struct virtio_net *net, unsigned count) {
    long total = 0;
    net->rest_count = net->rest_next = 0;
    if (count > VIRTIO_NET_PIECES_MAX) {
        return -1;
    }
    for (unsigned i = 0; i < count; i++) {
        uint32_t size;
        struct buffer *buffer = virtq_take(&net->rx, &size);
        if (buffer == NULL) {
            return -1;
        }
        buffer->state = BUFFER_HELD;
        net->rest[net->rest_count++] = (struct virtio_net_frame) {
            .data = buffer->data, .size = size, .buffer = buffer,
        };
        total += size;
    }
    return total;
}

static void drop_rest(struct virtio_net *net) {
    while (net->rest_next < net->rest_count) {
        virtio_net_post(net, net->rest[net->rest_next++].buffer);
    }
}

// Is what the header says of a frame of (length) bytes possible? (5.1.6.4.1)
static bool plausible(const struct virtio_net *net, const struct virtio_net_hdr *header,
    size_t length) {
    uint64_t needed;
    switch (header->gso_type & ~GSO_ECN) {
        case GSO_NONE:
            needed = header->gso_type & GSO_ECN ? F_GUEST_ECN : 0;
            break;
        case GSO_TCP4:
            needed = F_GUEST_TSO4;
            break;
        case GSO_TCP6:
            needed = F_GUEST_TSO6;
            break;
        default:
            return false;
    }
    if ((net->device->features & needed) != needed) {
        return false;
    }
    if (header->gso_type != GSO_NONE && header->gso_size == 0) {
        return false;
    }
    return !(header->flags & HDR_NEEDS_CSUM) ||
           (size_t)header->csum_start + header->csum_offset + 2 <= length;
}

// Turn (size) written bytes of (buffer), and (rest) bytes of the buffers behind it, into a frame;
// false if it is none.
static bool parse(struct virtio_net *net, struct buffer *buffer, uint32_t size, long rest,
    struct virtio_net_frame *frame) {
    if (size < HEADER_SIZE + VIRTIO_NET_HEADER_SIZE) {
        return false;
    }
    const struct virtio_net_hdr copy = *(const struct virtio_net_hdr *)(void *)buffer->data;
    const struct virtio_net_hdr *header = &copy; // the device may still write there
    size_t first = size - HEADER_SIZE;
    size_t length = first + (size_t)rest;
    size_t longest = header->gso_type != GSO_NONE ? FRAME_MAX :
        net->mtu + VIRTIO_NET_HEADER_SIZE + VLAN_SIZE;
    if (length > longest) {
        return false;
    }
    if (!plausible(net, header, length)) {
        net->stats.violations++;
        return false;
    }
    frame->data = buffer->data + HEADER_SIZE;
    while (length < VIRTIO_NET_FRAME_MIN && rest == 0) {
        frame->data[length++] = 0;
        first = length;
    }
    frame->size = first;
    frame->rest = length - first;
    frame->verified = (net->device->features & F_GUEST_CSUM) &&
        (header->flags & (HDR_NEEDS_CSUM | HDR_DATA_VALID));
    frame->buffer = buffer;
    return true;
}

// How many buffers the frame has that begins in (buffer).
static unsigned count_buffers(const struct virtio_net *net, const struct buffer *buffer,
    uint32_t size) {
    if (!(net->device->features & F_MRG_RXBUF) || size < HEADER_SIZE) {
        return 1;
    }
    return ((const struct virtio_net_hdr *)(void *)buffer->data)->num_buffers;
}

int virtio_net_receive(struct virtio_net *net, struct virtio_net_frame *frame) {
    if (net->failed || !net->started) {
        return -ENODEV;
    }
    drop_rest(net);
    // Bounded by what the device holds: a frame that is refused is posted again only afterwards.
    for (unsigned i = 0; i < net->rx_count; i++) {
        uint32_t size;
        uint64_t wrong = net->rx.wrong_lengths;
        struct buffer *buffer = virtq_take(&net->rx, &size);
        if (buffer == NULL) {
            if (net->rx.broken) {
                virtio_net_restart(net, "the receive ring is out of order");
            }
            return -EAGAIN;
        }
        unsigned count = count_buffers(net, buffer, size);
        long rest = take_rest(net, count - 1);
        if (rest < 0) {
            buffer->state = BUFFER_IDLE;
            for (unsigned n = 0; n < net->rest_count; n++) {
                ((struct buffer *)net->rest[n].buffer)->state = BUFFER_IDLE;
            }
            virtio_net_restart(net, "a frame has lost its buffers");
            return -EAGAIN;
        }
        net->stats.violations += net->rx.wrong_lengths - wrong;
        if (parse(net, buffer, size, rest, frame)) {
            buffer->state = BUFFER_HELD;
            net->stats.rx_frames++;
            net->stats.rx_bytes += frame->size + frame->rest;
            return (int)(frame->size + frame->rest);
        }
        net->stats.rx_dropped++;
        virtio_net_post(net, buffer);
        drop_rest(net);
    }
    return -EAGAIN;
}

bool virtio_net_receive_rest(struct virtio_net *net, struct virtio_net_frame *piece) {
    if (net->rest_next == net->rest_count) {
        return false;
    }
    *piece = net->rest[net->rest_next++];
    return true;
}

void virtio_net_release(struct virtio_net *net, void *buffer) {
    struct buffer *b = buffer;
    b->state = BUFFER_IDLE;
    if (net->started && !net->failed) {
        virtio_net_post(net, b);
    }
}

unsigned virtio_net_posted(const struct virtio_net *net) {
    return net->rx.outstanding;
}

// --- send -----------------------------------------------------------------------------------

static void finish(struct virtio_net *net, struct buffer *buffer) {
    void *cookie = buffer->cookie;
    buffer->cookie = NULL;
    if (cookie != NULL && net->sent != NULL) {
        net->sent(cookie);
    }
}

void virtio_net_forget_sent(struct virtio_net *net) {
    net->tx_free_count = net->tx_count;
    for (unsigned i = 0; i < net->tx_count; i++) {
        net->tx_free[i] = (uint16_t)i;
        finish(net, &net->tx_buffer[i]);
    }
    net->tx_current = NULL;
}

static void reclaim(struct virtio_net *net) {
    uint32_t size;
    struct buffer *buffer;
    while ((buffer = virtq_take(&net->tx, &size)) != NULL) {
        net->tx_free[net->tx_free_count++] = (uint16_t)(buffer - net->tx_buffer);
        finish(net, buffer);
    }
    if (net->tx.broken) {
        virtio_net_restart(net, "the transmit ring is out of order");
    }
}

// Asks for an interrupt when something has been sent, where there is no room.
static bool has_room(struct virtio_net *net, unsigned buffers, unsigned descriptors) {
    if (net->tx_free_count >= buffers && net->tx.free_count >= descriptors) {
        return true;
    }
    net->tx_waiting = true;
    virtq_interrupt_on(&net->tx);
    reclaim(net);
    return net->tx_free_count >= buffers && net->tx.free_count >= descriptors;
}

bool virtio_net_room(struct virtio_net *net, unsigned count) {
    count = count < net->tx_count / 4 ? count : net->tx_count / 4;
    return net->failed || !net->started || has_room(net, count, count) || net->failed;
}

// A buffer to send in, with (count) descriptors, or NULL.
static struct buffer *begin(struct virtio_net *net, unsigned count) {
    if (net->failed || !net->started) {
        return NULL;
    }
    if (net->tx_free_count < net->tx_count / 2) {
        reclaim(net);
    }
    if (!has_room(net, 1, count) || net->failed) {
        net->stats.tx_full++;
        return NULL;
    }
    return &net->tx_buffer[net->tx_free[net->tx_free_count - 1]];
}

uint8_t *virtio_net_send_begin(struct virtio_net *net) {
    net->tx_current = begin(net, 1);
    return net->tx_current == NULL ? NULL : net->tx_current->data + HEADER_SIZE;
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
    struct virtq_piece piece = { buffer->data, (uint32_t)(size + HEADER_SIZE) };
    if (virtq_add(&net->tx, &piece, 1, 0, buffer) == 0) {
        net->tx_free_count--;
        net->stats.tx_frames++;
        net->stats.tx_bytes += size;
    }
}

int virtio_net_send_large(struct virtio_net *net, struct virtio_net_large *large, void *cookie) {
    if (net->failed || !net->started) {
        return -ENODEV;
    }
    if (large->count > VIRTIO_NET_PIECES_MAX || !virtio_net_segments(net)) {
        return -EINVAL;
    }
    struct buffer *buffer = begin(net, large->count + 1);
    if (buffer == NULL) {
        return net->failed ? -ENODEV : -EAGAIN;
    }
    struct virtio_net_hdr *header = (struct virtio_net_hdr *)(void *)buffer->data;
    *header = (struct virtio_net_hdr) {
        .flags = HDR_NEEDS_CSUM, .csum_start = large->sum_start,
        .csum_offset = large->sum_offset, .gso_type = large->ip6 ? GSO_TCP6 : GSO_TCP4,
        .hdr_len = large->header_size, .gso_size = large->segment_size,
    };
    struct virtq_piece piece[1 + VIRTIO_NET_PIECES_MAX];
    piece[0] = (struct virtq_piece) { buffer->data, HEADER_SIZE };
    size_t size = 0;
    for (unsigned i = 0; i < large->count; i++) {
        piece[1 + i] = (struct virtq_piece) { large->piece[i].data, large->piece[i].size };
        size += large->piece[i].size;
    }
    if (virtq_add(&net->tx, piece, 1 + large->count, 0, buffer) < 0) {
        return -EAGAIN;
    }
    buffer->cookie = cookie;
    net->tx_free_count--;
    net->stats.tx_frames++;
    net->stats.tx_bytes += size;
    return 0;
}

void virtio_net_reclaim(struct virtio_net *net) {
    if (net->started && !net->failed && virtq_pending(&net->tx)) {
        reclaim(net);
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
    if (net->failed || net->tx_free_count < net->tx_count / 4 ||
        net->tx.free_count < net->tx_size / 4) {
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
