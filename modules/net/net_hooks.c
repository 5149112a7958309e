// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What lwIP calls at its hooks: sequence numbers that cannot be guessed (RFC 6528), room for
// honest connections under a SYN flood (RFC 4987, 3.5 "recycling the oldest half-open TCB"), and
// the Internet checksum in 64-bit steps (RFC 1071).

#include "net_hooks.h"

#include <stdbool.h>
#include <string.h>

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

u32_t net_tcp_isn(const ip_addr_t *local, u16_t local_port, const ip_addr_t *remote,
    u16_t remote_port) {
    static uint64_t key[2];
    if (key[0] == 0 && key[1] == 0) {
        random_bytes(key, sizeof(key));
    }
    uint64_t words[5] = { 0 };
    size_t size = IP_IS_V6(local) ? 16 : 4;
    memcpy(words, local, size);
    memcpy(words + 2, remote, size);
    words[4] = (uint64_t)local_port << 16 | remote_port;
    return (u32_t)siphash(key, words, 5) + (u32_t)(clock_ns() / 4000);
}

uint16_t net_tcp_segment_max, net_tcp_packet_size;

// --- SYN flood ----------------------------------------------------------------------------------

// An honest peer whose SYN gets no answer comes again after a second; one whose half-open
// connection is dropped is reset. So a crowd that comes at once is made to wait, and only a flood
// of SYNs makes room for itself: at the cost of those older than a tick of lwIP's, or when so many
// were refused within the tick.
#define REFUSED_MAX 64

// New pcbs come first in the list, so of two of the same tick the later one is the older.
static void recycle_half_open(const struct tcp_pcb_listen *listener) {
    struct tcp_pcb *oldest = NULL;
    u32_t oldest_age = 0;
    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next) {
        if (pcb->state != SYN_RCVD || pcb->listener != listener) {
            continue;
        }
        u32_t age = tcp_ticks - pcb->tmr;
        if (oldest == NULL || age >= oldest_age) {
            oldest_age = age;
            oldest = pcb;
        }
    }
    static u32_t refused, refused_tick;
    if (refused_tick != tcp_ticks) {
        refused_tick = tcp_ticks;
        refused = 0;
    }
    if (oldest != NULL && (oldest_age > 0 || refused++ >= REFUSED_MAX)) {
        tcp_abandon(oldest, 0);
    }
}

err_t net_tcp_inpacket(struct tcp_pcb *pcb, struct tcp_hdr *header, u16_t option_size,
    u16_t option1_size, u8_t *option2, struct pbuf *p) {
    (void)option_size;
    (void)option1_size;
    (void)option2;
    if (p->tot_len > pcb->mss && pcb->state >= ESTABLISHED) {
        // Several packets in one: as many acknowledgements as for two of them (RFC 5681, 4.2).
        tcp_set_flags(pcb, TF_ACK_DELAY);
    }
    if (pcb->state == LISTEN && (TCPH_FLAGS(header) & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
        const struct tcp_pcb_listen *listener = (const struct tcp_pcb_listen *)pcb;
        if (listener->accepts_pending >= listener->backlog) {
            recycle_half_open(listener);
        }
    }
    return ERR_OK;
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
