// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Cards as lwIP's interfaces, and the moments at which the stack runs. (Frames are in
// netif_frames.c; no other file knows both virtio_net and lwIP.) Interrupts and a timer queue one
// static scheduler node; everything else happens in its callback, between two bytecodes of the
// main thread or out of a wait.

#include "netif_virtio.h"

#include <errno.h>
#include <string.h>

#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/ethip6.h"
#include "lwip/init.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"
#include "lwip/timeouts.h"
#include "netif/ethernet.h"
#include "py/mphal.h"
#include "py/runtime.h"

#include "clock.h"
#include "cpu.h"
#include "log.h"
#include "net_config.h"
#include "memory.h"
#include "net_memory.h"
#include "net_object.h"
#include "net_quiet.h"
#include "timer.h"
#include "virtio_net.h"

#define RING_FULL VIRTIO_NET_RING_MAX
#define RING_SMALL 32
#define SMALL_MACHINE (16u << 20) // bytes of RAM below which the rings are small
#define POLL_FRAMES 256 // at most, before Python gets its turn
#define FLOOD_PAUSE_NS (100 * NS_PER_US) // and how long that turn is at least
#define LOST_CHECK_NS NS_PER_S
#define FLUSH_FIRST (512u << 10) // bytes
#define POSTED_SHARE 4 // a card with less than this part of its buffers left has frames copied

// Of TCP, with its options: 12 packets, for the 16 KiB that programs like to write at once. With
// all other headers it fits half a chunk of net_memory.c.
#define SEGMENT_MAX 17600

static struct net_card cards[VIRTIO_NET_MAX];
static unsigned card_count;
static bool started;
static mp_sched_node_t poll_node;
static struct timer poll_timer;

static void poll(mp_sched_node_t *node);

void net_schedule(void) {
    mp_sched_schedule_node(&poll_node, poll);
}

static void on_ready(void *arg) {
    (void)arg;
    net_schedule();
    mp_hal_wake();
}

static void on_timer(struct timer *timer) {
    (void)timer;
    net_schedule();
    mp_hal_wake();
}

u32_t sys_now(void) {
    return (u32_t)(clock_ns() / NS_PER_MS);
}

// --- when the stack runs ------------------------------------------------------------------------

// The ring was full and has room again: what TCP could not send need not wait for its timer.
static void resume_output(void) {
    #if LWIP_TCP
    for (struct tcp_pcb *pcb = tcp_active_pcbs, *next; pcb != NULL; pcb = next) {
        next = pcb->next;
        if (pcb->unsent != NULL) {
            tcp_output(pcb);
        }
    }
    #endif
}

static void check_link(struct net_card *card) {
    bool up = virtio_net_link(card->device);
    if (up && !netif_is_link_up(&card->netif)) {
        netif_set_link_up(&card->netif);
    } else if (!up && netif_is_link_up(&card->netif)) {
        netif_set_link_down(&card->netif);
    }
}

// QEMU's translator makes its TLB of 256 pages larger only when it is flushed, and was full then.
// A stream goes through all of the card's buffers, which are more: flush when what was received
// has doubled.
static void flush_tlb_at_times(struct net_card *card) {
    uint64_t bytes = virtio_net_stats(card->device)->rx_bytes;
    if (bytes >= card->flush_at_bytes) {
        card->flush_at_bytes = 2 * bytes + FLUSH_FIRST;
        write_cr3(read_cr3());
    }
}

// Returns true if frames are left.
static bool poll_card(struct net_card *card) {
    card->polling = true;
    if (virtio_net_link_changed(card->device)) {
        check_link(card);
    }
    virtio_net_reclaim(card->device);
    struct virtio_net_frame frame;
    unsigned count = 0;
    while (count < POLL_FRAMES && virtio_net_receive(card->device, &frame) >= 0) {
        count++;
        net_card_input(card, &frame);
    }
    flush_tlb_at_times(card);
    if (virtio_net_send_resumed(card->device)) {
        resume_output();
    }
    return count == POLL_FRAMES || virtio_net_wait(card->device);
}

