// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Private libc: wall-clock time (C11 7.27). time() is the kernel's clock_wall_ns().

#ifndef IMPORTOS_TIME_H
#define IMPORTOS_TIME_H

#include <stddef.h>
#include <stdint.h>

typedef int64_t time_t;

struct tm {
    int tm_sec, tm_min, tm_hour;
    int tm_mday, tm_mon, tm_year; // day from 1, month from 0, year less 1900
    int tm_wday, tm_yday, tm_isdst;
};

time_t time(time_t *result);

#endif // IMPORTOS_TIME_H
