// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The module socket: MicroPython's own extmod/modlwip.c, compiled here with what it lacks. Where
// a function of it is replaced, a macro of the function's name with arguments renames upstream's
// definition, and leaves the places that only name it to our function. (The copy that is included
// has a longer queue for datagrams, see micropython.mk.)
//
// Added: data that arrives before accept() is kept; the first use waits for DHCP; a blocking call
// in a callback raises EDEADLK instead of hanging; listen() with any backlog; both IP versions
// behind an empty address; getsockname, getpeername, shutdown, recv_into, recvfrom_into, with.

#include <errno.h>
#include <string.h>

#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stream.h"

#include "lwip/dns.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/raw.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"

#include "net_error.h"
#include "net_hooks.h"
#include "net_quiet.h"
#include "netif_virtio.h"
#include "poll_watch.h"
#include "socket_options.h"
#include "socket_pending.h"
#include "socket_wait.h"

// The longest queue that its byte can count: it costs 2 KiB, and a full one resets peers.
#define BACKLOG 255

// Before 1.26 modlwip.c has no flags for receiving, and other names for the peer.
#if MICROPY_VERSION < MICROPY_MAKE_VERSION(1, 26, 0)
#define MODLWIP_FLAGS 0
#define MSG_PEEK 0x01
#define MSG_DONTWAIT 0x02
#else
#define MODLWIP_FLAGS 1
#endif

// --- poll sets that wait for a socket -----------------------------------------------------------

static void wake(void *socket);

// What changes what a socket can read passes here on its way to upstream's callbacks.

static err_t _lwip_tcp_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err);
static err_t receive_and_wake(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err) {
    wake(arg);
    return _lwip_tcp_recv(arg, pcb, p, err);
}

static void _lwip_tcp_error(void *arg, err_t err);
static void fail_and_wake(void *arg, err_t err) {
    wake(arg);
    _lwip_tcp_error(arg, err);
}

static void _lwip_udp_incoming(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *by,
    u16_t port);
static void datagram_and_wake(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *by,
    u16_t port) {
    wake(arg);
    _lwip_udp_incoming(arg, pcb, p, by, port);
}

static void set_datagram_callback(struct udp_pcb *pcb, udp_recv_fn fn, void *socket) {
    udp_recv(pcb, fn == NULL ? NULL : datagram_and_wake, socket);
}

// --- what upstream's code calls -----------------------------------------------------------------

// close() takes the callbacks from any TCP pcb. That of a listener is smaller and has none:
// upstream would write behind it, which lwIP asserts against.
static void set_error_callback(struct tcp_pcb *pcb, tcp_err_fn fn) {
    if (pcb->state != LISTEN) {
        tcp_err(pcb, fn == _lwip_tcp_error ? fail_and_wake : fn);
    }
}

static void set_receive_callback(struct tcp_pcb *pcb, tcp_recv_fn fn) {
    if (pcb->state != LISTEN) {
        tcp_recv(pcb, fn == _lwip_tcp_recv ? receive_and_wake : fn);
    }
}

// --- connections that nobody has accepted yet ---------------------------------------------------

static err_t _lwip_tcp_accept(void *arg, struct tcp_pcb *newpcb, err_t err);

// They count against the backlog, so that a SYN for which there is no place is dropped and comes
// again, as with every other system: upstream's queue resets the connection.
static err_t queue_accepted(void *arg, struct tcp_pcb *pcb, err_t err) {
    err_t ret = _lwip_tcp_accept(arg, pcb, err);
    if (ret == ERR_OK && pcb != NULL) {
        wake(arg);
        tcp_backlog_delayed(pcb);
    }
    return ret;
}

static void take_accepted(struct tcp_pcb *pcb) {
    tcp_backlog_accepted(pcb);
    socket_pending_deliver(pcb);
}

// --- upstream, with replacements ----------------------------------------------------------------

static mp_obj_t lwip_socket_listen(size_t n_args, const mp_obj_t *args);
static mp_obj_t lwip_socket_setsockopt(size_t n_args, const mp_obj_t *args);
static mp_uint_t lwip_socket_ioctl(mp_obj_t self, mp_uint_t request, uintptr_t arg, int *error);
static err_t _lwip_tcp_recv_unaccepted(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err) {
    return socket_pending_receive(arg, pcb, p, err);
}

