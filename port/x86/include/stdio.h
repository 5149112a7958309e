// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Private libc: formatted output, made from MicroPython's shared/libc/printf.c (C11 7.21).

#ifndef IMPORTOS_STDIO_H
#define IMPORTOS_STDIO_H

#include <stdarg.h>
#include <stddef.h>

#ifndef SEEK_SET
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#endif

int printf(const char *restrict format, ...);
int vprintf(const char *restrict format, va_list args);
int puts(const char *s);
int putchar(int c);
int snprintf(char *restrict text, size_t size, const char *restrict format, ...);
int vsnprintf(char *restrict text, size_t size, const char *restrict format, va_list args);

#endif // IMPORTOS_STDIO_H
