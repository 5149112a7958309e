// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The only file that knows both virtio_net and lwIP: frames from the cards into the stack and out
// of it, and the moments at which the stack runs. Interrupts and a timer queue one static
// scheduler node; everything else happens in its callback, between two bytecodes of the main
// thread or out of a wait.

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
#define POSTED_SHARE 4 // a card with less than this part of its buffers left has frames copied

#define SUM_TCP_OFFSET 16
#define PROTOCOL_TCP 6

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

// --- receive ------------------------------------------------------------------------------------

struct rx_pbuf {
    struct pbuf_custom custom; // first: lwIP hands back its address
    struct virtio_net *device;
    void *buffer;
};

static void rx_free(struct pbuf *p) {
    struct rx_pbuf *rx = (struct rx_pbuf *)(void *)p;
    virtio_net_release(rx->device, rx->buffer);
    net_memory_free(rx);
}

// A pbuf around the card's buffer, or around a copy once too many buffers are away from the card.
static struct pbuf *wrap(struct net_card *card, struct virtio_net_frame *frame, bool held) {
    if (held || virtio_net_posted(card->device) < card->posted_min) {
        struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)frame->size, PBUF_RAM);
        if (p != NULL) {
            memcpy(p->payload, frame->data, frame->size);
        }
        if (!held) {
            virtio_net_release(card->device, frame->buffer);
        }
        return p;
    }
    struct rx_pbuf *rx = net_memory_alloc(sizeof(*rx));
    if (rx == NULL) {
        virtio_net_release(card->device, frame->buffer);
        return NULL;
    }
    rx->custom.custom_free_function = rx_free;
    rx->device = card->device;
    rx->buffer = frame->buffer;
    return pbuf_alloced_custom(PBUF_RAW, (u16_t)frame->size, PBUF_REF, &rx->custom, frame->data,
        (u16_t)frame->size);
}

static u16_t checksum_flags(const struct net_card *card, bool verified) {
    u16_t flags = NETIF_CHECKSUM_ENABLE_ALL;
    if (virtio_net_checksums(card->device)) {
        flags &= (u16_t) ~NETIF_CHECKSUM_GEN_TCP;
    }
    if (verified) {
        flags &= (u16_t) ~(NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP);
    }
    return flags;
}

static void input(struct net_card *card, struct virtio_net_frame *frame) {
    bool held = false;
    if (card->frame_hook != NULL && card->frame_hook(card->index, frame, &held)) {
        if (!held) {
            virtio_net_release(card->device, frame->buffer);
        }
        return;
    }
    bool verified = frame->verified;
    struct pbuf *p = wrap(card, frame, held);
    if (p == NULL) {
        card->rx_no_memory++;
        return;
    }
    NETIF_SET_CHECKSUM_CTRL(&card->netif, checksum_flags(card, verified));
    if (card->netif.input(p, &card->netif) != ERR_OK) {
        pbuf_free(p);
    }
}

// --- send ---------------------------------------------------------------------------------------

static uint16_t fold(uint32_t sum) {
    sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t)((sum >> 16) + (sum & 0xffff));
}

// Where the card has to complete a TCP checksum in (frame), or 0; puts the pseudo header's sum
// there (virtio 1.1, 5.1.6.2).
static unsigned prepare_checksum(uint8_t *frame, size_t size) {
    unsigned start;
    uint32_t sum;
    if (frame[12] == 0x08 && frame[13] == 0x00 && size >= 34 && frame[23] == PROTOCOL_TCP) {
        start = 14 + (frame[14] & 0xf) * 4u;
        sum = net_checksum(frame + 26, 8);
    } else if (frame[12] == 0x86 && frame[13] == 0xdd && size >= 54 &&
               frame[20] == PROTOCOL_TCP) {
        start = 54;
        sum = net_checksum(frame + 22, 32);
    } else {
        return 0;
    }
    if (start + 20 > size) {
        return 0;
    }
    sum += lwip_htons((u16_t)(size - start)) + lwip_htons(PROTOCOL_TCP);
    uint16_t folded = fold(sum);
    memcpy(frame + start + SUM_TCP_OFFSET, &folded, 2);
    return start;
}