extern const mp_obj_fun_builtin_fixed_t socket_getsockname_obj, socket_getpeername_obj,
                                        socket_shutdown_obj, socket_self_obj, socket_init_obj,
                                        socket_getsockopt_obj, socket_gettimeout_obj;
extern const mp_obj_fun_builtin_var_t socket_recv_into_obj, socket_recvfrom_into_obj,
                                      socket_exit_obj;

#define lwip_socket_listen(n_args, args) upstream_socket_listen(n_args, args)
#define lwip_socket_setsockopt(n_args, args) upstream_socket_setsockopt(n_args, args)
#define tcp_close(pcb) socket_close_tcp(pcb)
#define _lwip_tcp_recv_unaccepted(arg, pcb, p, err) \
    __attribute__((unused)) upstream_recv_unaccepted(arg, pcb, p, err)
#undef tcp_accepted
#define tcp_accepted(listener) take_accepted(socket2->pcb.tcp)
#define tcp_accept(pcb, fn) tcp_accept(pcb, queue_accepted)
#define tcp_output(pcb) net_unless_full(tcp_output(pcb))
#define tcp_err(pcb, fn) set_error_callback(pcb, fn)
#define tcp_recv(pcb, fn) set_receive_callback(pcb, fn)
#define udp_recv(pcb, fn, arg) set_datagram_callback(pcb, fn, arg)
#define lwip_socket_ioctl(self, request, arg, error) \
    upstream_socket_ioctl(self, request, arg, error)
#define tcp_new() tcp_new_ip_type(socket->domain == MOD_NETWORK_AF_INET6 ? IPADDR_TYPE_ANY : \
    IPADDR_TYPE_V4)
#define udp_new() udp_new_ip_type(socket->domain == MOD_NETWORK_AF_INET6 ? IPADDR_TYPE_ANY : \
    IPADDR_TYPE_V4)
#define tcp_connect(pcb, to, port, fn) socket_connect_tcp(pcb, to, port, fn)
#define udp_sendto(pcb, p, to, port) (socket_wait_route(to), udp_sendto(pcb, p, to, port))
#define dns_gethostbyname_addrtype(name, address, fn, arg, type) \
    (socket_wait_resolver(name), dns_gethostbyname_addrtype(name, address, fn, arg, type))
#define mp_event_wait_ms socket_wait_event
#undef IP6_ADDR_ANY
#define IP6_ADDR_ANY IP_ANY_TYPE

#undef MP_DEFINE_CONST_DICT
#define MP_DEFINE_CONST_DICT(name, table) DICT_##name(table)
#define DICT_lwip_socket_locals_dict(table) \
    const mp_rom_map_elem_t socket_table[] = { \
        { MP_ROM_QSTR(MP_QSTR___del__), MP_ROM_PTR(&mp_stream_close_obj) }, \
        { MP_ROM_QSTR(MP_QSTR___enter__), MP_ROM_PTR(&socket_self_obj) }, \
        { MP_ROM_QSTR(MP_QSTR___exit__), MP_ROM_PTR(&socket_exit_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_close), MP_ROM_PTR(&mp_stream_close_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_bind), MP_ROM_PTR(&lwip_socket_bind_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_listen), MP_ROM_PTR(&lwip_socket_listen_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_accept), MP_ROM_PTR(&lwip_socket_accept_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_connect), MP_ROM_PTR(&lwip_socket_connect_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_send), MP_ROM_PTR(&lwip_socket_send_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_recv), MP_ROM_PTR(&lwip_socket_recv_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_recv_into), MP_ROM_PTR(&socket_recv_into_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_sendto), MP_ROM_PTR(&lwip_socket_sendto_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_recvfrom), MP_ROM_PTR(&lwip_socket_recvfrom_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_recvfrom_into), MP_ROM_PTR(&socket_recvfrom_into_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_sendall), MP_ROM_PTR(&lwip_socket_sendall_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_settimeout), MP_ROM_PTR(&lwip_socket_settimeout_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_setblocking), MP_ROM_PTR(&lwip_socket_setblocking_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_setsockopt), MP_ROM_PTR(&lwip_socket_setsockopt_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_getsockopt), MP_ROM_PTR(&socket_getsockopt_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_gettimeout), MP_ROM_PTR(&socket_gettimeout_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_makefile), MP_ROM_PTR(&lwip_socket_makefile_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_getsockname), MP_ROM_PTR(&socket_getsockname_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_getpeername), MP_ROM_PTR(&socket_getpeername_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_shutdown), MP_ROM_PTR(&socket_shutdown_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_read), MP_ROM_PTR(&mp_stream_read_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_readinto), MP_ROM_PTR(&mp_stream_readinto_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_readline), MP_ROM_PTR(&mp_stream_unbuffered_readline_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_write), MP_ROM_PTR(&mp_stream_write_obj) }, \
    }; \
    static MP_DEFINE_CONST_DICT_WITH_SIZE(lwip_socket_locals_dict, socket_table, \
    MP_ARRAY_SIZE(socket_table))
