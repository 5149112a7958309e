// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Errors of lwIP as Python's OSError.

#include "net_error.h"

#include "py/mperrno.h"
#include "py/runtime.h"

int net_errno(err_t err) {
    switch (err) {
        case ERR_OK:
            return 0;
        case ERR_MEM:
            return MP_ENOMEM;
        case ERR_BUF:
            return MP_ENOBUFS;
        case ERR_TIMEOUT:
            return MP_ETIMEDOUT;
        case ERR_RTE:
            return MP_EHOSTUNREACH;
        case ERR_INPROGRESS:
            return MP_EINPROGRESS;
        case ERR_VAL:
        case ERR_ARG:
            return MP_EINVAL;
        case ERR_WOULDBLOCK:
            return MP_EAGAIN;
        case ERR_USE:
            return MP_EADDRINUSE;
        case ERR_ALREADY:
            return MP_EALREADY;
        case ERR_ISCONN:
            return MP_EISCONN;
        case ERR_ABRT:
            return MP_ECONNABORTED;
        case ERR_RST:
            return MP_ECONNRESET;
        case ERR_CONN:
        case ERR_CLSD:
            return MP_ENOTCONN;
        default:
            return MP_EIO;
    }
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
