// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// network.LAN(n): the (n)th card, with the methods that MicroPython documents for the class
// (docs/library/network.LAN.rst). One object per card; it lives as long as the machine.

#include <string.h>

#include "lwip/dhcp.h"
#include "lwip/netif.h"
#include "lwip/prot/ethernet.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "extmod/modnetwork.h"

#include "netif_virtio.h"
#include "network_lan.h"
#include "virtio_net.h"

// What status() returns.
#define STATUS_DOWN 0
#define STATUS_NO_LINK 1
#define STATUS_NO_ADDRESS 2
#define STATUS_UP 3

typedef struct _network_lan_obj_t {
    mp_obj_base_t base;
    unsigned index;
} network_lan_obj_t;

static const network_lan_obj_t lan_objects[VIRTIO_NET_MAX] = {
    { { &network_lan_type }, 0 }, { { &network_lan_type }, 1 }, { { &network_lan_type }, 2 },
    { { &network_lan_type }, 3 }, { { &network_lan_type }, 4 }, { { &network_lan_type }, 5 },
    { { &network_lan_type }, 6 }, { { &network_lan_type }, 7 },
};

mp_obj_t network_lan_get(unsigned index) {
    return MP_OBJ_FROM_PTR(&lan_objects[index]);
}

struct net_card *network_lan_card(mp_obj_t self_in) {
    network_lan_obj_t *self = MP_OBJ_TO_PTR(self_in);
    return net_card_get(self->index);
}

static mp_int_t status(const struct net_card *card) {
    if (!netif_is_up(&card->netif)) {
        return STATUS_DOWN;
    }
    if (!netif_is_link_up(&card->netif)) {
        return STATUS_NO_LINK;
    }
    return net_card_has_address(card) ? STATUS_UP : STATUS_NO_ADDRESS;
}

static void network_lan_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    struct net_card *card = network_lan_card(self_in);
    static const char *const names[] = { "down", "no link", "no address", "up" };
    const uint8_t *mac = card->netif.hwaddr;
    char address[IP4ADDR_STRLEN_MAX];
    ip4addr_ntoa_r(netif_ip4_addr(&card->netif), address, sizeof(address));
    mp_printf(print, "LAN(%u, mac=%02x:%02x:%02x:%02x:%02x:%02x, %s, %s, %s)", card->index,
        mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], names[status(card)], address,
        virtio_net_attachment(card->device));
}

static mp_obj_t network_lan_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw,
    const mp_obj_t *args) {
    (void)type;
    mp_arg_check_num(n_args, n_kw, 0, 1, false);
    mp_int_t index = n_args > 0 ? mp_obj_get_int(args[0]) : 0;
    if (index < 0 || index >= VIRTIO_NET_MAX || net_card_get((unsigned)index) == NULL) {
        mp_raise_msg_varg(&mp_type_OSError, MP_ERROR_TEXT("no network card %d"), (int)index);
    }
    return network_lan_get((unsigned)index);
}