#define DICT_mp_module_lwip_globals(table) \
    const mp_rom_map_elem_t module_table[] = { \
        { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_socket) }, \
        { MP_ROM_QSTR(MP_QSTR___init__), MP_ROM_PTR(&socket_init_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_reset), MP_ROM_PTR(&socket_init_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_callback), MP_ROM_PTR(&mod_lwip_callback_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_getaddrinfo), MP_ROM_PTR(&lwip_getaddrinfo_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_socket), MP_ROM_PTR(&lwip_socket_type) }, \
        { MP_ROM_QSTR(MP_QSTR_AF_INET), MP_ROM_INT(MOD_NETWORK_AF_INET) }, \
        { MP_ROM_QSTR(MP_QSTR_AF_INET6), MP_ROM_INT(MOD_NETWORK_AF_INET6) }, \
        { MP_ROM_QSTR(MP_QSTR_SOCK_STREAM), MP_ROM_INT(MOD_NETWORK_SOCK_STREAM) }, \
        { MP_ROM_QSTR(MP_QSTR_SOCK_DGRAM), MP_ROM_INT(MOD_NETWORK_SOCK_DGRAM) }, \
        { MP_ROM_QSTR(MP_QSTR_SOCK_RAW), MP_ROM_INT(MOD_NETWORK_SOCK_RAW) }, \
        { MP_ROM_QSTR(MP_QSTR_SOL_SOCKET), MP_ROM_INT(1) }, \
        { MP_ROM_QSTR(MP_QSTR_SO_REUSEADDR), MP_ROM_INT(SOF_REUSEADDR) }, \
        { MP_ROM_QSTR(MP_QSTR_SO_BROADCAST), MP_ROM_INT(SOF_BROADCAST) }, \
        { MP_ROM_QSTR(MP_QSTR_IPPROTO_IP), MP_ROM_INT(0) }, \
        { MP_ROM_QSTR(MP_QSTR_IP_ADD_MEMBERSHIP), MP_ROM_INT(IP_ADD_MEMBERSHIP) }, \
        { MP_ROM_QSTR(MP_QSTR_IP_DROP_MEMBERSHIP), MP_ROM_INT(IP_DROP_MEMBERSHIP) }, \
        { MP_ROM_QSTR(MP_QSTR_IPPROTO_TCP), MP_ROM_INT(IP_PROTO_TCP) }, \
        { MP_ROM_QSTR(MP_QSTR_IPPROTO_UDP), MP_ROM_INT(IP_PROTO_UDP) }, \
        { MP_ROM_QSTR(MP_QSTR_IPPROTO_ICMP), MP_ROM_INT(IP_PROTO_ICMP) }, \
        { MP_ROM_QSTR(MP_QSTR_TCP_NODELAY), MP_ROM_INT(TCP_NODELAY) }, \
        { MP_ROM_QSTR(MP_QSTR_SO_KEEPALIVE), MP_ROM_INT(SO_KEEPALIVE) }, \
        { MP_ROM_QSTR(MP_QSTR_SO_LINGER), MP_ROM_INT(SO_LINGER) }, \
        { MP_ROM_QSTR(MP_QSTR_SO_ERROR), MP_ROM_INT(SO_ERROR) }, \
        { MP_ROM_QSTR(MP_QSTR_SO_TYPE), MP_ROM_INT(SO_TYPE) }, \
        { MP_ROM_QSTR(MP_QSTR_TCP_KEEPIDLE), MP_ROM_INT(TCP_KEEPIDLE) }, \
        { MP_ROM_QSTR(MP_QSTR_TCP_KEEPINTVL), MP_ROM_INT(TCP_KEEPINTVL) }, \
        { MP_ROM_QSTR(MP_QSTR_TCP_KEEPCNT), MP_ROM_INT(TCP_KEEPCNT) }, \
        { MP_ROM_QSTR(MP_QSTR_IP_TOS), MP_ROM_INT(IP_TOS) }, \
        { MP_ROM_QSTR(MP_QSTR_IP_TTL), MP_ROM_INT(IP_TTL) }, \
        { MP_ROM_QSTR(MP_QSTR_IP_MULTICAST_TTL), MP_ROM_INT(IP_MULTICAST_TTL) }, \
        { MP_ROM_QSTR(MP_QSTR_IP_MULTICAST_IF), MP_ROM_INT(IP_MULTICAST_IF) }, \
        { MP_ROM_QSTR(MP_QSTR_IP_MULTICAST_LOOP), MP_ROM_INT(IP_MULTICAST_LOOP) }, \
        { MP_ROM_QSTR(MP_QSTR_IPPROTO_IPV6), MP_ROM_INT(IPPROTO_IPV6) }, \
        { MP_ROM_QSTR(MP_QSTR_IPV6_JOIN_GROUP), MP_ROM_INT(IPV6_JOIN_GROUP) }, \
        { MP_ROM_QSTR(MP_QSTR_IPV6_LEAVE_GROUP), MP_ROM_INT(IPV6_LEAVE_GROUP) }, \
        { MP_ROM_QSTR(MP_QSTR_inet_pton), MP_ROM_PTR(&socket_inet_pton_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_inet_ntop), MP_ROM_PTR(&socket_inet_ntop_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_MSG_PEEK), MP_ROM_INT(MSG_PEEK) }, \
        { MP_ROM_QSTR(MP_QSTR_MSG_DONTWAIT), MP_ROM_INT(MSG_DONTWAIT) }, \
        { MP_ROM_QSTR(MP_QSTR_SHUT_RD), MP_ROM_INT(SHUT_RD) }, \
        { MP_ROM_QSTR(MP_QSTR_SHUT_WR), MP_ROM_INT(SHUT_WR) }, \
        { MP_ROM_QSTR(MP_QSTR_SHUT_RDWR), MP_ROM_INT(SHUT_RDWR) }, \
    }; \
    static MP_DEFINE_CONST_DICT_WITH_SIZE(mp_module_lwip_globals, module_table, \
    MP_ARRAY_SIZE(module_table))

