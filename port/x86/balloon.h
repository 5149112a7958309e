// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Memory given back to the host, which asks for it by a virtio balloon. The host gets what the
// heap does not cover, less a margin; what it asked for and cannot get now it gets when a
// collection has freed it. If the device is made with deflate-on-oom=on, an allocation that would
// fail takes all of it back first; else it is a MemoryError, as on a machine of that size.
//
// Main thread, between two bytecodes.

#ifndef IMPORTOS_BALLOON_H
#define IMPORTOS_BALLOON_H

#include "py/obj.h"

// Start the device, if there is one. After heap_boot(), before heap_start().
void balloon_boot(void);

// Take everything back, because the heap begins anew; and give it again, once it has begun.
void balloon_soft_reset(void);
void balloon_resume(void);

// The heap has given up an area: the host may be waiting for it.
void balloon_poke(void);

// Called when an allocation fails: take everything back if the host agreed to that.
void balloon_help(void);

// machine.balloon(): (bytes that the host wants, bytes that it has), None without a balloon.
MP_DECLARE_CONST_FUN_OBJ_0(machine_balloon_obj);

#endif // IMPORTOS_BALLOON_H
