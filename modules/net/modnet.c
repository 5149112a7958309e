// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The C module _net, which frozen/net.py wraps: TCP and UDP with callbacks.

#include "lwip/stats.h"
#include "py/runtime.h"

#include "net_memory.h"
#include "net_object.h"
#include "netif_virtio.h"
#include "network_lan.h"
#include "random.h"

static mp_obj_t net_init(void) {
    net_start();
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(net_init_obj, net_init);

static void store(mp_obj_t dict, qstr name, mp_uint_t value) {
    mp_obj_dict_store(dict, MP_OBJ_NEW_QSTR(name), mp_obj_new_int_from_uint(value));
}

// net.stats(): memory of the stack in bytes, and what its protocols counted since boot.
static mp_obj_t net_stats(void) {
    const struct net_memory_stats *memory = net_memory_stats();
    mp_obj_t dict = mp_obj_new_dict(0);
    store(dict, MP_QSTR_memory_taken, memory->taken);
    store(dict, MP_QSTR_memory_used, memory->used);
    store(dict, MP_QSTR_memory_used_max, memory->used_max);
    store(dict, MP_QSTR_memory_limit, memory->limit);
    store(dict, MP_QSTR_memory_failed, memory->failed);
    const struct {
        qstr name;
        const struct stats_proto *proto;
    } protocols[] = {
        { MP_QSTR_ethernet, &lwip_stats.link }, { MP_QSTR_arp, &lwip_stats.etharp },
        { MP_QSTR_ip4, &lwip_stats.ip }, { MP_QSTR_ip4_fragments, &lwip_stats.ip_frag },
        { MP_QSTR_icmp, &lwip_stats.icmp }, { MP_QSTR_udp, &lwip_stats.udp },
        { MP_QSTR_ip6, &lwip_stats.ip6 },
        #if LWIP_TCP
        { MP_QSTR_tcp, &lwip_stats.tcp },
        #endif
    };
    for (size_t i = 0; i < MP_ARRAY_SIZE(protocols); i++) {
        const struct stats_proto *proto = protocols[i].proto;
        mp_obj_t entry = mp_obj_new_dict(0);
        store(entry, MP_QSTR_sent, proto->xmit);
        store(entry, MP_QSTR_received, proto->recv);
        store(entry, MP_QSTR_dropped, proto->drop);
        store(entry, MP_QSTR_bad_checksum, proto->chkerr);
        store(entry, MP_QSTR_bad_length, proto->lenerr);
        store(entry, MP_QSTR_no_memory, proto->memerr);
        mp_obj_dict_store(dict, MP_OBJ_NEW_QSTR(protocols[i].name), entry);
    }
    return dict;
}
static MP_DEFINE_CONST_FUN_OBJ_0(net_stats_obj, net_stats);

// net.entropy(): (sources, True if there is enough for cryptography)
static mp_obj_t net_entropy(void) {
    mp_obj_t items[2];
    items[1] = mp_obj_new_bool(random_ready());
    items[0] = mp_obj_new_str_from_cstr(random_sources());
    return mp_obj_new_tuple(2, items);
}
static MP_DEFINE_CONST_FUN_OBJ_0(net_entropy_obj, net_entropy);

static const mp_rom_map_elem_t net_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__net) },
    { MP_ROM_QSTR(MP_QSTR___init__), MP_ROM_PTR(&net_init_obj) },
    #if LWIP_TCP
    { MP_ROM_QSTR(MP_QSTR_listen), MP_ROM_PTR(&net_listen_obj) },
    { MP_ROM_QSTR(MP_QSTR_connect), MP_ROM_PTR(&net_connect_obj) },
    { MP_ROM_QSTR(MP_QSTR_Server), MP_ROM_PTR(&net_server_type) },
    { MP_ROM_QSTR(MP_QSTR_Connection), MP_ROM_PTR(&net_connection_type) },
    #endif
    { MP_ROM_QSTR(MP_QSTR_udp), MP_ROM_PTR(&net_udp_obj) },
    { MP_ROM_QSTR(MP_QSTR_resolve), MP_ROM_PTR(&net_resolve_obj) },
    { MP_ROM_QSTR(MP_QSTR_config), MP_ROM_PTR(&net_config_obj) },
    { MP_ROM_QSTR(MP_QSTR_interfaces), MP_ROM_PTR(&net_interfaces_obj) },
    { MP_ROM_QSTR(MP_QSTR_stats), MP_ROM_PTR(&net_stats_obj) },
    { MP_ROM_QSTR(MP_QSTR_entropy), MP_ROM_PTR(&net_entropy_obj) },
    { MP_ROM_QSTR(MP_QSTR_Interface), MP_ROM_PTR(&network_lan_type) },
    { MP_ROM_QSTR(MP_QSTR_Frame), MP_ROM_PTR(&net_frame_type) },
    { MP_ROM_QSTR(MP_QSTR_Packet), MP_ROM_PTR(&net_packet_type) },
    { MP_ROM_QSTR(MP_QSTR_UDP), MP_ROM_PTR(&net_udp_type) },
};
static MP_DEFINE_CONST_DICT(net_globals, net_globals_table);

const mp_obj_module_t net_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&net_globals,
};
MP_REGISTER_MODULE(MP_QSTR__net, net_module);
