// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The app: boot.py, main.py, and what follows when it ends. Main thread only.

#ifndef IMPORTOS_PROGRAM_H
#define IMPORTOS_PROGRAM_H

enum program_next {
    PROGRAM_REPL, // serve the prompt
    PROGRAM_SOFT_RESET, // start the interpreter again
};

// Fill sys.argv and sys.path.
void program_arguments(void);

// Run boot.py and the entry script, those that exist. Returns what to do next, if the options
// at-exit= and on-crash= do not end the machine.
enum program_next program_run(void);

// Call what sys.atexit() registered, once.
void program_atexit(void);

#endif // IMPORTOS_PROGRAM_H
