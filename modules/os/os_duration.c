// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Durations: a whole number of milliseconds, or a decimal number and a unit: "250us" "1.5s" "1h".
// Exact: no floating point.

#include "os_event.h"

#include <string.h>

#include "py/objint.h"

#include "clock.h"

#define DURATION_MS_MAX (INT64_MAX / (int64_t)NS_PER_MS) // 292 years

static const struct {
    const char *name;
    uint64_t ns;
} units[] = {
    { "us", NS_PER_US },
    { "ms", NS_PER_MS },
    { "s", NS_PER_S },
    { "min", 60 * NS_PER_S },
    { "h", 3600 * NS_PER_S },
};

static MP_NORETURN void refuse(mp_obj_t duration) {
    mp_raise_msg_varg(&mp_type_ValueError,
        MP_ERROR_TEXT("bad duration '%s': a number with us, ms, s, min or h, such as '250ms'"),
        mp_obj_str_get_str(duration));
}

static MP_NORETURN void refuse_length(void) {
    mp_raise_ValueError(MP_ERROR_TEXT("duration too long: 292 years at most"));
}

static MP_NORETURN void refuse_negative(void) {
    mp_raise_ValueError(MP_ERROR_TEXT("negative duration"));
}

static uint64_t unit_ns(const char *name, size_t length) {
    for (size_t i = 0; i < MP_ARRAY_SIZE(units); i++) {
        if (strlen(units[i].name) == length && memcmp(units[i].name, name, length) == 0) {
            return units[i].ns;
        }
    }
    return 0;
}

static bool is_digit(char c) {
    return '0' <= c && c <= '9';
}

static const char *skip_digits(const char *p, const char *end) {
    while (p < end && is_digit(*p)) {
        p++;
    }
    return p;
}

// The digits before the point, times (unit).
static uint64_t whole_ns(const char *digits, const char *end, uint64_t unit) {
    uint64_t value = 0;
    for (; digits < end; digits++) {
        value = value * 10 + (*digits - '0');
        if (value > INT64_MAX / unit - 1) {
            refuse_length();
        }
    }
    return value * unit;
}

// The digits behind it.
static uint64_t fraction_ns(const char *digits, const char *end, uint64_t unit) {
    uint64_t ns = 0;
    for (uint64_t place = unit / 10; digits < end && place != 0; place /= 10) {
        ns += (*digits++ - '0') * place;
    }
    return ns;
}

static uint64_t parse(mp_obj_t duration) {
    size_t length;
    const char *whole = mp_obj_str_get_data(duration, &length);
    const char *end = whole + length;
    if (whole < end && *whole == '-') {
        refuse_negative();
    }
    const char *whole_end = skip_digits(whole, end);
    const char *fraction = whole_end;
    const char *fraction_end = whole_end;
    if (fraction < end && *fraction == '.') {
        fraction_end = skip_digits(++fraction, end);
    }
    uint64_t unit = unit_ns(fraction_end, end - fraction_end);
    bool bare_point = fraction == fraction_end && fraction != whole_end;
    if (whole == whole_end || bare_point || unit == 0) {
        refuse(duration);
    }
    return whole_ns(whole, whole_end, unit) + fraction_ns(fraction, fraction_end, unit);
}

uint64_t os_duration_ns(mp_obj_t duration) {
    if (mp_obj_is_str(duration)) {
        return parse(duration);
    }
    if (!mp_obj_is_int(duration)) {
        mp_raise_msg_varg(&mp_type_TypeError,
            MP_ERROR_TEXT("a duration is an int (ms) or a str such as '1.5s', not %s"),
            mp_obj_get_type_str(duration));
    }
    if (!mp_obj_is_small_int(duration)) {
        if (mp_obj_int_sign(duration) < 0) {
            refuse_negative();
        }
        refuse_length();
    }
    mp_int_t ms = MP_OBJ_SMALL_INT_VALUE(duration);
    if (ms < 0) {
        refuse_negative();
    }
    if (ms > DURATION_MS_MAX) {
        refuse_length();
    }
    return ms * NS_PER_MS;
}
