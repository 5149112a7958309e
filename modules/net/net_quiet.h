// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// How long the stack may sleep when there is nothing on the wire. Main thread only.

#ifndef IMPORTOS_NET_QUIET_H
#define IMPORTOS_NET_QUIET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// After lwip_init(): take over lwIP's timers of one second.
void net_quiet_start(void);

// Let the tables age by the seconds that have passed since the last time.
void net_quiet_age(void);

// The same if the stack has slept: before anything is asked of it or given to it, or what is new
// would be as old as the sleep.
void net_quiet_wake(void);

// (frame) goes out. True if the stack's timers must be looked at, because it is a question.
bool net_quiet_sent(const uint8_t *frame, size_t size);

// Milliseconds until sys_check_timeouts() must run again, a minute at most.
uint32_t net_quiet_sleep_ms(uint64_t now_ns);

#endif // IMPORTOS_NET_QUIET_H
