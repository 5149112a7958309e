// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The port's part of the os module; extmod/modos.c includes this file. Environment variables are
// boot options that nobody else knows, and what putenv() set since.

#include "options.h"
#include "random.h"

static mp_obj_t mp_os_urandom(mp_obj_t size_in) {
    mp_int_t size = mp_obj_get_int(size_in);
    if (size < 0) {
        mp_raise_ValueError(NULL);
    }
    vstr_t bytes;
    vstr_init_len(&bytes, size);
    random_bytes(bytes.buf, size);
    return mp_obj_new_bytes_from_vstr(&bytes);
}
static MP_DEFINE_CONST_FUN_OBJ_1(mp_os_urandom_obj, mp_os_urandom);

// What putenv() set, None for what unsetenv() removed. Created at first use.
static mp_obj_dict_t *environment(void) {
    if (MP_STATE_VM(environment) == MP_OBJ_NULL) {
        MP_STATE_VM(environment) = mp_obj_new_dict(0);
    }
    return MP_OBJ_TO_PTR(MP_STATE_VM(environment));
}

static mp_obj_t mp_os_getenv(size_t n_args, const mp_obj_t *args) {
    const char *key = mp_obj_str_get_str(args[0]);
    mp_obj_t otherwise = n_args == 2 ? args[1] : mp_const_none;
    mp_map_elem_t *set = mp_map_lookup(&environment()->map, args[0], MP_MAP_LOOKUP);
    if (set != NULL) {
        return set->value == mp_const_none ? otherwise : set->value;
    }
    int length = option_get(key, NULL, 0);
    if (length < 0) {
        return otherwise;
    }
    vstr_t value;
    vstr_init_len(&value, length);
    option_get(key, value.buf, length + 1); // vstr has room for the NUL
    return mp_obj_new_str_from_vstr(&value);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(mp_os_getenv_obj, 1, 2, mp_os_getenv);

static mp_obj_t mp_os_putenv(mp_obj_t key, mp_obj_t value) {
    mp_obj_str_get_str(key);
    mp_obj_str_get_str(value);
    mp_obj_dict_store(MP_OBJ_FROM_PTR(environment()), key, value);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(mp_os_putenv_obj, mp_os_putenv);

static mp_obj_t mp_os_unsetenv(mp_obj_t key) {
    mp_obj_str_get_str(key);
    mp_obj_dict_store(MP_OBJ_FROM_PTR(environment()), key, mp_const_none);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(mp_os_unsetenv_obj, mp_os_unsetenv);

MP_REGISTER_ROOT_POINTER(mp_obj_t environment);
