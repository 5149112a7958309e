// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The CMOS real-time clock (MC146818 datasheet): wall-clock date and time.

#ifndef IMPORTOS_RTC_H
#define IMPORTOS_RTC_H

#include <stdint.h>

// Seconds since 1970-01-01 as the RTC has it (UTC), 0 if there is none or it holds nonsense.
uint64_t rtc_read(void);

// Set date and time. -ENODEV: there is no RTC.
int rtc_write(uint64_t seconds);

#endif // IMPORTOS_RTC_H
