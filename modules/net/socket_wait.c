// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What a socket waits for before it sends, and while it blocks.

#include "socket_wait.h"

#include <errno.h>
#include <string.h>

#include "py/mphal.h"
#include "py/runtime.h"

#include "net_error.h"
#include "net_quiet.h"
#include "netif_virtio.h"

#define ADDRESS_WAIT_MS 10000
#define POLL_WAIT_MS 10 // events end the wait at once; this is how exact time-outs are
#define ROOM_WAIT_MS 5000

void socket_wait_event(mp_uint_t timeout_ms) {
    (void)timeout_ms;
    if (net_in_callback()) {
        net_raise(EDEADLK, "blocking call in a callback: use net or asyncio");
    }
    mp_event_wait_ms(POLL_WAIT_MS);
}

// The first packet of a program may well be older than its DHCP lease.
void socket_wait_route(const ip_addr_t *to) {
    if (!ip_addr_isloopback(to)) {
        net_wait_address(ADDRESS_WAIT_MS);
    }
}

void socket_wait_resolver(const char *name) {
    ip_addr_t address;
    if (!ipaddr_aton(name, &address) && strcmp(name, "localhost") != 0) {
        net_wait_address(ADDRESS_WAIT_MS);
    }
    net_quiet_wake();
}

bool socket_wait_room(size_t size, mp_uint_t timeout_ms) {
    mp_uint_t start = mp_hal_ticks_ms();
    while (!net_can_send(size) && !net_in_callback()) {
        mp_uint_t passed = mp_hal_ticks_ms() - start;
        if (passed >= ROOM_WAIT_MS) {
            break;
        } else if (passed >= timeout_ms) {
            return false;
        }
        mp_event_wait_ms(POLL_WAIT_MS);
    }
    return true;
}

// A socket speaks the version of the address that it connects to.
err_t socket_connect_tcp(struct tcp_pcb *pcb, const ip_addr_t *to, u16_t port,
    tcp_connected_fn fn) {
    socket_wait_route(to);
    IP_SET_TYPE(&pcb->remote_ip, IP_GET_TYPE(to));
    if (ip_addr_isany(&pcb->local_ip)) {
        IP_SET_TYPE(&pcb->local_ip, IP_GET_TYPE(to));
    }
    return tcp_connect(pcb, to, port, fn);
}
