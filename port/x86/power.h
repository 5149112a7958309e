// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Leave the machine: power off, reset, and a status for whoever started it. No call returns.
// Which way works on which machine: ACPI 6.5 section 4.8, QEMU's isa-debug-exit and microvm GED.

#ifndef IMPORTOS_POWER_H
#define IMPORTOS_POWER_H

// Call fn() before the machine is left, however that is done. NULL: nothing, which is what a panic
// wants, when no driver can be trusted any more.
void power_on_leave(void (*fn)(void));

// End with (status), 0 to 255. 0: ACPI power-off. Otherwise QEMU's isa-debug-exit device, when it
// is there, makes QEMU leave with (status << 1 | 1) modulo 256; the line
// "importos: exit status N" on the console tells it in full, and then power off follows.
__attribute__((noreturn)) void power_exit(int status);
__attribute__((noreturn)) void power_off(void);
__attribute__((noreturn)) void power_reset(void);

#endif // IMPORTOS_POWER_H
