// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Declarations that extmod/modnetwork.c needs for our entries in its table
// (MICROPY_PORT_NETWORK_INTERFACES in mpconfigport.h).

#ifndef IMPORTOS_NETWORK_GLOBALS_H
#define IMPORTOS_NETWORK_GLOBALS_H

#include "py/obj.h"

extern const mp_obj_type_t network_lan_type;
MP_DECLARE_CONST_FUN_OBJ_0(network_init_obj);

#endif // IMPORTOS_NETWORK_GLOBALS_H
