// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// A block device in RAM, whose contents outlive a soft reset. Main thread only.

#ifndef IMPORTOS_RAMDISK_H
#define IMPORTOS_RAMDISK_H

#include <stddef.h>

#include "py/obj.h"

// Set (size) bytes aside. After heap_boot(), before heap_start().
void ramdisk_reserve(size_t size);

// _ramdisk() -> block device, or None if none was set aside.
MP_DECLARE_CONST_FUN_OBJ_0(ramdisk_get_obj);

#endif // IMPORTOS_RAMDISK_H
