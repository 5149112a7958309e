// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// net.UDP and net.Packet: datagrams.

#include <string.h>

#include "lwip/igmp.h"
#include "lwip/mld6.h"
#include "lwip/udp.h"
#include "py/mperrno.h"
#include "py/objstr.h"

#include "events.h"
#include "net_error.h"
#include "net_object.h"
#include "netif_virtio.h"
#include "network_lan.h"

#define PAYLOAD_ALWAYS 1232 // fits any interface that IPv6 runs on
#define IP4_UDP_SIZE 28
#define IP6_UDP_SIZE 48
#define LOOP_MTU 9000 // an interface that has none

typedef struct _net_udp_obj_t {
    net_obj_t object;
    struct udp_pcb *pcb; // NULL once closed
    mp_obj_t on_packet;
} net_udp_obj_t;

typedef struct _net_packet_obj_t {
    mp_obj_base_t base;
    net_udp_obj_t *udp;
    mp_obj_t data;
    ip_addr_t remote;
    uint16_t port;
    uint8_t card;
} net_packet_obj_t;

static void close_udp(net_udp_obj_t *self) {
    if (self->pcb != NULL) {
        udp_remove(self->pcb);
        self->pcb = NULL;
    }
}

static void reset(net_obj_t *object) {
    close_udp((net_udp_obj_t *)object);
}

// Datagrams are not cut: what the interface towards (to) carries in one packet.
static size_t payload_max(const struct udp_pcb *pcb, const ip_addr_t *to) {
    const struct netif *netif = ip_route(&pcb->local_ip, to);
    unsigned mtu = netif == NULL || netif->mtu == 0 ? LOOP_MTU : netif->mtu;
    unsigned headers = IP_IS_V6(to) ? IP6_UDP_SIZE : IP4_UDP_SIZE;
    return mtu > headers ? mtu - headers : 0;
}

static bool send_to(net_udp_obj_t *self, mp_obj_t data, const ip_addr_t *to, uint16_t port) {
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(data, &buffer, MP_BUFFER_READ);
    if (self->pcb == NULL) {
        mp_raise_OSError(MP_EBADF);
    }
    if (buffer.len > PAYLOAD_ALWAYS && buffer.len > payload_max(self->pcb, to)) {
        net_raise(EMSGSIZE, "a datagram is longer than the interface's mtu");
    }
    struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)buffer.len, PBUF_RAM);
    if (p == NULL) {
        return false;
    }
    memcpy(p->payload, buffer.buf, buffer.len);
    err_t err = udp_sendto(self->pcb, p, to, port);
    pbuf_free(p);
    return err == ERR_OK;
}

// --- packets ------------------------------------------------------------------------------------

static net_packet_obj_t *new_packet(net_udp_obj_t *self, const struct pbuf *p,
    const ip_addr_t *remote, u16_t port) {
    mp_obj_t data = net_bytes(p, 0);
    net_packet_obj_t *packet = m_new_obj_maybe(net_packet_obj_t);
    if (data == MP_OBJ_NULL || packet == NULL) {
        return NULL;
    }
    packet->base.type = &net_packet_type;
    packet->udp = self;
    packet->data = data;
    packet->remote = *remote;
    packet->port = port;
    struct netif *netif = ip_current_input_netif();
    const struct net_card *card = netif != NULL ? netif->state : NULL;
    packet->card = card != NULL ? (uint8_t)card->index : 0xff;
    return packet;
}

static void on_receive(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *remote,
    u16_t port) {
    (void)pcb;
    net_udp_obj_t *self = arg;
    net_packet_obj_t *packet = net_has(self->on_packet) ? new_packet(self, p, remote, port) : NULL;
    pbuf_free(p);
    if (packet != NULL) {
        mp_obj_t argument = MP_OBJ_FROM_PTR(packet);
        os_call(MP_OBJ_FROM_PTR(self), "net.UDP on_packet", self->on_packet, 1, &argument);
    }
}

