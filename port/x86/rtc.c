// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The CMOS clock (Motorola MC146818A datasheet; the century byte is the PC's own addition). Read
// twice until both agree, since the chip may be in the middle of an update.

#include "rtc.h"

#include <errno.h>
#include <stdbool.h>

#include "cpu.h"

#define CMOS_INDEX 0x70
#define CMOS_DATA 0x71
#define CMOS_NMI_OFF 0x80

enum {
    REG_SECONDS = 0x00, REG_MINUTES = 0x02, REG_HOURS = 0x04, REG_DAY = 0x07, REG_MONTH = 0x08,
    REG_YEAR = 0x09, REG_A = 0x0a, REG_B = 0x0b, REG_CENTURY = 0x32,
};
#define A_UPDATE_IN_PROGRESS 0x80
#define B_24_HOUR 0x02
#define B_BINARY 0x04
#define B_HALT 0x80
#define HOUR_PM 0x80

#define TRIES_MAX 10000
#define SECONDS_PER_DAY 86400u

struct date {
    uint8_t second, minute, hour, day, month, year, century;
};

static uint8_t cmos_read(uint8_t reg) {
    outb(CMOS_INDEX, CMOS_NMI_OFF | reg);
    uint8_t value = inb(CMOS_DATA);
    outb(CMOS_INDEX, 0);
    return value;
}

static void cmos_write(uint8_t reg, uint8_t value) {
    outb(CMOS_INDEX, CMOS_NMI_OFF | reg);
    outb(CMOS_DATA, value);
    outb(CMOS_INDEX, 0);
}

static struct date read_date(void) {
    return (struct date) {
               cmos_read(REG_SECONDS), cmos_read(REG_MINUTES), cmos_read(REG_HOURS),
               cmos_read(REG_DAY), cmos_read(REG_MONTH), cmos_read(REG_YEAR),
               cmos_read(REG_CENTURY),
    };
}

static bool same(const struct date *a, const struct date *b) {
    return a->second == b->second && a->minute == b->minute && a->hour == b->hour
           && a->day == b->day && a->month == b->month && a->year == b->year
           && a->century == b->century;
}

static uint8_t from_bcd(uint8_t value) {
    return (value >> 4) * 10 + (value & 15);
}

static uint8_t to_bcd(uint8_t value) {
    return value / 10 << 4 | value % 10;
}

static bool is_leap(unsigned year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

// Days from 1970-01-01 to the first day of (year, month).
static unsigned days_before(unsigned year, unsigned month) {
    static const uint16_t before[12] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
    unsigned days = (year - 1970) * 365 + (year - 1969) / 4 - (year - 1901) / 100
        + (year - 1601) / 400;
    return days + before[month - 1] + (month > 2 && is_leap(year));
}

// Two equal readings outside an update. Returns false if there is no RTC.
static bool read_stable(struct date *date) {
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        if (cmos_read(REG_A) & A_UPDATE_IN_PROGRESS) { // without an RTC every register is 0xff
            continue;
        }
        *date = read_date();
        struct date again = read_date();
        if (same(date, &again)) {
            return true;
        }
    }
    return false;
}

// What the chip holds, as plain numbers with a 24-hour clock.
static void decode(struct date *date) {
    uint8_t b = cmos_read(REG_B);
    bool pm = !(b & B_24_HOUR) && date->hour & HOUR_PM;
    date->hour &= pm ? (uint8_t) ~HOUR_PM : 0xff;
    if (!(b & B_BINARY)) {
        *date = (struct date) {
            from_bcd(date->second), from_bcd(date->minute), from_bcd(date->hour),
            from_bcd(date->day), from_bcd(date->month), from_bcd(date->year),
            from_bcd(date->century),
        };
    }
    if (!(b & B_24_HOUR)) {
        date->hour = date->hour % 12 + (pm ? 12 : 0);
    }
}

static unsigned full_year(const struct date *date) {
    if (date->century >= 19 && date->century <= 30) {
        return date->century * 100u + date->year;
    }
    return date->year + (date->year < 70 ? 2000u : 1900u);
}

uint64_t rtc_read(void) {
    struct date date;
    if (!read_stable(&date)) {
        return 0;
    }
    decode(&date);
    if (date.month < 1 || date.month > 12 || date.day < 1 || date.day > 31 || date.year > 99) {
        return 0;
    }
    unsigned days = days_before(full_year(&date), date.month) + date.day - 1;
    return (uint64_t)days * SECONDS_PER_DAY + date.hour * 3600u + date.minute * 60u + date.second;
}

int rtc_write(uint64_t seconds) {
    uint8_t b = cmos_read(REG_B);
    if (b == 0xff && cmos_read(REG_A) == 0xff) {
        return -ENODEV;
    }
    unsigned days = seconds / SECONDS_PER_DAY;
    unsigned rest = seconds % SECONDS_PER_DAY;
    unsigned year = 1970 + days / 366;
    while (days >= days_before(year + 1, 1)) {
        year++;
    }
    unsigned month = 12;
    while (days < days_before(year, month)) {
        month--;
    }
    const uint8_t reg[] = { REG_SECONDS, REG_MINUTES, REG_HOURS, REG_DAY, REG_MONTH, REG_YEAR,
                            REG_CENTURY };
    const uint8_t value[] = { rest % 60, rest / 60 % 60, rest / 3600,
                              days - days_before(year, month) + 1, month, year % 100, year / 100 };
    cmos_write(REG_B, b | B_HALT | B_24_HOUR);
    for (unsigned i = 0; i < sizeof(reg); i++) {
        cmos_write(reg[i], b & B_BINARY ? value[i] : to_bcd(value[i]));
    }
    cmos_write(REG_B, (b & ~B_HALT) | B_24_HOUR);
    return 0;
}
