// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Errors of lwIP as Python's OSError.

#include "net_error.h"

#include "py/mperrno.h"
#include "py/runtime.h"

int net_errno(err_t err) {
    static const uint8_t numbers[] = {
        [-ERR_OK] = 0,
        [-ERR_MEM] = MP_ENOMEM,
        [-ERR_BUF] = MP_ENOBUFS,
        [-ERR_TIMEOUT] = MP_ETIMEDOUT,
        [-ERR_RTE] = MP_EHOSTUNREACH,
        [-ERR_INPROGRESS] = MP_EINPROGRESS,
        [-ERR_VAL] = MP_EINVAL,
        [-ERR_WOULDBLOCK] = MP_EAGAIN,
        [-ERR_USE] = MP_EADDRINUSE,
        [-ERR_ALREADY] = MP_EALREADY,
        [-ERR_ISCONN] = MP_EISCONN,
        [-ERR_CONN] = MP_ENOTCONN,
        [-ERR_IF] = MP_EIO,
        [-ERR_ABRT] = MP_ECONNABORTED,
        [-ERR_RST] = MP_ECONNRESET,
        [-ERR_CLSD] = MP_ENOTCONN,
        [-ERR_ARG] = MP_EINVAL,
    };
    return err <= 0 && -err < (int)MP_ARRAY_SIZE(numbers) ? numbers[-err] : MP_EIO;
}

mp_obj_t net_os_error(int error, const char *text) {
    nlr_buf_t nlr;
    mp_obj_t result = MP_OBJ_NULL;
    if (nlr_push(&nlr) == 0) {
        mp_obj_t args[2] = { MP_OBJ_NEW_SMALL_INT(error), MP_OBJ_NULL };
        if (text != NULL) {
            args[1] = mp_obj_new_str_from_cstr(text);
        }
        result = mp_obj_exception_make_new(&mp_type_OSError, text != NULL ? 2 : 1, 0, args);
        nlr_pop();
    }
    return result;
}

MP_NORETURN void net_raise(int error, const char *text) {
    mp_obj_t exception = net_os_error(error, text);
    if (exception == MP_OBJ_NULL) {
        mp_raise_OSError(error);
    }
    nlr_raise(exception);
}

void net_check(err_t err) {
    if (err != ERR_OK) {
        mp_raise_OSError(net_errno(err));
    }
}
