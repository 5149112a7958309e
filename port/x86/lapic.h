// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The boot CPU's local APIC: end of interrupt, one-shot timer (Intel SDM volume 3, chapter 10).

#ifndef IMPORTOS_LAPIC_H
#define IMPORTOS_LAPIC_H

#include <stdint.h>

#define LAPIC_VECTOR_TIMER 0xf0
#define LAPIC_VECTOR_ERROR 0xf1
#define LAPIC_VECTOR_SPURIOUS 0xff

void lapic_init(void);
void lapic_eoi(void);
uint32_t lapic_id(void);

// Raise LAPIC_VECTOR_TIMER once after (count) timer cycles; 0 disarms.
void lapic_timer_arm(uint32_t count);
uint32_t lapic_timer_read(void); // cycles left

// Physical address of the registers, for what must be mapped.
uint64_t lapic_address(void);

#endif // IMPORTOS_LAPIC_H