// An address that goes takes its connections along: lwIP aborts them.
static void lose_card(struct net_card *card) {
    struct netif *netif = &card->netif;
    card->lost = true;
    netif_set_link_down(netif);
    net_card_static(card, IP4_ADDR_ANY4, IP4_ADDR_ANY4, NULL);
    for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
        netif_ip6_addr_set_state(netif, i, IP6_ADDR_INVALID);
    }
    netif_set_down(netif);
    for (unsigned i = 0; i < card_count && netif_default == netif; i++) {
        if (!cards[i].lost) {
            netif_set_default(&cards[i].netif);
        }
    }
}

static void look_for_lost_cards(void) {
    static uint64_t next_ns;
    uint64_t now_ns = clock_ns();
    if (now_ns >= next_ns) {
        next_ns = now_ns + LOST_CHECK_NS;
        for (unsigned i = 0; i < card_count; i++) {
            if (!cards[i].lost && virtio_net_lost(cards[i].device)) {
                lose_card(&cards[i]);
            }
        }
    }
}

static void poll(mp_sched_node_t *node) {
    (void)node;
    bool more = false;
    net_quiet_age();
    look_for_lost_cards();
    for (unsigned i = 0; i < card_count; i++) {
        more = poll_card(&cards[i]) || more;
    }
    struct netif *netif;
    NETIF_FOREACH(netif) {
        netif_poll(netif); // packets to ourselves
    }
    sys_check_timeouts();
    net_interfaces_run();
    net_objects_run();
    for (unsigned i = 0; i < card_count; i++) {
        cards[i].polling = false;
        virtio_net_flush(cards[i].device);
    }
    // Whoever waits has looked before this ran: it must look again before it sleeps.
    mp_hal_wake();
    uint64_t now_ns = clock_ns();
    uint64_t deadline_ns = now_ns + FLOOD_PAUSE_NS;
    if (!more) {
        u32_t sleep_ms = net_quiet_sleep_ms(now_ns);
        deadline_ns = (now_ns / NS_PER_MS + sleep_ms) * NS_PER_MS;
    }
    timer_start(&poll_timer, deadline_ns);
}

bool net_can_send(size_t size) {
    bool room = true;
    for (unsigned i = 0; i < card_count; i++) {
        unsigned mtu = virtio_net_mtu(cards[i].device);
        room = virtio_net_room(cards[i].device, (unsigned)size / mtu + 1) && room;
    }
    return room;
}

bool net_in_callback(void) {
    return MP_STATE_VM(sched_state) < 0;
}

void net_wait_address(unsigned limit_ms) {
    uint64_t limit_ns = clock_ns() + limit_ms * NS_PER_MS;
    while (!net_in_callback() && clock_ns() < limit_ns) {
        bool hope = false;
        for (unsigned i = 0; i < card_count; i++) {
            struct netif *netif = &cards[i].netif;
            if (net_card_has_address(&cards[i])) {
                return;
            }
            hope = hope || (netif_is_up(netif) && netif_is_link_up(netif));
        }
        if (!hope) {
            return;
        }
        mp_event_wait_ms(10);
    }
}

// --- start --------------------------------------------------------------------------------------

// Before a question arises from the packet.
static err_t output_ip4(struct netif *netif, struct pbuf *p, const ip4_addr_t *address) {
    net_quiet_wake();
    return etharp_output(netif, p, address);
}

static err_t output_ip6(struct netif *netif, struct pbuf *p, const ip6_addr_t *address) {
    net_quiet_wake();
    return ethip6_output(netif, p, address);
}

static err_t init_netif(struct netif *netif) {
    struct net_card *card = netif->state;
    netif->name[0] = 'e';
    netif->name[1] = 't';
    netif->hwaddr_len = ETH_HWADDR_LEN;
    memcpy(netif->hwaddr, virtio_net_mac(card->device), ETH_HWADDR_LEN);
    netif->mtu = (u16_t)virtio_net_mtu(card->device);
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET |
        NETIF_FLAG_IGMP | NETIF_FLAG_MLD6;
    netif->output = output_ip4;
    netif->output_ip6 = output_ip6;
    netif->linkoutput = net_card_output;
    netif->hostname = net_config_hostname();
    NETIF_SET_CHECKSUM_CTRL(netif, net_card_checksums(card, false));
    return ERR_OK;
}

