// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Kernel messages: format, and hand to the sink piece by piece.

#include "log.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define DIGITS_MAX 20

static void (*log_sink)(const char *text, size_t size);

static void emit(const char *text, size_t size) {
    if (log_sink != NULL) {
        log_sink(text, size);
    }
}

struct conversion {
    bool zero;
    unsigned width;
    unsigned longs; // how many "l"
};

static void emit_padded(const char *text, size_t length, const struct conversion *how) {
    const char *pad = how->zero ? "0" : " ";
    for (size_t i = length; i < how->width; i++) {
        emit(pad, 1);
    }
    emit(text, length);
}

static void emit_number(uint64_t value, unsigned base, bool negative,
    const struct conversion *how) {
    char digits[DIGITS_MAX + 1];
    size_t at = sizeof(digits);
    do {
        digits[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    if (negative) {
        digits[--at] = '-';
    }
    emit_padded(digits + at, sizeof(digits) - at, how);
}

static const char *parse(const char *format, struct conversion *how) {
    *how = (struct conversion) { 0 };
    if (*format == '0') {
        how->zero = true;
        format++;
    }
    while (*format >= '0' && *format <= '9') {
        how->width = how->width * 10 + (*format++ - '0');
    }
    while (*format == 'l') {
        how->longs++;
        format++;
    }
    return format;
}

static void emit_signed(int64_t value, const struct conversion *how) {
    emit_number(value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10, value < 0, how);
}

static void emit_text(const char *text, const struct conversion *how) {
    text = text != NULL ? text : "(null)";
    emit_padded(text, strlen(text), how);
}

void kvprintf(const char *format, va_list args) {
    struct conversion how;
    char byte;
    while (*format != 0) {
        size_t run = strcspn(format, "%");
        emit(format, run);
        format += run;
        if (*format == 0) {
            break;
        }
        format = parse(format + 1, &how);
        switch (*format) {
            case 'd':
                emit_signed(how.longs != 0 ? va_arg(args, long) : va_arg(args, int), &how);
                break;
            case 'u':
            case 'x':
                emit_number(how.longs != 0 ? va_arg(args, unsigned long) : va_arg(args, unsigned),
                    *format == 'x' ? 16 : 10, false, &how);
                break;
            case 'p':
                emit("0x", 2);
                emit_number((uintptr_t)va_arg(args, void *), 16, false, &how);
                break;
            case 's':
                emit_text(va_arg(args, const char *), &how);
                break;
            case 'c':
                byte = (char)va_arg(args, int);
                emit(&byte, 1);
                break;
            case 0:
                return;
            default:
                emit(format, 1);
                break;
        }
        format++;
    }
}

void kprintf(const char *format, ...) {
    va_list args;
    va_start(args, format);
    kvprintf(format, args);
    va_end(args);
}

void log_set_sink(void (*sink)(const char *text, size_t size)) {
    log_sink = sink;
}
