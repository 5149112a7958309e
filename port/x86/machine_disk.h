// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// machine.Disk. Main thread only.

#ifndef IMPORTOS_MACHINE_DISK_H
#define IMPORTOS_MACHINE_DISK_H

#include "py/obj.h"

extern const mp_obj_type_t machine_disk_type;

#endif // IMPORTOS_MACHINE_DISK_H
