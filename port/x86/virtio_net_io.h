// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What virtio_net.c (the card) and virtio_net_io.c (its frames) share. Nobody else's.

#ifndef IMPORTOS_VIRTIO_NET_IO_H
#define IMPORTOS_VIRTIO_NET_IO_H

#include "virtio.h"
#include "virtio_net.h"

#define F_CSUM (1ull << 0)
#define F_GUEST_CSUM (1ull << 1)
#define F_MTU (1ull << 3)
#define F_MAC (1ull << 5)
#define F_GUEST_TSO4 (1ull << 7)
#define F_GUEST_TSO6 (1ull << 8)
#define F_GUEST_ECN (1ull << 9)
#define F_HOST_TSO4 (1ull << 11)
#define F_HOST_TSO6 (1ull << 12)
#define F_MRG_RXBUF (1ull << 15)
#define F_STATUS (1ull << 16)
#define F_GUEST_TSO (F_GUEST_TSO4 | F_GUEST_TSO6 | F_GUEST_ECN)
#define F_HOST_TSO (F_HOST_TSO4 | F_HOST_TSO6)

#define VLAN_SIZE 4

struct virtio_net_hdr {
    uint8_t flags, gso_type;
    uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
};
_Static_assert(sizeof(struct virtio_net_hdr) == 12, "virtio 1.1, 5.1.6");

enum buffer_state { BUFFER_IDLE, BUFFER_POSTED, BUFFER_HELD };

struct buffer {
    uint8_t *data; // struct virtio_net_hdr, then the frame
    void *cookie; // of a frame sent in pieces
    enum buffer_state state;
};

struct card_state {
    struct buffer rx_buffer[VIRTIO_NET_RING_MAX], tx_buffer[VIRTIO_NET_RING_MAX];
    struct virtio_net_frame rest[VIRTIO_NET_PIECES_MAX];
    uint16_t tx_free[VIRTIO_NET_RING_MAX];
};

struct virtio_net {
    struct virtio_device *device;
    uint64_t wanted; // features
    uint64_t dropped; // features, by virtio_net_raw()
    bool started, failed;
    uint8_t mac[6];
    unsigned mtu;
    size_t rx_buffer_size, tx_buffer_size; // bytes
    unsigned rx_size, tx_size; // descriptors
    unsigned rx_count, tx_count; // buffers
    uint8_t *memory;
    struct virtqueue rx, tx;
    // In struct card_state behind the buffers, so that a machine without a card need not clear it.
    struct buffer *rx_buffer, *tx_buffer;
    struct virtio_net_frame *rest; // of the frame received last
    unsigned rest_count, rest_next;
    uint16_t *tx_free;
    unsigned tx_free_count;
    struct buffer *tx_current; // between send_begin and send_end
    bool tx_waiting; // the ring was full
    volatile bool config_changed; // written by the interrupt handler
    void (*ready)(void *arg);
    void *ready_arg;
    void (*sent)(void *cookie);
    struct virtio_net_stats stats;
    char name[12];
};

// Give (buffer) to the card to receive into.
void virtio_net_post(struct virtio_net *net, struct buffer *buffer);

// Every buffer to send is free again; who sent in pieces is told. The card must not hold any.
void virtio_net_forget_sent(struct virtio_net *net);

// The device broke a rule that the ring stands on, or says that it is broken: begin again, and
// give up when that does not help.
void virtio_net_restart(struct virtio_net *net, const char *why);

#endif // IMPORTOS_VIRTIO_NET_IO_H
