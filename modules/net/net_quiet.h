// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// How long the stack may sleep when there is nothing on the wire. Main thread only.

#ifndef IMPORTOS_NET_QUIET_H
#define IMPORTOS_NET_QUIET_H

#include <stdbool.h>
#include <stdint.h>

// Before sys_check_timeouts(): make up for the seconds that a long sleep has skipped.
void net_quiet_wake(void);

// Milliseconds until sys_check_timeouts() must run again. (traffic): since the last call a frame
// has come or gone.
uint32_t net_quiet_sleep_ms(uint64_t now_ns, bool traffic);

#endif // IMPORTOS_NET_QUIET_H
