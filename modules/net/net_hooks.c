// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What lwIP calls at its hooks: sequence numbers that cannot be guessed (RFC 6528), connections
// under a SYN flood (RFC 4987, 3.6 "SYN cookies"), and the Internet checksum in 64-bit steps
// (RFC 1071).

#include "net_hooks.h"

#include <stdbool.h>
#include <string.h>

#include "lwip/inet_chksum.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/tcp.h"
#include "lwip/tcp.h"

#include "clock.h"
#include "random.h"

#if LWIP_TCP

// --- SipHash-2-4 (Aumasson and Bernstein, 2012) ------------------------------------------------

static uint64_t rotate(uint64_t x, unsigned n) {
    return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static uint64_t siphash(const uint64_t key[2], const uint64_t *words, unsigned count) {
    uint64_t v[4] = {
        key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
        key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573,
    };
    for (unsigned i = 0; i <= count; i++) {
        uint64_t word = i < count ? words[i] : (uint64_t)count * 8 << 56;
        v[3] ^= word;
        sip_round(v);
        sip_round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for (unsigned i = 0; i < 4; i++) {
        sip_round(v);
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

// A keyed hash of both ends of a connection and of (word).
static u32_t hash(const ip_addr_t *local, u16_t local_port, const ip_addr_t *remote,
    u16_t remote_port, uint64_t word) {
    static uint64_t key[2];
    if (key[0] == 0 && key[1] == 0) {
        random_bytes(key, sizeof(key));
    }
    uint64_t words[6] = { 0 };
    size_t size = IP_IS_V6(local) ? 16 : 4;
    memcpy(words, local, size);
    memcpy(words + 2, remote, size);
    words[4] = (uint64_t)local_port << 16 | remote_port;
    words[5] = word;
    return (u32_t)siphash(key, words, 6);
}

u32_t net_tcp_isn(const ip_addr_t *local, u16_t local_port, const ip_addr_t *remote,
    u16_t remote_port) {
    return hash(local, local_port, remote, remote_port, 0) + (u32_t)(clock_ns() / 4000);
}

uint16_t net_tcp_segment_max, net_tcp_packet_size;

// --- which connection ---------------------------------------------------------------------------

#define TABLE_BITS 10
static struct tcp_pcb *table[1 << TABLE_BITS];

static struct tcp_pcb **table_place(const ip_addr_t *remote, u16_t remote_port, u16_t local_port) {
    u32_t word = IP_IS_V6(remote) ? ip_2_ip6(remote)->addr[3] : ip_2_ip4(remote)->addr;
    word ^= (u32_t)local_port << 16 | remote_port;
    return &table[word * 0x9e3779b1u >> (32 - TABLE_BITS)];
}

struct tcp_pcb *net_tcp_find(const struct tcp_hdr *header) {
    struct tcp_pcb *pcb = *table_place(ip_current_src_addr(), header->src, header->dest);
    bool found = pcb != NULL && pcb->remote_port == header->src &&
        pcb->local_port == header->dest &&
        ip_addr_eq(&pcb->remote_ip, ip_current_src_addr()) &&
        ip_addr_eq(&pcb->local_ip, ip_current_dest_addr()) && pcb->netif_idx == NETIF_NO_INDEX &&
        pcb->state != CLOSED && pcb->state != TIME_WAIT;
    return found ? pcb : NULL;
}

void net_tcp_remember(struct tcp_pcb *pcb) {
    *table_place(&pcb->remote_ip, pcb->remote_port, pcb->local_port) = pcb;
}

void net_tcp_forget(const struct tcp_pcb *pcb) {
    struct tcp_pcb **place = table_place(&pcb->remote_ip, pcb->remote_port, pcb->local_port);
    if (*place == pcb) {
        *place = NULL;
    }
}

// --- SYN flood ----------------------------------------------------------------------------------

// When so many SYNs within a tick of lwIP's (500 ms) found no room it is a flood. Fewer are a
// crowd: an honest peer whose SYN gets no answer comes again after a second.
#define REFUSED_MAX 64

// A cookie is our sequence number: 29 bits of a hash of what the peer has to repeat with its
// acknowledgement, whether the period was an odd one, and the number of a segment size.
#define MSS_DEFAULT 536 // RFC 9293, 3.7.1
#define COOKIE_PERIOD_NS (32 * NS_PER_S)
#define COOKIE_LOW 7u
#define COOKIE_ODD 4u
#define COOKIE_SIZE 3u
static const u16_t cookie_size[COOKIE_SIZE + 1] = { MSS_DEFAULT, 1220, 1440, 1460 };
static uint64_t cookie_period; // in which the last cookie was sent, counted from 1

static u32_t make_cookie(const struct tcp_hdr *header, u32_t peer_isn, uint64_t period,
    u32_t size) {
    u32_t low = (period & 1 ? COOKIE_ODD : 0) | size;
    u32_t value = hash(ip_current_dest_addr(), header->dest, ip_current_src_addr(), header->src,
        (uint64_t)peer_isn << 32 | (u32_t)(period << 3) | low);
    return (value & ~COOKIE_LOW) | low;
}

static uint64_t current_period(void) {
    return clock_ns() / COOKIE_PERIOD_NS + 1;
}

// Answer a SYN and remember nothing. What it offers but the segment size is lost.
static void send_cookie(const struct tcp_hdr *header, u16_t option_size) {
    const u8_t *option = (const u8_t *)(header + 1); // the first one: everybody's is this
    u16_t wanted = option_size >= 4 && option[0] == LWIP_TCP_OPT_MSS && option[1] == 4 ?
        (u16_t)(option[2] << 8 | option[3]) : MSS_DEFAULT;
    u32_t size = COOKIE_SIZE;
    while (size > 0 && cookie_size[size] > wanted) {
        size--;
    }
    struct pbuf *p = pbuf_alloc(PBUF_IP, TCP_HLEN + 4, PBUF_RAM);
    if (p == NULL) {
        return;
    }
    const ip_addr_t *local = ip_current_dest_addr(), *remote = ip_current_src_addr();
    struct netif *netif = ip_current_input_netif();
    cookie_period = current_period();
    struct tcp_hdr *answer = p->payload;
    *answer = (struct tcp_hdr) {
        .src = lwip_htons(header->dest), .dest = lwip_htons(header->src),
        .seqno = lwip_htonl(make_cookie(header, header->seqno, cookie_period, size)),
        .ackno = lwip_htonl(header->seqno + 1), .wnd = 0xffff,
    };
    TCPH_HDRLEN_FLAGS_SET(answer, 6, TCP_SYN | TCP_ACK);
    u32_t offer = TCP_BUILD_MSS_OPTION(tcp_eff_send_mss(TCP_MSS, local, remote));
    memcpy(answer + 1, &offer, sizeof(offer));
    IF__NETIF_CHECKSUM_ENABLED(netif, NETIF_CHECKSUM_GEN_TCP) {
        answer->chksum = ip_chksum_pseudo(p, IP_PROTO_TCP, p->tot_len, local, remote);
    }
    ip_output_if(p, local, remote, TCP_TTL, 0, IP_PROTO_TCP, netif);
    pbuf_free(p);
}

// Is (header) the acknowledgement of a cookie of this period or the last one?
static bool is_cookie(const struct tcp_hdr *header) {
    uint64_t period = current_period();
    u32_t cookie = header->ackno - 1;
    if ((TCPH_FLAGS(header) & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_ACK || cookie_period == 0 ||
        period - cookie_period > 1) {
        return false;
    }
    period -= (period & 1) != ((cookie & COOKIE_ODD) != 0);
    return make_cookie(header, header->seqno - 1, period, cookie & COOKIE_SIZE) == cookie;
}

// As tcp_listen_input() and the SYN-ACK leave it.
struct tcp_pcb *net_tcp_cookie_pcb(struct tcp_pcb_listen *listener,
    const struct tcp_hdr *header) {
    if (!is_cookie(header) || listener->accepts_pending == UINT8_MAX) {
        return NULL;
    }
    struct tcp_pcb *pcb = tcp_alloc(listener->prio);
    if (pcb == NULL) {
        return NULL;
    }
    listener->accepts_pending++;
    tcp_set_flags(pcb, TF_BACKLOGPEND);
    ip_addr_copy(pcb->local_ip, *ip_current_dest_addr());
    ip_addr_copy(pcb->remote_ip, *ip_current_src_addr());
    pcb->local_port = header->dest;
    pcb->remote_port = header->src;
    pcb->state = SYN_RCVD;
    pcb->rcv_nxt = pcb->rcv_ann_right_edge = header->seqno;
    pcb->snd_wl1 = header->seqno - 1; // so that the window counts
    pcb->lastack = pcb->snd_wl2 = header->ackno - 1;
    pcb->snd_nxt = pcb->snd_lbb = header->ackno;
    pcb->snd_wnd = pcb->snd_wnd_max = header->wnd;
    pcb->callback_arg = listener->callback_arg;
    pcb->listener = listener;
    pcb->so_options = listener->so_options & SOF_INHERITED;
    pcb->netif_idx = listener->netif_idx;
    TCP_REG_ACTIVE(pcb);
    pcb->mss = tcp_eff_send_mss(cookie_size[(header->ackno - 1) & COOKIE_SIZE], &pcb->local_ip,
        &pcb->remote_ip);
    if (tcp_ext_arg_invoke_callbacks_passive_open(listener, pcb) != ERR_OK) {
        tcp_abandon(pcb, 0);
        return NULL;
    }
    return pcb;
}

// A SYN that finds no room: is it to be answered by a cookie? Not when it is complete connections
// that take up the room: who waits for accept() must be able to wait. But when half-open ones are
// older than a tick, which honest peers are not: they would be in the way for 20 s.
static bool is_flood(const struct tcp_pcb_listen *listener) {
    static u32_t refused, tick; // how many in which tick
    unsigned half_open = 0;
    bool old = false;
    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next) {
        if (pcb->state == SYN_RCVD && pcb->listener == listener) {
            half_open++;
            old = old || tcp_ticks != pcb->tmr;
        }
    }
    if (tick != tcp_ticks) {
        tick = tcp_ticks;
        refused = 0;
    }
    return half_open >= listener->backlog / 2 && (old || refused++ >= REFUSED_MAX);
}

err_t net_tcp_inpacket(struct tcp_pcb *pcb, struct tcp_hdr *header, u16_t option_size,
    u16_t option1_size, u8_t *option2, struct pbuf *p) {
    (void)option_size;
    (void)option2;
    if (pcb->state >= ESTABLISHED && p->tot_len > pcb->mss) {
        // Several packets in one: as many acknowledgements as for two of them (RFC 5681, 4.2).
        tcp_set_flags(pcb, TF_ACK_DELAY);
    }
    if (pcb->state == LISTEN && (TCPH_FLAGS(header) & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN) {
        const struct tcp_pcb_listen *listener = (const struct tcp_pcb_listen *)pcb;
        if (listener->accepts_pending >= listener->backlog && is_flood(listener)) {
            send_cookie(header, option1_size);
        }
    }
    return ERR_OK; // without room lwIP drops the SYN
}

#endif // LWIP_TCP

// --- checksum -----------------------------------------------------------------------------------

// Sum of (size) bytes as 16-bit words in memory order, folded to 16 bits, not inverted. Starts at
// any address: lwIP swaps the halves itself for odd positions in a chain.
uint16_t net_checksum(const void *data, int size) {
    const uint8_t *p = data;
    uint64_t sum = 0;
    uint64_t word;
    while (size >= 32) {
        for (unsigned i = 0; i < 4; i++) {
            memcpy(&word, p + 8 * i, 8);
            sum += word;
            sum += sum < word; // the carry comes in at the other end
        }
        p += 32;
        size -= 32;
    }
    while (size >= 8) {
        memcpy(&word, p, 8);
        sum += word;
        sum += sum < word;
        p += 8;
        size -= 8;
    }
    if (size > 0) {
        word = 0;
        memcpy(&word, p, (size_t)size);
        sum += word;
        sum += sum < word;
    }
    sum = (sum >> 32) + (sum & 0xffffffff);
    sum = (sum >> 32) + (sum & 0xffffffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t)((sum >> 16) + (sum & 0xffff));
}
