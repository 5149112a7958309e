// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The partition behind /rom. Main thread only.

#ifndef IMPORTOS_ROMFS_H
#define IMPORTOS_ROMFS_H

#include <stddef.h>

// If the image carries no app, set (size) bytes of RAM aside for `mpremote romfs deploy`.
// After heap_boot(), before heap_start().
void romfs_reserve(size_t size);

#endif // IMPORTOS_ROMFS_H