#define SHUT_RD 0
#define SHUT_WR 1
#define SHUT_RDWR 2

#include "net_modlwip.h"

#undef lwip_socket_listen
#undef lwip_socket_setsockopt
#undef lwip_socket_ioctl
#undef tcp_close
#undef mp_event_wait_ms

// --- replacements and additions -----------------------------------------------------------------

static void wake(void *socket) {
    if (socket != NULL) {
        poll_watch_wake(&((lwip_socket_obj_t *)socket)->watch);
    }
}

struct poll_watch **poll_watch_slot(mp_obj_t stream) {
    lwip_socket_obj_t *self = MP_OBJ_TO_PTR(stream);
    return mp_obj_is_type(stream, &lwip_socket_type) && self->type != MOD_NETWORK_SOCK_RAW ?
           &self->watch : NULL;
}

// A closed socket is told to whoever polls it.
static mp_uint_t lwip_socket_ioctl(mp_obj_t self, mp_uint_t request, uintptr_t arg, int *error) {
    if (request == MP_STREAM_CLOSE) {
        wake(MP_OBJ_TO_PTR(self));
    }
    return upstream_socket_ioctl(self, request, arg, error);
}

// The backlog is kept in a byte, and upstream's array of connections in another.
static mp_obj_t lwip_socket_listen(size_t n_args, const mp_obj_t *args) {
    if (n_args > 1) {
        mp_obj_get_int(args[1]); // TypeError
    }
    mp_obj_t longest[2] = { args[0], MP_OBJ_NEW_SMALL_INT(BACKLOG) };
    upstream_socket_listen(2, longest);
    lwip_socket_obj_t *self = MP_OBJ_TO_PTR(args[0]);
    tcp_backlog_set(self->pcb.tcp, NET_BACKLOG);
    return mp_const_none;
}