static mp_obj_t net_packet_reply(mp_obj_t self_in, mp_obj_t data) {
    net_packet_obj_t *self = MP_OBJ_TO_PTR(self_in);
    return mp_obj_new_bool(send_to(self->udp, data, &self->remote, self->port));
}
static MP_DEFINE_CONST_FUN_OBJ_2(net_packet_reply_obj, net_packet_reply);

static void net_packet_attr(mp_obj_t self_in, qstr name, mp_obj_t *destination) {
    net_packet_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (destination[0] != MP_OBJ_NULL) {
        return;
    }
    if (name == MP_QSTR_data) {
        destination[0] = self->data;
    } else if (name == MP_QSTR_remote) {
        destination[0] = net_address(&self->remote, self->port);
    } else if (name == MP_QSTR_nic) {
        destination[0] = self->card == 0xff ? mp_const_none : network_lan_get(self->card);
    } else {
        destination[1] = MP_OBJ_SENTINEL;
    }
}

static const mp_rom_map_elem_t net_packet_locals_dict_table[] = {
    { MP_ROM_QSTR(MP_QSTR_reply), MP_ROM_PTR(&net_packet_reply_obj) },
};
static MP_DEFINE_CONST_DICT(net_packet_locals_dict, net_packet_locals_dict_table);

MP_DEFINE_CONST_OBJ_TYPE(
    net_packet_type,
    MP_QSTR_Packet,
    MP_TYPE_FLAG_NONE,
    attr, net_packet_attr,
    locals_dict, &net_packet_locals_dict
    );

// --- the socket ---------------------------------------------------------------------------------

static void net_udp_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    net_udp_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_printf(print, "UDP(%u)", self->pcb != NULL ? self->pcb->local_port : 0);
}

// It keeps the machine running only while somebody listens to it.
static mp_obj_t net_udp_on_packet(mp_obj_t self_in, mp_obj_t callback) {
    net_udp_obj_t *self = MP_OBJ_TO_PTR(self_in);
    net_set_callback(&self->on_packet, callback, 1, "the packet");
    if (net_has(callback) && self->pcb != NULL) {
        net_object_activate(&self->object);
    } else {
        net_object_deactivate(&self->object);
    }
    return callback;
}
static MP_DEFINE_CONST_FUN_OBJ_2(net_udp_on_packet_obj, net_udp_on_packet);

static mp_obj_t net_udp_send(mp_obj_t self_in, mp_obj_t data, mp_obj_t to) {
    mp_obj_t *items;
    mp_obj_get_array_fixed_n(to, 2, &items);
    ip_addr_t ip;
    if (!ipaddr_aton(mp_obj_str_get_str(items[0]), &ip)) {
        mp_raise_ValueError(MP_ERROR_TEXT("send() takes an address; see net.resolve()"));
    }
    return mp_obj_new_bool(send_to(MP_OBJ_TO_PTR(self_in), data, &ip, net_port(items[1])));
}
static MP_DEFINE_CONST_FUN_OBJ_3(net_udp_send_obj, net_udp_send);

