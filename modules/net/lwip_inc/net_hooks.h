// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The functions that lwIP calls at the hooks that lwipopts.h names. Main thread.

#ifndef IMPORTOS_NET_HOOKS_H
#define IMPORTOS_NET_HOOKS_H

#include "lwip/err.h"
#include "lwip/ip_addr.h"

struct tcp_pcb;
struct tcp_pcb_listen;
struct tcp_hdr;
struct pbuf;

// Initial sequence number (RFC 6528): a keyed function of the connection plus a clock of 4 us.
u32_t net_tcp_isn(const ip_addr_t *local, u16_t local_port, const ip_addr_t *remote,
    u16_t remote_port);

// Of a listener: half-open connections, and complete ones that wait for accept(). lwIP counts them
// in a byte; what is left of it is for connections that come by a cookie.
#define NET_BACKLOG 192

// Before a segment is processed. A SYN to a listener whose backlog is full of connections that are
// not completed is answered by a cookie.
err_t net_tcp_inpacket(struct tcp_pcb *pcb, struct tcp_hdr *header, u16_t option_size,
    u16_t option1_size, u8_t *option2, struct pbuf *p);

// The connection whose cookie (header) acknowledges, half-open, for that segment to complete; NULL
// if it acknowledges none, or there is no room or memory.
struct tcp_pcb *net_tcp_cookie_pcb(struct tcp_pcb_listen *listener,
    const struct tcp_hdr *header);

// The connection of the segment with (header), its addresses being the packet's, if that is among
// those remembered, else NULL; and how one is remembered and forgotten. Only connections on lwIP's
// list of active ones are found.
struct tcp_pcb *net_tcp_find(const struct tcp_hdr *header);
void net_tcp_remember(struct tcp_pcb *pcb);
void net_tcp_forget(const struct tcp_pcb *pcb);

// Between the files of lwIP's TCP (patches/lwip/core/tcp*.c.patch).
void tcp_rto_start(void);
u32_t tcp_sack(struct tcp_pcb *pcb, u32_t left, u32_t right);
int tcp_dupack(struct tcp_pcb *pcb, u32_t sacked);
u16_t tcp_rexmit_lost(struct tcp_pcb *pcb, u16_t count, int first);
void tcp_forget_recovery(struct tcp_pcb *pcb, int expired);

#endif // IMPORTOS_NET_HOOKS_H