static err_t link_output(struct netif *netif, struct pbuf *p) {
    struct net_card *card = netif->state;
    if (p->tot_len > virtio_net_mtu(card->device) + VIRTIO_NET_HEADER_SIZE) {
        return ERR_BUF;
    }
    uint8_t *data = virtio_net_send_begin(card->device);
    if (data == NULL) {
        return virtio_net_failed(card->device) ? ERR_IF : ERR_MEM;
    }
    size_t size = pbuf_copy_partial(p, data, p->tot_len, 0);
    if (net_quiet_sent(data, size) && !card->polling) {
        net_schedule();
    }
    unsigned sum_start = virtio_net_checksums(card->device) ? prepare_checksum(data, size) : 0;
    virtio_net_send_end(card->device, size, sum_start, SUM_TCP_OFFSET);
    if (!card->polling) {
        virtio_net_flush(card->device);
    }
    return ERR_OK;
}

int net_card_send(struct net_card *card, const void *data, size_t size) {
    if (size < VIRTIO_NET_HEADER_SIZE) {
        return -EINVAL;
    }
    if (size > virtio_net_mtu(card->device) + VIRTIO_NET_HEADER_SIZE) {
        return -EMSGSIZE;
    }
    uint8_t *to = virtio_net_send_begin(card->device);
    if (to == NULL) {
        return virtio_net_failed(card->device) ? -ENODEV : -ENOBUFS;
    }
    memcpy(to, data, size);
    virtio_net_send_end(card->device, size, 0, 0);
    if (!card->polling) {
        virtio_net_flush(card->device);
    }
    return 0;
}

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

// --- when the stack runs ------------------------------------------------------------------------

static void check_link(struct net_card *card) {
    bool up = virtio_net_link(card->device);
    if (up && !netif_is_link_up(&card->netif)) {
        netif_set_link_up(&card->netif);
    } else if (!up && netif_is_link_up(&card->netif)) {
        netif_set_link_down(&card->netif);
    }
}

// Returns true if frames are left.
static bool poll_card(struct net_card *card) {
    card->polling = true;
    if (virtio_net_link_changed(card->device)) {
        check_link(card);
    }
    struct virtio_net_frame frame;
    unsigned count = 0;
    while (count < POLL_FRAMES && virtio_net_receive(card->device, &frame) >= 0) {
        count++;
        input(card, &frame);
    }
    if (virtio_net_send_resumed(card->device)) {
        resume_output();
    }
    return count == POLL_FRAMES || virtio_net_wait(card->device);
}

static void poll(mp_sched_node_t *node) {
    (void)node;
    bool more = false;
    net_quiet_wake();
    for (unsigned i = 0; i < card_count; i++) {
        more = poll_card(&cards[i]) || more;
    }
    netif_poll_all();
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

static err_t loop_output_ip4(struct netif *netif, struct pbuf *p, const ip4_addr_t *address) {
    (void)address;
    net_schedule();
    return netif_loop_output(netif, p);
}

static err_t loop_output_ip6(struct netif *netif, struct pbuf *p, const ip6_addr_t *address) {
    (void)address;
    net_schedule();
    return netif_loop_output(netif, p);
}

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
    netif->linkoutput = link_output;
    netif->hostname = net_config_hostname();
    NETIF_SET_CHECKSUM_CTRL(netif, checksum_flags(card, false));
    return ERR_OK;
}

static bool add_card(struct virtio_net *device) {
    unsigned ring = memory_total() < SMALL_MACHINE ? RING_SMALL : RING_FULL;
    long size = virtio_net_prepare(device, ring);
    if (size < 0) {
        return false;
    }
    void *memory = net_memory_pages((size_t)size);
    if (memory == NULL) {
        kprintf("net: no memory for a card: %ld bytes\n", size);
        return false;
    }
    if (virtio_net_start(device, memory) < 0) {
        return false;
    }
    struct net_card *card = &cards[card_count];
    card->device = device;
    card->index = card_count;
    card->posted_min = ring / POSTED_SHARE;
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

void net_start(void) {
    if (started) {
        return;
    }
    started = true;
    poll_timer.fire = on_timer;
    lwip_init();
    struct netif *loop = netif_get_by_index(1);
    if (loop != NULL) {
        loop->output = loop_output_ip4;
        loop->output_ip6 = loop_output_ip6;
    }
    for (unsigned i = 0; i < VIRTIO_NET_MAX; i++) {
        struct virtio_net *device = virtio_net_get(i);
        if (device == NULL) {
            break;
        }
        add_card(device);
    }
    net_schedule();
}

void net_soft_reset(void) {
    if (!started) {
        return;
    }
    for (unsigned i = 0; i < card_count; i++) {
        cards[i].frame_hook = NULL;
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
