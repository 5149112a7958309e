// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Data that arrives on a connection before accept(). Main thread only.

#ifndef IMPORTOS_SOCKET_PENDING_H
#define IMPORTOS_SOCKET_PENDING_H

#include "lwip/tcp.h"

// A tcp_recv() callback that keeps what comes, and the end. The receive window bounds it: it does
// not open before somebody reads. ERR_MEM: lwIP keeps it and offers it again.
err_t socket_pending_receive(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err);

// (pcb) has its owner's callback now: hand over what came before.
void socket_pending_deliver(struct tcp_pcb *pcb);

#endif
