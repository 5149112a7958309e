// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The end: print the reason, registers, return addresses, what Python was
// running; then leave the machine with the failing status. Never hangs, never returns.

#ifndef IMPORTOS_PANIC_H
#define IMPORTOS_PANIC_H

struct trap_frame;

// Status with which a panic leaves, see power.h.
#define PANIC_STATUS 125

__attribute__((noreturn, format(printf, 1, 2))) void panic(const char *format, ...);
__attribute__((noreturn)) void panic_trap(const struct trap_frame *frame);

// (describe) is called once in the middle of a panic to print what the main program was doing; it
// must only read memory. If it faults, the panic goes on without it.
void panic_set_describe(void (*describe)(void));

#endif // IMPORTOS_PANIC_H
