// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Options of sockets that MicroPython's module does not know, and addresses as text. The numbers
// are lwIP's own. Main thread.

#ifndef IMPORTOS_SOCKET_OPTIONS_H
#define IMPORTOS_SOCKET_OPTIONS_H

#include <stdbool.h>

#include "lwip/ip.h"
#include "lwip/tcp.h"
#include "py/obj.h"

#define SOL_SOCKET 1
#define IPPROTO_IPV6 41
#define SO_KEEPALIVE SOF_KEEPALIVE
#define SO_LINGER 0x80
#define SO_ERROR 0x1007
#define SO_TYPE 0x1008
#define TCP_KEEPIDLE 3 // these three in seconds, seconds, and probes
#define TCP_KEEPINTVL 4
#define TCP_KEEPCNT 5
#define IP_TOS 1
#define IP_TTL 2
#define IP_MULTICAST_TTL 5
#define IP_MULTICAST_IF 6
#define IP_MULTICAST_LOOP 7
#define IPV6_JOIN_GROUP 12
#define IPV6_LEAVE_GROUP 13

// Which of lwIP's kinds (pcb) is; a listening socket has the smaller pcb of one.
enum socket_kind { SOCKET_TCP, SOCKET_LISTENER, SOCKET_UDP, SOCKET_RAW };

// Set an option. Returns false if it is none of these. Raises OSError.
bool socket_option_set(struct ip_pcb *pcb, enum socket_kind kind, mp_int_t level, mp_int_t option,
    mp_obj_t value);

// The value of an option, all but SO_ERROR and SO_TYPE. Raises OSError(ENOPROTOOPT).
mp_int_t socket_option_get(struct ip_pcb *pcb, enum socket_kind kind, mp_int_t level,
    mp_int_t option);

// tcp_close(), or a reset where SO_LINGER asks for no time.
err_t socket_close_tcp(struct tcp_pcb *pcb);

MP_DECLARE_CONST_FUN_OBJ_2(socket_inet_pton_obj);
MP_DECLARE_CONST_FUN_OBJ_2(socket_inet_ntop_obj);

#endif // IMPORTOS_SOCKET_OPTIONS_H
