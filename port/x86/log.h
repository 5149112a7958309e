// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The kernel's own messages: a small printf to a sink.

#ifndef IMPORTOS_LOG_H
#define IMPORTOS_LOG_H

#include <stdarg.h>
#include <stddef.h>

// Conversions: %d %u %x (also %ld %lu %lx) %s %c %p %%, with width and 0. Any context.
__attribute__((format(printf, 1, 2))) void kprintf(const char *format, ...);
void kvprintf(const char *format, va_list args);

// Where the text goes as it is printed; NULL drops it. (sink) may be called in
// interrupt context and must not block without limit.
void log_set_sink(void (*sink)(const char *text, size_t size));

#endif // IMPORTOS_LOG_H
