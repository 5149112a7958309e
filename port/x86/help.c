// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What help() prints.

extern const char x86_help_text[];

const char x86_help_text[] =
    "Welcome to MicroPython on ImportOS!\n"
    "\n"
    "There is no operating system under this prompt: it is the machine.\n"
    "\n"
    "  os, time, vfs      files, time, environment; os.uname() says what this is\n"
    "  machine            mem8/16/32, port8/16/32, RTC, freq(), reset()\n"
    "  asyncio, select    waiting for several things at a time\n"
    "  help('modules')    every module there is\n"
    "\n"
    "Control commands:\n"
    "  CTRL-A        -- on a blank line, enter raw REPL mode\n"
    "  CTRL-B        -- on a blank line, enter normal REPL mode\n"
    "  CTRL-C        -- interrupt a running program\n"
    "  CTRL-D        -- on a blank line, do a soft reset\n"
    "  CTRL-E        -- on a blank line, enter paste mode\n"
    "\n"
    "For further help on a specific object, type help(obj)\n";
