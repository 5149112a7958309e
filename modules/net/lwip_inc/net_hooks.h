// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The functions that lwIP calls at the hooks that lwipopts.h names. Main thread.

#ifndef IMPORTOS_NET_HOOKS_H
#define IMPORTOS_NET_HOOKS_H

#include "lwip/err.h"
#include "lwip/ip_addr.h"

struct tcp_pcb;
struct tcp_hdr;
struct pbuf;

// Initial sequence number (RFC 6528): a keyed function of the connection plus a clock of 4 us.
u32_t net_tcp_isn(const ip_addr_t *local, u16_t local_port, const ip_addr_t *remote,
    u16_t remote_port);

// Before a segment is processed. For a SYN to a listener whose backlog is full of connections that
// were never completed, the oldest of them makes room.
err_t net_tcp_inpacket(struct tcp_pcb *pcb, struct tcp_hdr *header, u16_t option_size,
    u16_t option1_size, u8_t *option2, struct pbuf *p);

#endif // IMPORTOS_NET_HOOKS_H