static enum socket_kind kind_of(const lwip_socket_obj_t *self) {
    if (self->pcb.tcp == NULL) {
        mp_raise_OSError(MP_EBADF);
    }
    if (self->type == MOD_NETWORK_SOCK_STREAM) {
        return self->pcb.tcp->state == LISTEN ? SOCKET_LISTENER : SOCKET_TCP;
    }
    return self->type == MOD_NETWORK_SOCK_DGRAM ? SOCKET_UDP : SOCKET_RAW;
}

static mp_obj_t lwip_socket_setsockopt(size_t n_args, const mp_obj_t *args) {
    lwip_socket_obj_t *self = MP_OBJ_TO_PTR(args[0]);
    enum socket_kind kind = kind_of(self);
    if (!socket_option_set((struct ip_pcb *)self->pcb.tcp, kind, mp_obj_get_int(args[1]),
        mp_obj_get_int(args[2]), args[3])) {
        upstream_socket_setsockopt(n_args, args);
    }
    return mp_const_none;
}

static mp_obj_t socket_getsockopt(mp_obj_t self_in, mp_obj_t level_in, mp_obj_t option_in) {
    lwip_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_int_t level = mp_obj_get_int(level_in), option = mp_obj_get_int(option_in);
    if (level == SOL_SOCKET && option == SO_ERROR) {
        int state = self->state;
        bool error = state < 0 && state != ERR_CLSD; // which is the end after an error was told
        return MP_OBJ_NEW_SMALL_INT(error ? error_lookup_table[-state] : 0);
    }
    if (level == SOL_SOCKET && option == SO_TYPE) {
        return MP_OBJ_NEW_SMALL_INT(self->type);
    }
    enum socket_kind kind = kind_of(self);
    return mp_obj_new_int(socket_option_get((struct ip_pcb *)self->pcb.tcp, kind, level, option));
}
MP_DEFINE_CONST_FUN_OBJ_3(socket_getsockopt_obj, socket_getsockopt);

static mp_obj_t socket_gettimeout(mp_obj_t self_in) {
    lwip_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    return self->timeout == (mp_uint_t)-1 ? mp_const_none :
           mp_obj_new_float(self->timeout / 1000.0);
}
MP_DEFINE_CONST_FUN_OBJ_1(socket_gettimeout_obj, socket_gettimeout);

static mp_obj_t socket_getsockname(mp_obj_t self_in) {
    lwip_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->pcb.tcp == NULL) {
        mp_raise_OSError(MP_EBADF);
    }
    if (self->type == MOD_NETWORK_SOCK_STREAM) {
        return lwip_format_inet_addr(&self->pcb.tcp->local_ip, self->pcb.tcp->local_port);
    }
    if (self->type == MOD_NETWORK_SOCK_DGRAM) {
        return lwip_format_inet_addr(&self->pcb.udp->local_ip, self->pcb.udp->local_port);
    }
    return lwip_format_inet_addr(&self->pcb.raw->local_ip, 0);
}
MP_DEFINE_CONST_FUN_OBJ_1(socket_getsockname_obj, socket_getsockname);

static mp_obj_t socket_getpeername(mp_obj_t self_in) {
    lwip_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->pcb.tcp == NULL) {
        mp_raise_OSError(MP_EBADF);
    }
    if (self->type == MOD_NETWORK_SOCK_STREAM &&
        (self->state == STATE_CONNECTED || self->state == STATE_PEER_CLOSED)) {
        return lwip_format_inet_addr(&self->pcb.tcp->remote_ip, self->pcb.tcp->remote_port);
    }
    if (self->type == MOD_NETWORK_SOCK_DGRAM && self->pcb.udp->remote_port != 0) {
        return lwip_format_inet_addr(&self->pcb.udp->remote_ip, self->pcb.udp->remote_port);
    }
    mp_raise_OSError(MP_ENOTCONN);
}
MP_DEFINE_CONST_FUN_OBJ_1(socket_getpeername_obj, socket_getpeername);

