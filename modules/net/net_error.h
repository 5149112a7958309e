// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Errors of lwIP as Python's OSError.

#ifndef IMPORTOS_NET_ERROR_H
#define IMPORTOS_NET_ERROR_H

#include "lwip/err.h"
#include "py/mpconfig.h"
#include "py/obj.h"

// Numbers that py/mperrno.h lacks, as Linux has them.
#ifndef EDEADLK
#define EDEADLK 35
#endif
#ifndef EMSGSIZE
#define EMSGSIZE 90
#endif

// Raise OSError(error, text).
MP_NORETURN void net_raise(int error, const char *text);

// errno of an lwIP error, 0 for ERR_OK.
int net_errno(err_t err);

// An OSError object for (error); MP_OBJ_NULL if there is no memory for one.
mp_obj_t net_os_error(int error, const char *text);

// Raise OSError if (err) is not ERR_OK.
void net_check(err_t err);

// Of tcp_output(): what finds the card's ring full goes out later, and is not lost.
static inline err_t net_unless_full(err_t err) {
    return err == ERR_MEM ? ERR_OK : err;
}

#endif // IMPORTOS_NET_ERROR_H
