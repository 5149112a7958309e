// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// I/O APICs: route a global system interrupt to a vector, mask it (82093AA datasheet, section
// 3.2).

#ifndef IMPORTOS_IOAPIC_H
#define IMPORTOS_IOAPIC_H

#include <stdbool.h>
#include <stdint.h>

void ioapic_init(void); // finds them through ACPI (or the PC/AT addresses), masks every input

// Number of inputs over all I/O APICs; true if (gsi) is one of them.
bool ioapic_has(unsigned gsi);

// Deliver (gsi) as (vector) to the boot CPU, masked until ioapic_unmask(). flags as in irq.h.
void ioapic_route(unsigned gsi, unsigned vector, unsigned flags);
void ioapic_mask(unsigned gsi);
void ioapic_unmask(unsigned gsi);

#endif // IMPORTOS_IOAPIC_H
