// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// machine.Console: the ports of a virtio console as streams.

#ifndef IMPORTOS_MACHINE_CONSOLE_H
#define IMPORTOS_MACHINE_CONSOLE_H

#include "py/obj.h"

extern const mp_obj_type_t machine_console_type;

// Set memory aside if there is a device. After heap_boot(), before heap_start().
void machine_console_boot(void);

#endif // IMPORTOS_MACHINE_CONSOLE_H
