// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// MicroPython's switches for the network, for mpconfigport.h.

#ifndef IMPORTOS_MPCONFIG_NET_H
#define IMPORTOS_MPCONFIG_NET_H

#define MICROPY_PY_NETWORK (1)
#define MICROPY_PY_LWIP (1)
#define MICROPY_PY_LWIP_SOCK_RAW (IMPORTOS_TCP)
#define MICROPY_PY_NETWORK_HOSTNAME_DEFAULT "importos"
#define MICROPY_PY_NETWORK_HOSTNAME_MAX_LEN (63)
#define MICROPY_PY_NETWORK_INCLUDEFILE "network_globals.h"
#define MICROPY_PORT_NETWORK_INTERFACES \
    { MP_ROM_QSTR(MP_QSTR___init__), MP_ROM_PTR(&network_init_obj) }, \
    { MP_ROM_QSTR(MP_QSTR_LAN), MP_ROM_PTR(&network_lan_type) },
#define MICROPY_PY_WEBSOCKET (IMPORTOS_TCP)
#define MICROPY_PY_WEBREPL (IMPORTOS_COMPILER)

#endif // IMPORTOS_MPCONFIG_NET_H