static mp_obj_t net_udp_join(mp_obj_t self_in, mp_obj_t group_in) {
    (void)self_in;
    ip_addr_t group;
    if (!ipaddr_aton(mp_obj_str_get_str(group_in), &group) || !ip_addr_ismulticast(&group)) {
        mp_raise_ValueError(MP_ERROR_TEXT("not the address of a group"));
    }
    struct net_card *card;
    for (unsigned i = 0; (card = net_card_get(i)) != NULL; i++) {
        net_check(IP_IS_V6(&group) ? mld6_joingroup_netif(&card->netif, ip_2_ip6(&group)) :
            igmp_joingroup_netif(&card->netif, ip_2_ip4(&group)));
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(net_udp_join_obj, net_udp_join);

static mp_obj_t net_udp_close(mp_obj_t self_in) {
    net_udp_obj_t *self = MP_OBJ_TO_PTR(self_in);
    close_udp(self);
    net_object_deactivate(&self->object);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(net_udp_close_obj, net_udp_close);

// @net.udp(53): the decorated function becomes the handler, the name the socket.
static mp_obj_t net_udp_call(mp_obj_t self_in, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 1, 1, false);
    net_udp_on_packet(self_in, args[0]);
    return self_in;
}

static void net_udp_attr(mp_obj_t self_in, qstr name, mp_obj_t *destination) {
    net_udp_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (destination[0] != MP_OBJ_NULL) {
        return;
    }
    if (name == MP_QSTR_address) {
        destination[0] = self->pcb == NULL ? mp_const_none :
            net_address(&self->pcb->local_ip, self->pcb->local_port);
    } else {
        destination[1] = MP_OBJ_SENTINEL;
    }
}

static const mp_rom_map_elem_t net_udp_locals_dict_table[] = {
    { MP_ROM_QSTR(MP_QSTR_on_packet), MP_ROM_PTR(&net_udp_on_packet_obj) },
    { MP_ROM_QSTR(MP_QSTR_send), MP_ROM_PTR(&net_udp_send_obj) },
    { MP_ROM_QSTR(MP_QSTR_join), MP_ROM_PTR(&net_udp_join_obj) },
    { MP_ROM_QSTR(MP_QSTR_close), MP_ROM_PTR(&net_udp_close_obj) },
    { MP_ROM_QSTR(MP_QSTR___del__), MP_ROM_PTR(&net_udp_close_obj) },
    { MP_ROM_QSTR(MP_QSTR_ref), MP_ROM_PTR(&net_object_ref_obj) },
    { MP_ROM_QSTR(MP_QSTR_unref), MP_ROM_PTR(&net_object_unref_obj) },
};
static MP_DEFINE_CONST_DICT(net_udp_locals_dict, net_udp_locals_dict_table);

MP_DEFINE_CONST_OBJ_TYPE(
    net_udp_type,
    MP_QSTR_UDP,
    MP_TYPE_FLAG_NONE,
    print, net_udp_print,
    call, net_udp_call,
    attr, net_udp_attr,
    locals_dict, &net_udp_locals_dict
    );

static mp_obj_t net_udp(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_port, ARG_on_packet, ARG_host };
    static const mp_arg_t allowed[] = {
        { MP_QSTR_port, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_INT(0) } },
        { MP_QSTR_on_packet, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_host, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed), allowed, args);
    uint16_t port = net_port(args[ARG_port].u_obj);
    ip_addr_t ip = *IP_ANY_TYPE;
    if (args[ARG_host].u_obj != mp_const_none) {
        const char *host = mp_obj_str_get_str(args[ARG_host].u_obj);
        if (host[0] != '\0' && !ipaddr_aton(host, &ip)) {
            mp_raise_ValueError(MP_ERROR_TEXT("host must be an address of this machine"));
        }
    }
    net_start();
    net_udp_obj_t *self = mp_obj_malloc_with_finaliser_helper(sizeof(*self), &net_udp_type);
    memset((uint8_t *)self + sizeof(mp_obj_base_t), 0, sizeof(*self) - sizeof(mp_obj_base_t));
    self->object.reset = reset;
    self->object.referenced = true;
    self->pcb = udp_new_ip_type(IP_GET_TYPE(&ip));
    if (self->pcb == NULL) {
        mp_raise_OSError(MP_ENOMEM);
    }
    ip_set_option(self->pcb, SOF_BROADCAST);
    err_t err = udp_bind(self->pcb, &ip, port);
    if (err != ERR_OK) {
        close_udp(self);
        net_check(err);
    }
    udp_recv(self->pcb, on_receive, self);
    net_udp_on_packet(MP_OBJ_FROM_PTR(self), args[ARG_on_packet].u_obj);
    return MP_OBJ_FROM_PTR(self);
}
MP_DEFINE_CONST_FUN_OBJ_KW(net_udp_obj, 0, net_udp);
