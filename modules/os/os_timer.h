// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Events of the clock, for those who make their own kind: machine.Timer.

#ifndef IMPORTOS_OS_TIMER_H
#define IMPORTOS_OS_TIMER_H

#include "os_event.h"

extern const os_source_t os_machine_timer_source;

// Make (event), which is inactive and has a source of os_timer.c, fire (first_ns) from now and
// then every (period_ns), or once if that is 0.
void os_timer_start(os_event_obj_t *event, uint64_t first_ns, uint64_t period_ns);

#endif // IMPORTOS_OS_TIMER_H
