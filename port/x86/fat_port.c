// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The time stamp of FAT files (Microsoft FAT specification, section 6.4): local time, here UTC.

#include "py/mphal.h"
#include "shared/timeutils/timeutils.h"
#include "lib/oofatfs/ff.h"

DWORD get_fattime(void) {
    timeutils_struct_time_t tm;
    timeutils_seconds_since_epoch_to_struct_time(mp_hal_time_ns() / NS_PER_S, &tm);
    DWORD date = (tm.tm_year - 1980) << 9 | tm.tm_mon << 5 | tm.tm_mday;
    return date << 16 | tm.tm_hour << 11 | tm.tm_min << 5 | tm.tm_sec / 2;
}
