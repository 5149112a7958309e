// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The network as a whole: cards, lwIP, and when they run. Main thread only.

#ifndef IMPORTOS_NETIF_VIRTIO_H
#define IMPORTOS_NETIF_VIRTIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lwip/netif.h"

struct virtio_net;
struct virtio_net_frame;
struct pbuf;

// What a frame is before the stack sees it. Return true to keep it from the stack; (*held) set to
// true means that the callee releases the card's buffer itself, later.
typedef bool (*net_frame_hook_t)(unsigned index, struct virtio_net_frame *frame, bool *held);

struct net_card {
    struct virtio_net *device;
    struct netif netif;
    unsigned index;
    unsigned posted_min; // buffers that the card must keep
    net_frame_hook_t frame_hook;
    uint64_t rx_no_memory; // frames dropped because there was no memory for them
    uint64_t flush_at_bytes; // received: when the TLB is flushed next
    bool polling; // link_output() leaves the flush to the poll
    bool lost; // the device failed or was taken out: down for ever
};

// Start lwIP and every card: address by the boot option ip=, else DHCP and SLAAC. The first call
// does it, later ones return at once. Finding no card is no error.
void net_start(void);

// The (n)th card, NULL past the last. Starts the network if need be.
struct net_card *net_card_get(unsigned n);

// Soft reset: every object of `net` lets go; interfaces, leases and what sockets have still to
// send stay. Before os_events_reset().
void net_soft_reset(void);

// Wait until some interface has an address, or DHCP has had (limit_ms). At once in a callback.
void net_wait_address(unsigned limit_ms);

// True where waiting for the network is waiting for ever: in a callback, which runs while the
// scheduler is locked, so that the stack does not.
bool net_in_callback(void);

// Whether every card has room for (size) bytes, cut into packets. If not, the main thread is woken
// when it has.
bool net_can_send(size_t size);

// Run the stack once soon; any context.
void net_schedule(void);

// Send a raw frame. 0, or a negative errno.
int net_card_send(struct net_card *card, const void *data, size_t size);

// Hand a received frame to the stack, or to the hook. Takes over its buffers.
void net_card_input(struct net_card *card, struct virtio_net_frame *frame);

// lwIP's linkoutput: copies the frame, or holds a segment that the card has to cut until
// net_card_sent() is called with it.
err_t net_card_output(struct netif *netif, struct pbuf *p);
void net_card_sent(void *cookie);

// NETIF_CHECKSUM_ flags: what lwIP has to compute, and to check of a frame that the card has
// (verified) or not.
u16_t net_card_checksums(const struct net_card *card, bool verified);

// Switch DHCP on, or off and set a static address; NULL parts are left alone.
void net_card_dhcp(struct net_card *card);
void net_card_static(struct net_card *card, const ip4_addr_t *address, const ip4_addr_t *mask,
    const ip4_addr_t *gateway);
void net_card_active(struct net_card *card, bool up);
bool net_card_has_address(const struct net_card *card);

#endif // IMPORTOS_NETIF_VIRTIO_H
