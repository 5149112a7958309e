// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Frames from the wire into lwIP by the way that they take in the kernel: netif_frames.c, hooks
// and quiet timers; only the card is a stand-in. Behind the stack are an echo by TCP and UDP,
// a connection of ours, and a name that is asked for.
//
// The input is a list of steps: a byte of what to put right, two of the size, the frame.

#include "host.h"

#include <string.h>

#include "lwip/dhcp.h"
#include "lwip/dns.h"
#include "lwip/etharp.h"
#include "lwip/ethip6.h"
#include "lwip/igmp.h"
#include "lwip/inet_chksum.h"
#include "lwip/init.h"
#include "lwip/mld6.h"
#include "lwip/tcp.h"
#include "lwip/timeouts.h"
#include "lwip/udp.h"
#include "netif/ethernet.h"

#include "net_quiet.h"
#include "netif_virtio.h"
#include "virtio_net.h"

#define STEP_HEADER_SUM 1 // right checksum of an IPv4 header
#define STEP_NUMBERS 2 // TCP numbers relative to what was sent last
#define STEP_LARGE 4 // in several buffers
#define STEP_COPY 8 // the card is short of buffers
#define STEP_WAIT 16 // a second passes
#define STEP_LONG 32 // and an hour
#define STEP_UNVERIFIED 64 // the card has not looked at the checksum
#define FRAME_MAX 9100
#define PIECE 512

static struct net_card card;
static uint8_t sent[FRAME_MAX]; // by the stack, last
static uint32_t next_seq, next_ack;  // what the peer of the last TCP packet sent is to use
static unsigned posted;
static struct virtio_net_frame rest[FRAME_MAX / PIECE + 1];
static unsigned rest_count, rest_next;

// --- the card -----------------------------------------------------------------------------------

unsigned virtio_net_posted(const struct virtio_net *net) {
    (void)net;
    return posted;
}

void virtio_net_release(struct virtio_net *net, void *buffer) {
    (void)net;
    net_memory_free(buffer);
}

bool virtio_net_receive_rest(struct virtio_net *net, struct virtio_net_frame *piece) {
    (void)net;
    if (rest_next == rest_count) {
        return false;
    }
    *piece = rest[rest_next++];
    return true;
}

uint8_t *virtio_net_send_begin(struct virtio_net *net) {
    (void)net;
    return sent;
}

void virtio_net_send_end(struct virtio_net *net, size_t size, unsigned start, unsigned offset) {
    (void)net;
    (void)start;
    (void)offset;
    if (size >= 54 && sent[12] == 8 && sent[13] == 0 && sent[23] == IP_PROTO_TCP) {
        memcpy(&next_ack, sent + 38, 4);
        memcpy(&next_seq, sent + 42, 4);
    }
}

int virtio_net_send_large(struct virtio_net *net, struct virtio_net_large *large, void *cookie) {
    (void)net;
    (void)large;
    net_card_sent(cookie);
    return 0;
}

void virtio_net_flush(struct virtio_net *net) {
    (void)net;
}

unsigned virtio_net_mtu(const struct virtio_net *net) {
    (void)net;
    return 1500;
}

bool virtio_net_checksums(const struct virtio_net *net) {
    (void)net;
    return true;
}

bool virtio_net_segments(const struct virtio_net *net) {
    (void)net;
    return true;
}

bool virtio_net_failed(const struct virtio_net *net) {
    (void)net;
    return false;
}

void net_schedule(void) {
}

u32_t sys_now(void) {
    return (u32_t)(fuzz_now_ns / 1000000);
}

// --- the program --------------------------------------------------------------------------------

static err_t echo_data(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err) {
    (void)arg;
    (void)err;
    if (p == NULL) {
        return tcp_close(pcb);
    }
    for (struct pbuf *q = p; q != NULL; q = q->next) {
        tcp_write(pcb, q->payload, q->len, TCP_WRITE_FLAG_COPY);
    }
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    tcp_output(pcb);
    return ERR_OK;
}

static err_t echo_accept(void *arg, struct tcp_pcb *pcb, err_t err) {
    (void)arg;
    if (pcb != NULL && err == ERR_OK) {
        tcp_recv(pcb, echo_data);
    }
    return ERR_OK;
}

static void echo_datagram(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *address,
    u16_t port) {
    (void)arg;
    udp_sendto(pcb, p, address, port);
    pbuf_free(p);
}

static void resolved(const char *name, const ip_addr_t *address, void *arg) {
    (void)name;
    (void)address;
    (void)arg;
}

static err_t init_netif(struct netif *netif) {
    static const uint8_t mac[] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };
    netif->hwaddr_len = sizeof(mac);
    memcpy(netif->hwaddr, mac, sizeof(mac));
    netif->mtu = 1500;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET |
        NETIF_FLAG_IGMP | NETIF_FLAG_MLD6;
    netif->output = etharp_output;
    netif->output_ip6 = ethip6_output;
    netif->linkoutput = net_card_output;
    netif->hostname = "importos";
    NETIF_SET_CHECKSUM_CTRL(netif, net_card_checksums(&card, false));
    return ERR_OK;
}

