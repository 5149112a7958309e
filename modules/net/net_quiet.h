// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// How long the stack may sleep when there is nothing on the wire. Main thread only.

#ifndef IMPORTOS_NET_QUIET_H
#define IMPORTOS_NET_QUIET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Make up for the seconds that a long sleep has skipped: before anything is asked of the stack or
// given to it, or what is new would be as old as the sleep.
void net_quiet_wake(void);

// (frame) goes out. True if the stack's timers must be looked at, because it is a question.
bool net_quiet_sent(const uint8_t *frame, size_t size);

// Milliseconds until sys_check_timeouts() must run again, a minute at most.
uint32_t net_quiet_sleep_ms(uint64_t now_ns);

#endif // IMPORTOS_NET_QUIET_H
