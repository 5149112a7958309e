// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// machine.Share and the files in one. Main thread only.

#ifndef IMPORTOS_MACHINE_SHARE_H
#define IMPORTOS_MACHINE_SHARE_H

#include "py/obj.h"

#include "share.h"

extern const mp_obj_type_t machine_share_type;

// Open (path), from the root of the share, as open() does with (mode). Raises OSError, ValueError.
mp_obj_t share_file_open(struct share *share, const char *path, const char *mode);

#endif // IMPORTOS_MACHINE_SHARE_H
