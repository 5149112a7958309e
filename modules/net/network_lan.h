// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// network.LAN objects, for those who hand them out, and what `net` adds to them (net_interface.c).

#ifndef IMPORTOS_NETWORK_LAN_H
#define IMPORTOS_NETWORK_LAN_H

#include "py/obj.h"

struct net_card;

extern const mp_obj_type_t network_lan_type;

// The object of card (index), which must exist.
mp_obj_t network_lan_get(unsigned index);

struct net_card *network_lan_card(mp_obj_t self);

// name, mac, address, is_up, stats: attributes as net.Interface has them.
void network_lan_attr(mp_obj_t self, qstr attribute, mp_obj_t *destination);

MP_DECLARE_CONST_FUN_OBJ_2(net_interface_on_up_obj);
MP_DECLARE_CONST_FUN_OBJ_2(net_interface_on_down_obj);
MP_DECLARE_CONST_FUN_OBJ_2(net_interface_on_frame_obj);
MP_DECLARE_CONST_FUN_OBJ_2(net_interface_send_frame_obj);

#define NETWORK_LAN_NET_METHODS \
    { MP_ROM_QSTR(MP_QSTR_on_up), MP_ROM_PTR(&net_interface_on_up_obj) }, \
    { MP_ROM_QSTR(MP_QSTR_on_down), MP_ROM_PTR(&net_interface_on_down_obj) }, \
    { MP_ROM_QSTR(MP_QSTR_on_frame), MP_ROM_PTR(&net_interface_on_frame_obj) }, \
    { MP_ROM_QSTR(MP_QSTR_send_frame), MP_ROM_PTR(&net_interface_send_frame_obj) },

#endif // IMPORTOS_NETWORK_LAN_H