// An address of 10.1.0.2, or one from DHCP when the input begins with an odd byte.
static void boot(bool dhcp) {
    ip4_addr_t address, mask, peer;
    IP4_ADDR(&address, 10, 1, 0, 2);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    IP4_ADDR(&peer, 10, 1, 0, 1);
    lwip_init();
    net_quiet_start();
    card.device = (struct virtio_net *)&card;
    if (dhcp) {
        netif_add_noaddr(&card.netif, &card, init_netif, ethernet_input);
    } else {
        netif_add(&card.netif, &address, &mask, &peer, &card, init_netif, ethernet_input);
    }
    netif_set_default(&card.netif);
    netif_set_link_up(&card.netif);
    netif_create_ip6_linklocal_address(&card.netif, 1);
    netif_set_ip6_autoconfig_enabled(&card.netif, 1);
    netif_set_up(&card.netif);
    if (dhcp) {
        dhcp_start(&card.netif);
    }
    struct tcp_pcb *listener = tcp_new_ip_type(IPADDR_TYPE_ANY);
    tcp_bind(listener, IP_ANY_TYPE, 80);
    listener = tcp_listen_with_backlog(listener, 2);  // so few that cookies are sent
    tcp_accept(listener, echo_accept);
    struct udp_pcb *datagrams = udp_new_ip_type(IPADDR_TYPE_ANY);
    udp_bind(datagrams, IP_ANY_TYPE, 7);
    udp_recv(datagrams, echo_datagram, NULL);
    ip_addr_t server, answer;
    ip_addr_copy_from_ip4(server, peer);
    dns_setserver(0, &server);
    dns_gethostbyname("example.com", &answer, resolved, NULL);
    struct tcp_pcb *ours = tcp_new_ip_type(IPADDR_TYPE_V4);
    tcp_bind(ours, IP_ANY_TYPE, 4000);
    tcp_recv(ours, echo_data);
    tcp_connect(ours, &server, 4001, NULL);
}

// --- frames -------------------------------------------------------------------------------------

static void put_right(uint8_t *frame, size_t size, unsigned step) {
    if (size < 34 || frame[12] != 8 || frame[13] != 0) {
        return;
    }
    size_t words = (frame[14] & 15) * 4u;
    if ((step & STEP_NUMBERS) && frame[23] == IP_PROTO_TCP && 14 + words + 12 <= size) {
        uint32_t numbers[2];
        memcpy(numbers, frame + 14 + words + 4, sizeof(numbers));
        numbers[0] = lwip_htonl(lwip_ntohl(numbers[0]) + lwip_ntohl(next_seq));
        numbers[1] = lwip_htonl(lwip_ntohl(numbers[1]) + lwip_ntohl(next_ack));
        memcpy(frame + 14 + words + 4, numbers, sizeof(numbers));
    }
    if ((step & STEP_HEADER_SUM) && 14 + words <= size) {
        frame[24] = frame[25] = 0;
        uint16_t sum = inet_chksum(frame + 14, (u16_t)words);
        memcpy(frame + 24, &sum, 2);
    }
}

static struct virtio_net_frame piece(const uint8_t *data, size_t size) {
    uint8_t *buffer = net_memory_alloc(size < VIRTIO_NET_FRAME_MIN ? VIRTIO_NET_FRAME_MIN : size);
    memset(buffer, 0, VIRTIO_NET_FRAME_MIN);
    memcpy(buffer, data, size);
    return (struct virtio_net_frame) { .data = buffer, .size = size, .buffer = buffer };
}

static void receive(const uint8_t *data, size_t size, unsigned step) {
    size_t first = (step & STEP_LARGE) && size > PIECE ? PIECE : size;
    struct virtio_net_frame frame = piece(data, first);
    frame.size = first < VIRTIO_NET_FRAME_MIN ? VIRTIO_NET_FRAME_MIN : first;
    frame.rest = size - first;
    frame.verified = !(step & STEP_UNVERIFIED);
    rest_count = rest_next = 0;
    for (size_t at = first; at < size; at += PIECE) {
        rest[rest_count++] = piece(data + at, size - at < PIECE ? size - at : PIECE);
    }
    posted = step & STEP_COPY ? 1 : 100;
    card.posted_min = 50;
    net_card_input(&card, &frame);
    while (rest_next < rest_count) {
        net_memory_free(rest[rest_next++].buffer);
    }
}

// Packets that the stack sends to itself.
static void take_own(void) {
    struct netif *netif;
    NETIF_FOREACH(netif) {
        netif_poll(netif);
    }
}

static void pass(uint64_t seconds) {
    for (uint64_t i = 0; i < seconds; i++) {
        fuzz_now_ns += 1000000000;
        net_quiet_age();
        take_own();
        sys_check_timeouts();
        net_quiet_sleep_ms(fuzz_now_ns);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t frame[FRAME_MAX];
    fuzz_begin(data, size);
    next_seq = next_ack = 0;
    memset(&card, 0, sizeof(card));
    boot(fuzz_byte() & 1);
    while (fuzz_left > 3) {
        unsigned step = fuzz_byte();
        size_t count = fuzz_byte();
        count |= (size_t)fuzz_byte() << 8;
        count = count % FRAME_MAX < fuzz_left ? count % FRAME_MAX : fuzz_left;
        memcpy(frame, fuzz_input, count);
        fuzz_input += count;
        fuzz_left -= count;
        if (count >= 14) {
            put_right(frame, count, step);
            receive(frame, count, step);
        }
        take_own();
        pass(step & STEP_LONG ? 3600 / 20 : (step & STEP_WAIT) != 0);
    }
    pass(2);
    return 0;
}
