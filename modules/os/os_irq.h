// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What os_irq.c and os_power_button.c have of each other.

#ifndef IMPORTOS_OS_IRQ_H
#define IMPORTOS_OS_IRQ_H

#include "os_event.h"

// OSError(EBUSY) that names the owner.
MP_NORETURN void os_irq_raise_busy(unsigned irq, const char *owner);

// Make (event), new and of this source, listen to the ACPI power button. OSError(ENODEV): there is
// none; OSError(EBUSY): somebody listens, and one of the two did not say shared.
extern const os_source_t os_power_button_source;
void os_power_button_start(os_event_obj_t *event, bool shared);

#endif // IMPORTOS_OS_IRQ_H