static mp_obj_t socket_shutdown(mp_obj_t self_in, mp_obj_t how_in) {
    lwip_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_int_t how = mp_obj_get_int(how_in);
    if (how < SHUT_RD || how > SHUT_RDWR) {
        mp_raise_OSError(MP_EINVAL);
    }
    if (self->pcb.tcp == NULL || self->type != MOD_NETWORK_SOCK_STREAM ||
        (self->state != STATE_CONNECTED && self->state != STATE_PEER_CLOSED)) {
        mp_raise_OSError(MP_ENOTCONN);
    }
    // Reading on is harmless, and both directions at once would free the pcb under the socket.
    if (how != SHUT_RD) {
        err_t err = tcp_shutdown(self->pcb.tcp, 0, 1);
        if (err != ERR_OK) {
            mp_raise_OSError(error_lookup_table[-err]);
        }
    }
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_2(socket_shutdown_obj, socket_shutdown);

#if MODLWIP_FLAGS
static mp_uint_t receive(lwip_socket_obj_t *self, void *data, size_t size, mp_int_t flags,
    ip_addr_t *ip, mp_uint_t *port, int *error) {
    if (self->type != MOD_NETWORK_SOCK_STREAM) {
        return lwip_raw_udp_receive(self, data, size, flags, ip, port, error);
    }
    *ip = self->tcp_peer_addr;
    *port = self->tcp_peer_port;
    return lwip_tcp_receive(self, data, size, flags, error);
}
#else
static mp_uint_t receive(lwip_socket_obj_t *self, void *data, size_t size, mp_int_t flags,
    ip_addr_t *ip, mp_uint_t *port, int *error) {
    if (flags != 0) {
        *error = MP_EINVAL;
        return MP_STREAM_ERROR;
    }
    if (self->type != MOD_NETWORK_SOCK_STREAM) {
        return lwip_raw_udp_receive(self, data, size, ip, port, error);
    }
    *ip = self->peer;
    *port = self->peer_port;
    return lwip_tcp_receive(self, data, size, error);
}
#endif

// Common part of recv_into(buffer[, size[, flags]]) and recvfrom_into(); returns the count.
static mp_uint_t receive_into(size_t n_args, const mp_obj_t *args, ip_addr_t *ip,
    mp_uint_t *port) {
    lwip_socket_obj_t *self = MP_OBJ_TO_PTR(args[0]);
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(args[1], &buffer, MP_BUFFER_WRITE);
    mp_int_t size = n_args > 2 ? mp_obj_get_int(args[2]) : 0;
    mp_int_t flags = n_args > 3 ? mp_obj_get_int(args[3]) : 0;
    if (size < 0 || (size_t)size > buffer.len) {
        mp_raise_ValueError(MP_ERROR_TEXT("size does not fit the buffer"));
    }
    size = size == 0 ? (mp_int_t)buffer.len : size;
    if (!MODLWIP_FLAGS || self->type != MOD_NETWORK_SOCK_STREAM) {
        lwip_socket_check_connected(self);
    }
    int error = 0;
    mp_uint_t count = receive(self, buffer.buf, size, flags, ip, port, &error);
    if (count == MP_STREAM_ERROR) {
        mp_raise_OSError(error);
    }
    return count;
}

static mp_obj_t socket_recv_into(size_t n_args, const mp_obj_t *args) {
    ip_addr_t ip;
    mp_uint_t port;
    return mp_obj_new_int_from_uint(receive_into(n_args, args, &ip, &port));
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(socket_recv_into_obj, 2, 4, socket_recv_into);

static mp_obj_t socket_recvfrom_into(size_t n_args, const mp_obj_t *args) {
    ip_addr_t ip;
    mp_uint_t port;
    mp_obj_t count = mp_obj_new_int_from_uint(receive_into(n_args, args, &ip, &port));
    mp_obj_t result[2] = { count, lwip_format_inet_addr(&ip, port) };
    return mp_obj_new_tuple(2, result);
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(socket_recvfrom_into_obj, 2, 4, socket_recvfrom_into);

static mp_obj_t socket_self(mp_obj_t self_in) {
    return self_in;
}
MP_DEFINE_CONST_FUN_OBJ_1(socket_self_obj, socket_self);

static mp_obj_t socket_exit(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    return mp_stream_close(args[0]);
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(socket_exit_obj, 4, 4, socket_exit);

// What `import socket` does.
static mp_obj_t socket_init(void) {
    net_start();
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_0(socket_init_obj, socket_init);