static bool add_card(struct virtio_net *device) {
    bool small = memory_total() < SMALL_MACHINE;
    unsigned ring = small ? RING_SMALL : RING_FULL;
    long size = virtio_net_prepare(device, ring, LWIP_TCP && !small);
    if (size < 0) {
        return false;
    }
    void *memory = net_memory_pages((size_t)size);
    if (memory == NULL) {
        kprintf("net: no memory for a card: %ld bytes\n", size);
        return false;
    }
    virtio_net_on_sent(device, net_card_sent);
    if (virtio_net_start(device, memory) < 0) {
        return false;
    }
    struct net_card *card = &cards[card_count];
    card->device = device;
    card->index = card_count;
    card->posted_min = virtio_net_posted(device) / POSTED_SHARE;
    card->flush_at_bytes = FLUSH_FIRST;
    if (netif_add_noaddr(&card->netif, card, init_netif, ethernet_input) == NULL) {
        virtio_net_stop(device);
        return false;
    }
    card_count++;
    if (card_count == 1) {
        netif_set_default(&card->netif);
    }
    check_link(card);
    netif_create_ip6_linklocal_address(&card->netif, 1);
    netif_set_ip6_autoconfig_enabled(&card->netif, 1);
    netif_set_up(&card->netif);
    net_config_apply(card);
    virtio_net_on_ready(device, on_ready, card);
    return true;
}

// TCP does not know which card a segment will leave by, so all of them must cut large ones.
static void choose_segment_size(void) {
    #if LWIP_TCP
    bool all = card_count > 0;
    for (unsigned i = 0; i < card_count; i++) {
        all = all && virtio_net_segments(cards[i].device);
    }
    net_tcp_segment_max = all ? SEGMENT_MAX : 0;
    #endif
}

void net_start(void) {
    if (started) {
        return;
    }
    started = true;
    poll_timer.fire = on_timer;
    lwip_init();
    net_quiet_start();
    for (unsigned i = 0; i < VIRTIO_NET_MAX; i++) {
        struct virtio_net *device = virtio_net_get(i);
        if (device == NULL) {
            break;
        }
        add_card(device);
    }
    choose_segment_size();
    net_schedule();
}

void net_soft_reset(void) {
    if (!started) {
        return;
    }
    for (unsigned i = 0; i < card_count; i++) {
        cards[i].frame_hook = NULL;
        virtio_net_raw(cards[i].device, false);
    }
    net_objects_reset();
    net_interface_reset();
    net_resolve_cancel(NULL);
}

struct net_card *net_card_get(unsigned n) {
    net_start();
    return n < card_count ? &cards[n] : NULL;
}

// --- addresses ----------------------------------------------------------------------------------

bool net_card_has_address(const struct net_card *card) {
    if (!netif_is_up(&card->netif) || !netif_is_link_up(&card->netif)) {
        return false;
    }
    return !ip4_addr_isany(netif_ip4_addr(&card->netif));
}

void net_card_dhcp(struct net_card *card) {
    if (netif_dhcp_data(&card->netif) != NULL) {
        dhcp_release_and_stop(&card->netif);
    }
    dhcp_start(&card->netif);
}

void net_card_static(struct net_card *card, const ip4_addr_t *address, const ip4_addr_t *mask,
    const ip4_addr_t *gateway) {
    if (netif_dhcp_data(&card->netif) != NULL) {
        dhcp_release_and_stop(&card->netif);
    }
    ip4_addr_t none = { 0 };
    netif_set_addr(&card->netif, address, mask, gateway != NULL ? gateway : &none);
}

void net_card_active(struct net_card *card, bool up) {
    if (up) {
        netif_set_up(&card->netif);
    } else {
        netif_set_down(&card->netif);
    }
}
