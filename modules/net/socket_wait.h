// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What a socket waits for before it sends, and while it blocks. Main thread only; whatever waits
// runs the events of Python meanwhile, and may be left by an exception of theirs.

#ifndef IMPORTOS_SOCKET_WAIT_H
#define IMPORTOS_SOCKET_WAIT_H

#include <stdbool.h>
#include <stddef.h>

#include "lwip/tcp.h"
#include "py/mpconfig.h"

// Until something happens, or for a moment. OSError(EDEADLK) in a callback, where nothing would.
void socket_wait_event(mp_uint_t timeout_ms);

// Until an interface has an address, or DHCP gives up, if (to) is not this machine.
void socket_wait_route(const ip_addr_t *to);

// The same, if (name) is one that a server has to be asked for.
void socket_wait_resolver(const char *name);

// Until the cards have room for a datagram of (size) bytes. False: not within (timeout_ms). After
// 5 s, and in a callback, true: the error is that of sending.
bool socket_wait_room(size_t size, mp_uint_t timeout_ms);

// tcp_connect(), once there is a route.
err_t socket_connect_tcp(struct tcp_pcb *pcb, const ip_addr_t *to, u16_t port,
    tcp_connected_fn fn);

#endif
