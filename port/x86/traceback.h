// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What Python was running, for a panic.

#ifndef IMPORTOS_TRACEBACK_H
#define IMPORTOS_TRACEBACK_H

// Print the Python traceback of the main thread to the kernel log. Only reads memory, and trusts
// none of it: the heap may be damaged. For panic_set_describe().
void traceback_describe(void);

#endif // IMPORTOS_TRACEBACK_H
