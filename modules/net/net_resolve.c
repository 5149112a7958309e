// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Names to addresses without blocking: net.resolve(), and what net.connect() begins with. A
// request lives in the network's memory and may outlast its caller, because lwIP's cannot be
// cancelled.

#include <string.h>

#include "lwip/dns.h"
#include "lwip/mem.h"
#include "lwip/timeouts.h"
#include "py/mperrno.h"
#include "py/runtime.h"
#include "extmod/modnetwork.h"

#include "clock.h"
#include "events.h"
#include "net_error.h"
#include "net_object.h"
#include "net_quiet.h"
#include "netif_virtio.h"

#define RESOLVE_LIMIT_NS (5 * NS_PER_S)
#define ADDRESS_RETRY_MS 20 // while DHCP is under way
#define NAME_MAX 255
#ifndef ENOENT
#define ENOENT MP_ENOENT
#endif

struct request {
    struct request *next;
    net_found_t found; // NULL: answered, or forgotten
    void *arg;
    uint64_t limit_ns;
    bool asked; // lwIP holds the request
    char name[NAME_MAX + 1];
};

static struct request *requests;

static void tick(void *arg);

static void drop(struct request *request) {
    for (struct request **p = &requests; *p != NULL; p = &(*p)->next) {
        if (*p == request) {
            *p = request->next;
            sys_untimeout(tick, request);
            mem_free(request);
            return;
        }
    }
}

static void answer(struct request *request, const ip_addr_t *address, int error) {
    net_found_t found = request->found;
    request->found = NULL;
    void *arg = request->arg;
    if (!request->asked) {
        drop(request);
    }
    if (found != NULL) {
        found(arg, address, error);
    }
}

static void on_found(const char *name, const ip_addr_t *address, void *arg) {
    (void)name;
    struct request *request = arg;
    request->asked = false;
    if (address != NULL) {
        ip_addr_t copy = *address;
        answer(request, &copy, 0);
    } else {
        answer(request, NULL, ENOENT);
    }
}

static bool any_address(void) {
    struct net_card *card;
    for (unsigned i = 0; (card = net_card_get(i)) != NULL; i++) {
        if (net_card_has_address(card)) {
            return true;
        }
    }
    return false;
}

// Ask lwIP, or come back later. Returns what is known at once in (address): 1 found, 0 not yet, or
// a negative errno.
static int ask(struct request *request, ip_addr_t *address) {
    if (ipaddr_aton(request->name, address)) {
        return 1;
    }
    if (!any_address()) {
        sys_timeout(ADDRESS_RETRY_MS, tick, request);
        return 0;
    }
    request->asked = true;
    net_quiet_wake();
    err_t err = dns_gethostbyname_addrtype(request->name, address, on_found, request,
        mp_mod_network_prefer_dns_use_ip_version == 4 ? LWIP_DNS_ADDRTYPE_IPV4_IPV6 :
        LWIP_DNS_ADDRTYPE_IPV6_IPV4);
    if (err == ERR_INPROGRESS) {
        uint64_t now_ns = clock_ns();
        uint64_t wait_ns = request->limit_ns > now_ns ? request->limit_ns - now_ns : 0;
        sys_timeout((u32_t)(wait_ns / NS_PER_MS) + 1, tick, request);
        return 0;
    }
    request->asked = false;
    return err == ERR_OK ? 1 : err == ERR_VAL ? -ENOENT : -net_errno(err);
}

static void tick(void *arg) {
    struct request *request = arg;
    if (clock_ns() >= request->limit_ns) {
        answer(request, NULL, MP_ETIMEDOUT);
        return;
    }
    ip_addr_t address;
    int ret = request->asked ? 0 : ask(request, &address);
    if (ret != 0) {
        answer(request, ret > 0 ? &address : NULL, -ret);
    }
}

int net_resolve_start(const char *name, uint64_t limit_ns, net_found_t found, void *arg) {
    size_t length = strlen(name);
    if (length == 0 || length > NAME_MAX) {
        return -MP_EINVAL;
    }
    struct request *request = mem_malloc(sizeof(*request));
    if (request == NULL) {
        return -MP_ENOMEM;
    }
    *request = (struct request) {
        .next = requests, .found = found, .arg = arg, .limit_ns = limit_ns,
    };
    memcpy(request->name, name, length + 1);
    requests = request;
    ip_addr_t address;
    int ret = ask(request, &address);
    if (ret < 0) {
        request->found = NULL;
        drop(request);
        return ret;
    }
    if (ret > 0) {
        answer(request, &address, 0);
    } else {
        net_schedule(); // the stack's timer must learn of the new time-out
    }
    return 0;
}

void net_resolve_cancel(void *arg) {
    for (struct request *request = requests, *next; request != NULL; request = next) {
        next = request->next;
        if (arg == NULL || request->arg == arg) {
            request->found = NULL;
            if (!request->asked) {
                drop(request);
            }
        }
    }
}

// --- net.resolve() ------------------------------------------------------------------------------

typedef struct _net_lookup_obj_t {
    net_obj_t object;
    mp_obj_t callback;
    mp_obj_t result[2];
} net_lookup_obj_t;

static void reset(net_obj_t *object) {
    net_resolve_cancel(object);
}

static void report(net_obj_t *object) {
    net_lookup_obj_t *self = (net_lookup_obj_t *)object;
    net_object_deactivate(object);
    os_call(MP_OBJ_FROM_PTR(self), "net.resolve", self->callback, 2, self->result);
}

// Not called from here: the answer may be known before net.resolve() has returned.
static void on_lookup(void *arg, const ip_addr_t *address, int error) {
    net_lookup_obj_t *self = arg;
    nlr_buf_t nlr;
    self->result[0] = self->result[1] = mp_const_none;
    if (address != NULL && nlr_push(&nlr) == 0) {
        self->result[0] = net_address_text(address);
        nlr_pop();
    }
    if (self->result[0] == mp_const_none) {
        mp_obj_t exception = net_os_error(error == 0 ? MP_ENOMEM : error, NULL);
        self->result[1] = exception == MP_OBJ_NULL ? mp_const_none : exception;
    }
    net_object_defer(&self->object, report);
}

static const mp_obj_type_t net_lookup_type;
static MP_DEFINE_CONST_OBJ_TYPE(net_lookup_type, MP_QSTR_resolve, MP_TYPE_FLAG_NONE);

static mp_obj_t net_resolve(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_name, ARG_callback, ARG_timeout };
    static const mp_arg_t allowed[] = {
        { MP_QSTR_name, MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_callback, MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_timeout, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed), allowed, args);
    const char *name = mp_obj_str_get_str(args[ARG_name].u_obj);
    os_callback_check(args[ARG_callback].u_obj, 2, "the address and the error");
    uint64_t limit_ns = args[ARG_timeout].u_obj == mp_const_none ? RESOLVE_LIMIT_NS :
        os_duration_ns(args[ARG_timeout].u_obj);
    net_start();
    net_lookup_obj_t *self = net_object_new(&net_lookup_type, sizeof(*self), reset);
    self->callback = args[ARG_callback].u_obj;
    net_object_activate(&self->object);
    int ret = net_resolve_start(name, clock_ns() + limit_ns, on_lookup, self);
    if (ret < 0) {
        on_lookup(self, NULL, -ret);
    }
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_KW(net_resolve_obj, 2, net_resolve);
