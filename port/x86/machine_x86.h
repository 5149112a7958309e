// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What the machine module has on this machine and nowhere else. Main thread only.

#ifndef IMPORTOS_MACHINE_X86_H
#define IMPORTOS_MACHINE_X86_H

#include "py/obj.h"

// machine.reset_cause()
#define MACHINE_PWRON_RESET 1
#define MACHINE_SOFT_RESET 5

extern const mp_obj_type_t machine_rtc_type;
extern const mp_obj_type_t machine_timer_type; // modules/os
extern const struct machine_port machine_port8_obj, machine_port16_obj, machine_port32_obj;

MP_DECLARE_CONST_FUN_OBJ_0(machine_soft_reset_obj);
extern unsigned machine_soft_reset_count; // since the machine started
extern bool machine_soft_reset_asked; // the pending SystemExit comes from machine.soft_reset()

#endif // IMPORTOS_MACHINE_X86_H
