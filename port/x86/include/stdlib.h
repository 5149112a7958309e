// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Private libc: the few general utilities that something here calls (C11 7.22).

#ifndef IMPORTOS_STDLIB_H
#define IMPORTOS_STDLIB_H

#include <stddef.h>

__attribute__((noreturn)) void abort(void);
__attribute__((noreturn)) void exit(int status);
int abs(int n);
int atoi(const char *s);

#endif // IMPORTOS_STDLIB_H
