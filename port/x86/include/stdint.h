// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Private libc: the compiler's own freestanding integer types (C11 7.20).

#ifndef IMPORTOS_STDINT_H
#define IMPORTOS_STDINT_H

#include <stdint-gcc.h>

#endif // IMPORTOS_STDINT_H
