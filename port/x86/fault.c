// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// machine._fault(name): provoke a CPU exception, so that tests can look at the panic.

#include <string.h>

#include "py/runtime.h"

#include "machine_x86.h"
#include "panic.h"

#define FAULTS(X) X(de) X(db) X(bp) X(of) X(br) X(ud) X(nm) X(df) X(np) X(ss) X(gp) \
    X(pf_read) X(pf_write) X(pf_exec) X(mf) X(xm) X(stack)

#define DECLARE(name) void fault_##name(void);
FAULTS(DECLARE)

#define TABLE_ENTRY(name) { #name, fault_##name },
static const struct {
    const char *name;
    void (*provoke)(void);
} faults[] = { FAULTS(TABLE_ENTRY) };

static mp_obj_t machine_fault(size_t n_args, const mp_obj_t *args) {
    if (n_args == 0) {
        mp_obj_t names = mp_obj_new_list(0, NULL);
        for (size_t i = 0; i < MP_ARRAY_SIZE(faults); i++) {
            mp_obj_list_append(names, mp_obj_new_str_from_cstr(faults[i].name));
        }
        return names;
    }
    const char *name = mp_obj_str_get_str(args[0]);
    if (strcmp(name, "panic") == 0) {
        panic("asked for by machine._fault()");
    }
    for (size_t i = 0; i < MP_ARRAY_SIZE(faults); i++) {
        if (strcmp(name, faults[i].name) == 0) {
            faults[i].provoke();
            return mp_const_none;
        }
    }
    mp_raise_ValueError(MP_ERROR_TEXT("no such fault"));
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(machine_fault_obj, 0, 1, machine_fault);
