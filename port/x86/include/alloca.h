// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Private libc: memory on the caller's stack frame.

#ifndef IMPORTOS_ALLOCA_H
#define IMPORTOS_ALLOCA_H

#include <stddef.h>

#define alloca __builtin_alloca

#endif // IMPORTOS_ALLOCA_H
