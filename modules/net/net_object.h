// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What the objects of `net` have in common: while one is active it is a root of the garbage
// collector and, unless unref() was called, keeps the machine running; and how their callbacks are
// called. Everything on the main thread.

#ifndef IMPORTOS_NET_OBJECT_H
#define IMPORTOS_NET_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "lwip/ip_addr.h"
#include "py/obj.h"
#include "py/runtime.h"

struct pbuf;

typedef struct _net_obj_t net_obj_t;

struct _net_obj_t {
    mp_obj_base_t base;
    net_obj_t *next, *previous; // active objects
    net_obj_t *next_deferred;
    void (*deferred)(net_obj_t *object); // called once by net_objects_run(), NULL: nothing waits
    void (*reset)(net_obj_t *object); // let go of everything of lwIP's, call nobody
    bool active;
    bool referenced; // wanted to keep the machine running
    bool held; // does so
};

// A zeroed object of (type), inactive.
void *net_object_new(const mp_obj_type_t *type, size_t size, void (*reset)(net_obj_t *object));

void net_object_activate(net_obj_t *object);
void net_object_deactivate(net_obj_t *object);

// Call (fn) on the object from the scheduler, soon. Only while it is active, and until then it
// stays so for the collector. One at a time: a second call before that changes (fn).
void net_object_defer(net_obj_t *object, void (*fn)(net_obj_t *object));

// The objects' turn in the stack's poll.
void net_objects_run(void);

// Soft reset: every object lets go, none is active.
void net_objects_reset(void);

// obj.ref(), obj.unref()
MP_DECLARE_CONST_FUN_OBJ_1(net_object_ref_obj);
MP_DECLARE_CONST_FUN_OBJ_1(net_object_unref_obj);

// Set *slot to callback, checked to take (count) arguments, and return it; None is allowed.
mp_obj_t net_set_callback(mp_obj_t *slot, mp_obj_t callback, size_t count, const char *what);

static inline bool net_has(mp_obj_t callback) {
    return callback != MP_OBJ_NULL && callback != mp_const_none;
}

// (host, port)
mp_obj_t net_address(const ip_addr_t *ip, uint16_t port);
mp_obj_t net_address_text(const ip_addr_t *ip);

// Port number, or ValueError.
uint16_t net_port(mp_obj_t port);

// A bytes object with what is in the chain (p) from (offset), or MP_OBJ_NULL if there is no
// memory.
mp_obj_t net_bytes(const struct pbuf *p, size_t offset);

// --- look-up (net_resolve.c) --------------------------------------------------------------------

// Called once: (address) NULL if the look-up failed with errno (error).
typedef void (*net_found_t)(void *arg, const ip_addr_t *address, int error);

// Look (name) up; waits for DHCP, gives up at (limit_ns) by clock_ns(). (arg) must be kept until
// (found) was called, which may be before this returns. 0, or a negative errno: then it is not
// called.
int net_resolve_start(const char *name, uint64_t limit_ns, net_found_t found, void *arg);

// Make the look-ups for (arg) forget their caller; NULL: all of them.
void net_resolve_cancel(void *arg);

// --- interfaces (net_interface.c) ---------------------------------------------------------------

void net_interface_start(void);
void net_interface_reset(void);
void net_interfaces_run(void); // report what came up and went down

extern const mp_obj_type_t net_connection_type, net_server_type, net_udp_type, net_packet_type,
                           net_frame_type;
MP_DECLARE_CONST_FUN_OBJ_KW(net_listen_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(net_connect_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(net_udp_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(net_resolve_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(net_config_obj);
MP_DECLARE_CONST_FUN_OBJ_0(net_interfaces_obj);

#endif // IMPORTOS_NET_OBJECT_H