static mp_obj_t network_lan_active(size_t n_args, const mp_obj_t *args) {
    struct net_card *card = network_lan_card(args[0]);
    if (n_args == 1) {
        return mp_obj_new_bool(netif_is_up(&card->netif));
    }
    net_card_active(card, mp_obj_is_true(args[1]));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(network_lan_active_obj, 1, 2, network_lan_active);

static mp_obj_t network_lan_isconnected(mp_obj_t self_in) {
    return mp_obj_new_bool(status(network_lan_card(self_in)) == STATUS_UP);
}
static MP_DEFINE_CONST_FUN_OBJ_1(network_lan_isconnected_obj, network_lan_isconnected);

static mp_obj_t network_lan_status(size_t n_args, const mp_obj_t *args) {
    if (n_args > 1) {
        mp_raise_ValueError(MP_ERROR_TEXT("unknown status param"));
    }
    return MP_OBJ_NEW_SMALL_INT(status(network_lan_card(args[0])));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(network_lan_status_obj, 1, 2, network_lan_status);

static mp_obj_t network_lan_ifconfig(size_t n_args, const mp_obj_t *args) {
    struct net_card *card = network_lan_card(args[0]);
    return mod_network_nic_ifconfig(&card->netif, n_args - 1, args + 1);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(network_lan_ifconfig_obj, 1, 2, network_lan_ifconfig);

static mp_obj_t network_lan_ipconfig(size_t n_args, const mp_obj_t *args, mp_map_t *kwargs) {
    struct net_card *card = network_lan_card(args[0]);
    return mod_network_nic_ipconfig(&card->netif, n_args - 1, args + 1, kwargs);
}
static MP_DEFINE_CONST_FUN_OBJ_KW(network_lan_ipconfig_obj, 1, network_lan_ipconfig);

static mp_obj_t config_get(struct net_card *card, qstr key) {
    switch (key) {
        case MP_QSTR_mac:
            return mp_obj_new_bytes(card->netif.hwaddr, ETH_HWADDR_LEN);
        case MP_QSTR_mtu:
            return MP_OBJ_NEW_SMALL_INT(card->netif.mtu);
        case MP_QSTR_hostname:
            return mod_network_hostname(0, NULL);
        default:
            mp_raise_ValueError(MP_ERROR_TEXT("unknown config param"));
    }
}

static void config_set(struct net_card *card, qstr key, mp_obj_t value) {
    switch (key) {
        case MP_QSTR_mac: {
            mp_buffer_info_t buffer;
            mp_get_buffer_raise(value, &buffer, MP_BUFFER_READ);
            if (buffer.len != ETH_HWADDR_LEN || (((uint8_t *)buffer.buf)[0] & 1)) {
                mp_raise_ValueError(MP_ERROR_TEXT("mac is 6 bytes, and not a group's"));
            }
            memcpy(card->netif.hwaddr, buffer.buf, ETH_HWADDR_LEN);
            break;
        }
        case MP_QSTR_mtu: {
            mp_int_t mtu = mp_obj_get_int(value);
            if (mtu < 68 || mtu > (mp_int_t)virtio_net_mtu(card->device)) {
                mp_raise_ValueError(MP_ERROR_TEXT("mtu out of range"));
            }
            card->netif.mtu = (u16_t)mtu;
            break;
        }
        case MP_QSTR_hostname:
            mod_network_hostname(1, &value);
            break;
        default:
            mp_raise_ValueError(MP_ERROR_TEXT("unknown config param"));
    }
}

static mp_obj_t network_lan_config(size_t n_args, const mp_obj_t *args, mp_map_t *kwargs) {
    struct net_card *card = network_lan_card(args[0]);
    if (kwargs->used == 0) {
        if (n_args != 2) {
            mp_raise_TypeError(MP_ERROR_TEXT("must query one param"));
        }
        return config_get(card, mp_obj_str_get_qstr(args[1]));
    }
    if (n_args != 1) {
        mp_raise_TypeError(MP_ERROR_TEXT("can't specify pos and kw args"));
    }
    for (size_t i = 0; i < kwargs->alloc; i++) {
        if (mp_map_slot_is_filled(kwargs, i)) {
            config_set(card, mp_obj_str_get_qstr(kwargs->table[i].key), kwargs->table[i].value);
        }
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(network_lan_config_obj, 1, network_lan_config);

static const mp_rom_map_elem_t network_lan_locals_dict_table[] = {
    { MP_ROM_QSTR(MP_QSTR_active), MP_ROM_PTR(&network_lan_active_obj) },
    { MP_ROM_QSTR(MP_QSTR_isconnected), MP_ROM_PTR(&network_lan_isconnected_obj) },
    { MP_ROM_QSTR(MP_QSTR_status), MP_ROM_PTR(&network_lan_status_obj) },
    { MP_ROM_QSTR(MP_QSTR_ifconfig), MP_ROM_PTR(&network_lan_ifconfig_obj) },
    { MP_ROM_QSTR(MP_QSTR_ipconfig), MP_ROM_PTR(&network_lan_ipconfig_obj) },
    { MP_ROM_QSTR(MP_QSTR_config), MP_ROM_PTR(&network_lan_config_obj) },
    NETWORK_LAN_NET_METHODS
};
static MP_DEFINE_CONST_DICT(network_lan_locals_dict, network_lan_locals_dict_table);

MP_DEFINE_CONST_OBJ_TYPE(
    network_lan_type,
    MP_QSTR_LAN,
    MP_TYPE_FLAG_NONE,
    make_new, network_lan_make_new,
    print, network_lan_print,
    attr, network_lan_attr,
    locals_dict, &network_lan_locals_dict
    );

// What `import network` does.
static mp_obj_t network_init(void) {
    net_start();
    mod_network_init();
    for (unsigned i = 0; net_card_get(i) != NULL; i++) {
        mod_network_register_nic(network_lan_get(i));
    }
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_0(network_init_obj, network_init);
