// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// setsockopt() and getsockopt() for what upstream's sockets lack; inet_pton() and inet_ntop().

#include "socket_options.h"

#include <errno.h>
#include <string.h>

#include "py/runtime.h"

#include "extmod/modnetwork.h"
#include "lwip/mld6.h"
#include "lwip/udp.h"

#include "net_error.h"

#ifndef ENOPROTOOPT
#define ENOPROTOOPT 92
#endif
// A bit of so_options that lwIP does not use: close() resets.
#define RESET_AT_CLOSE SO_LINGER
#define MREQ6_SIZE 20 // struct ipv6_mreq: the group, the number of an interface

static unsigned number(mp_obj_t value, unsigned max) {
    mp_int_t n = mp_obj_get_int(value);
    if (n < 0 || n > (mp_int_t)max) {
        mp_raise_OSError(EINVAL);
    }
    return (unsigned)n;
}

// (value) is struct linger: on or off, seconds. Without time for what is not sent yet, close()
// resets; with it, lwIP sends that after close() has returned, as it always does.
static void set_linger(struct ip_pcb *pcb, mp_obj_t value) {
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(value, &buffer, MP_BUFFER_READ);
    int32_t linger[2];
    if (buffer.len != sizeof(linger)) {
        mp_raise_OSError(EINVAL);
    }
    memcpy(linger, buffer.buf, sizeof(linger));
    if (linger[0] != 0 && linger[1] == 0) {
        ip_set_option(pcb, RESET_AT_CLOSE);
    } else {
        ip_reset_option(pcb, RESET_AT_CLOSE);
    }
}

static bool set_socket(struct ip_pcb *pcb, mp_int_t option, mp_obj_t value) {
    if (option == SO_LINGER) {
        set_linger(pcb, value);
    } else if (option == SO_KEEPALIVE) {
        if (mp_obj_is_true(value)) {
            ip_set_option(pcb, SOF_KEEPALIVE);
        } else {
            ip_reset_option(pcb, SOF_KEEPALIVE);
        }
    } else {
        return false;
    }
    return true;
}

static bool set_tcp(struct ip_pcb *pcb, enum socket_kind kind, mp_int_t option, mp_obj_t value) {
    if (kind != SOCKET_TCP) {
        // Upstream would write TCP_NODELAY behind the end of a listener's pcb.
        return kind == SOCKET_LISTENER && option == TF_NODELAY;
    }
    struct tcp_pcb *tcp = (struct tcp_pcb *)pcb;
    switch (option) {
        case TCP_KEEPIDLE:
            tcp->keep_idle = number(value, UINT32_MAX / 1000) * 1000;
            return true;
        case TCP_KEEPINTVL:
            tcp->keep_intvl = number(value, UINT32_MAX / 1000) * 1000;
            return true;
        case TCP_KEEPCNT:
            tcp->keep_cnt = number(value, 255);
            return true;
        default:
            return false;
    }
}

static bool set_multicast(struct udp_pcb *udp, mp_int_t option, mp_obj_t value) {
    switch (option) {
        case IP_MULTICAST_TTL:
            udp_set_multicast_ttl(udp, (u8_t)number(value, 255));
            return true;
        case IP_MULTICAST_LOOP:
            if (mp_obj_is_true(value)) {
                udp_set_flags(udp, UDP_FLAGS_MULTICAST_LOOP);
            } else {
                udp_clear_flags(udp, UDP_FLAGS_MULTICAST_LOOP);
            }
            return true;
        case IP_MULTICAST_IF: {
            mp_buffer_info_t buffer;
            mp_get_buffer_raise(value, &buffer, MP_BUFFER_READ);
            ip4_addr_t address;
            if (buffer.len != sizeof(address)) {
                mp_raise_OSError(EINVAL);
            }
            memcpy(&address, buffer.buf, sizeof(address));
            udp_set_multicast_netif_addr(udp, &address);
            return true;
        }
        default:
            return false;
    }
}

static bool set_ip(struct ip_pcb *pcb, enum socket_kind kind, mp_int_t option, mp_obj_t value) {
    if (option == IP_TOS) {
        pcb->tos = (u8_t)number(value, 255);
    } else if (option == IP_TTL) {
        pcb->ttl = (u8_t)number(value, 255);
    } else {
        return kind == SOCKET_UDP && set_multicast((struct udp_pcb *)pcb, option, value);
    }
    return true;
}

