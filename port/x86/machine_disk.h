// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// machine.Disk. Main thread only.

#ifndef IMPORTOS_MACHINE_DISK_H
#define IMPORTOS_MACHINE_DISK_H

#include "py/obj.h"

extern const mp_obj_type_t machine_disk_type;

// _mount_disks(): the first disk (or first partition of one) with littlefs or FAT becomes /,
// further ones /disk1 and so on by the number of the disk; what cannot be mounted is named on the
// console. A disk is never formatted here. Returns True if there is a /.
MP_DECLARE_CONST_FUN_OBJ_0(machine_disk_mount_all_obj);

#endif // IMPORTOS_MACHINE_DISK_H
