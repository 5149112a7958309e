// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Private libc: what is in neither string.c, MicroPython's shared/libc nor its lib/libm_dbl.
// Compiled with -fno-builtin, so that gcc does not make these functions call themselves.

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "panic.h"

int errno;

// gcc merges sin(x) and cos(x) into one call of this.
void sincos(double x, double *sine, double *cosine);

void sincos(double x, double *sine, double *cosine) {
    *sine = sin(x);
    *cosine = cos(x);
}

// gcc calls this to count bits, also where it only recognizes a loop that does.
int __popcountdi2(unsigned long word);

int __popcountdi2(unsigned long word) {
    // Bits to pairs to nibbles to bytes; the product sums the bytes in its top byte.
    word = word - (word >> 1 & 0x5555555555555555);
    word = (word & 0x3333333333333333) + (word >> 2 & 0x3333333333333333);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f;
    return word * 0x0101010101010101 >> 56;
}

int abs(int n) {
    return n < 0 ? -n : n;
}

int atoi(const char *s) {
    int n = 0;
    bool minus = *s == '-';
    for (s += minus || *s == '+'; *s >= '0' && *s <= '9'; s++) {
        n = n * 10 + (*s - '0');
    }
    return minus ? -n : n;
}

time_t time(time_t *result) {
    time_t now = clock_wall_ns() / NS_PER_S;
    if (result != NULL) {
        *result = now;
    }
    return now;
}

void exit(int status) {
    panic("exit(%d) called", status);
}

__attribute__((noreturn)) void __assert_func(const char *file, int line, const char *function,
    const char *condition);

void __assert_func(const char *file, int line, const char *function, const char *condition) {
    panic("assertion failed: %s, in %s at %s:%d", condition, function, file, line);
}