static bool set_ip6(mp_int_t option, mp_obj_t value) {
    if (option != IPV6_JOIN_GROUP && option != IPV6_LEAVE_GROUP) {
        return false;
    }
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(value, &buffer, MP_BUFFER_READ);
    if (buffer.len != MREQ6_SIZE) {
        mp_raise_OSError(EINVAL);
    }
    ip6_addr_t group;
    uint32_t index;
    memset(&group, 0, sizeof(group));
    memcpy(group.addr, buffer.buf, sizeof(group.addr));
    memcpy(&index, (const uint8_t *)buffer.buf + sizeof(group.addr), sizeof(index));
    err_t err = ERR_VAL;
    struct netif *netif;
    NETIF_FOREACH(netif) {
        if (index != 0 ? index == netif_get_index(netif) : (netif->flags & NETIF_FLAG_MLD6) != 0) {
            ip6_addr_assign_zone(&group, IP6_MULTICAST, netif);
            err_t here = option == IPV6_JOIN_GROUP ? mld6_joingroup_netif(netif, &group) :
                mld6_leavegroup_netif(netif, &group);
            err = err == ERR_OK ? ERR_OK : here;
        }
    }
    net_check(err);
    return true;
}

bool socket_option_set(struct ip_pcb *pcb, enum socket_kind kind, mp_int_t level, mp_int_t option,
    mp_obj_t value) {
    switch (level) {
        case SOL_SOCKET:
            return set_socket(pcb, option, value);
        case IP_PROTO_TCP:
            return set_tcp(pcb, kind, option, value);
        case 0: // IPPROTO_IP
            return set_ip(pcb, kind, option, value);
        case IPPROTO_IPV6:
            return set_ip6(option, value);
        default:
            return false;
    }
}

static mp_int_t get_tcp(const struct tcp_pcb *tcp, mp_int_t option) {
    switch (option) {
        case TF_NODELAY:
            return tcp_nagle_disabled(tcp);
        case TCP_KEEPIDLE:
            return tcp->keep_idle / 1000;
        case TCP_KEEPINTVL:
            return tcp->keep_intvl / 1000;
        case TCP_KEEPCNT:
            return tcp->keep_cnt;
        default:
            mp_raise_OSError(ENOPROTOOPT);
    }
}

mp_int_t socket_option_get(struct ip_pcb *pcb, enum socket_kind kind, mp_int_t level,
    mp_int_t option) {
    if (level == SOL_SOCKET && (option == SOF_REUSEADDR || option == SOF_BROADCAST ||
                                option == SOF_KEEPALIVE)) {
        return ip_get_option(pcb, option) != 0;
    }
    if (level == IP_PROTO_TCP && kind == SOCKET_TCP) {
        return get_tcp((const struct tcp_pcb *)pcb, option);
    }
    if (level == 0 && (option == IP_TOS || option == IP_TTL)) {
        return option == IP_TOS ? pcb->tos : pcb->ttl;
    }
    mp_raise_OSError(ENOPROTOOPT);
}

err_t socket_close_tcp(struct tcp_pcb *pcb) {
    if (pcb->state != LISTEN && pcb->state != CLOSED && ip_get_option(pcb, RESET_AT_CLOSE)) {
        tcp_abort(pcb);
        return ERR_OK;
    }
    return tcp_close(pcb);
}

// inet_pton(family, text) -> the address in network order
static mp_obj_t socket_inet_pton(mp_obj_t family, mp_obj_t text_in) {
    const char *text = mp_obj_str_get_str(text_in);
    ip4_addr_t ip4;
    ip6_addr_t ip6;
    if (mp_obj_get_int(family) == MOD_NETWORK_AF_INET6) {
        if (ip6addr_aton(text, &ip6)) {
            return mp_obj_new_bytes((const byte *)ip6.addr, sizeof(ip6.addr));
        }
    } else if (ip4addr_aton(text, &ip4)) {
        return mp_obj_new_bytes((const byte *)&ip4, sizeof(ip4));
    }
    mp_raise_OSError(EINVAL);
}
MP_DEFINE_CONST_FUN_OBJ_2(socket_inet_pton_obj, socket_inet_pton);

// inet_ntop(family, address) -> text
static mp_obj_t socket_inet_ntop(mp_obj_t family, mp_obj_t address) {
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(address, &buffer, MP_BUFFER_READ);
    bool is_ip6 = mp_obj_get_int(family) == MOD_NETWORK_AF_INET6;
    ip_addr_t ip;
    memset(&ip, 0, sizeof(ip));
    size_t size = is_ip6 ? sizeof(ip_2_ip6(&ip)->addr) : sizeof(*ip_2_ip4(&ip));
    if (buffer.len != size) {
        mp_raise_OSError(EINVAL);
    }
    IP_SET_TYPE_VAL(ip, is_ip6 ? IPADDR_TYPE_V6 : IPADDR_TYPE_V4);
    memcpy(&ip, buffer.buf, size);
    char text[IPADDR_STRLEN_MAX];
    ipaddr_ntoa_r(&ip, text, sizeof(text));
    return mp_obj_new_str_from_cstr(text);
}
MP_DEFINE_CONST_FUN_OBJ_2(socket_inet_ntop_obj, socket_inet_ntop);
