// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Private libc: POSIX types that headers of third parties name.

#ifndef IMPORTOS_SYS_TYPES_H
#define IMPORTOS_SYS_TYPES_H

#include <stddef.h>
#include <stdint.h>

#ifndef IMPORTOS_SSIZE_T
#define IMPORTOS_SSIZE_T
typedef long ssize_t;
#endif
typedef long off_t;

#endif // IMPORTOS_SYS_TYPES_H
