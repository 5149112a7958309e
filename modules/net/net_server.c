// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// net.Server and net.listen(): accepted connections become calls of Python.

#include "lwip/priv/tcp_priv.h"
#include "py/mperrno.h"

#include "events.h"
#include "net_error.h"
#include "net_hooks.h"
#include "net_tcp.h"
#include "netif_virtio.h"

typedef struct _net_server_obj_t {
    net_obj_t object;
    struct tcp_pcb *pcb; // a listening one; NULL once closed
    ip_addr_t ip;
    uint16_t port;
    mp_obj_t on_connect, on_error;
    uint64_t accepted;
} net_server_obj_t;

static void close_server(net_server_obj_t *self) {
    if (self->pcb != NULL) {
        tcp_arg(self->pcb, NULL);
        tcp_close(self->pcb);
        self->pcb = NULL;
    }
}

static void reset(net_obj_t *object) {
    close_server((net_server_obj_t *)object);
}

static void report_error(net_server_obj_t *self, int error) {
    mp_obj_t exception = net_os_error(error, NULL);
    if (net_has(self->on_error) && exception != MP_OBJ_NULL) {
        os_call(MP_OBJ_FROM_PTR(self), "net.Server on_error", self->on_error, 1, &exception);
    }
}

static net_connection_obj_t *new_connection(struct tcp_pcb *pcb) {
    net_connection_obj_t *connection = NULL;
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        connection = net_connection_new(pcb);
        nlr_pop();
    }
    return connection;
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err) {
    net_server_obj_t *self = arg;
    if (self == NULL || err != ERR_OK || pcb == NULL) {
        if (self != NULL) {
            report_error(self, net_errno(err));
        }
        return ERR_VAL;
    }
    net_connection_obj_t *connection = new_connection(pcb);
    if (connection == NULL) {
        report_error(self, MP_ENOMEM);
        return ERR_MEM; // lwIP resets the peer
    }
    self->accepted++;
    mp_obj_t argument = MP_OBJ_FROM_PTR(connection);
    connection->entered++;
    os_call(MP_OBJ_FROM_PTR(self), "net.Server on_connect", self->on_connect, 1, &argument);
    net_connection_progress(connection);
    return net_connection_leave(connection, ERR_OK);
}

static void net_server_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    net_server_obj_t *self = MP_OBJ_TO_PTR(self_in);
    char ip[IPADDR_STRLEN_MAX];
    ipaddr_ntoa_r(&self->ip, ip, sizeof(ip));
    mp_printf(print, "Server(%s:%u, %s)", ip, self->port, self->pcb ? "listening" : "closed");
}

static mp_obj_t net_server_close(mp_obj_t self_in) {
    net_server_obj_t *self = MP_OBJ_TO_PTR(self_in);
    close_server(self);
    net_object_deactivate(&self->object);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(net_server_close_obj, net_server_close);

static mp_obj_t net_server_on_error(mp_obj_t self_in, mp_obj_t callback) {
    net_server_obj_t *self = MP_OBJ_TO_PTR(self_in);
    return net_set_callback(&self->on_error, callback, 1, "the error");
}
static MP_DEFINE_CONST_FUN_OBJ_2(net_server_on_error_obj, net_server_on_error);

static mp_obj_t net_server_exit(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    return net_server_close(args[0]);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(net_server_exit_obj, 4, 4, net_server_exit);

static mp_obj_t net_server_enter(mp_obj_t self_in) {
    return self_in;
}
static MP_DEFINE_CONST_FUN_OBJ_1(net_server_enter_obj, net_server_enter);

// Connections that came through this port and are still there.
static mp_obj_t count_connections(const net_server_obj_t *self) {
    mp_int_t count = 0;
    for (net_obj_t *object = MP_STATE_VM(net_objects); object != NULL; object = object->next) {
        const net_connection_obj_t *connection = (const net_connection_obj_t *)object;
        count += object->base.type == &net_connection_type && !connection->finished &&
            connection->local_port == self->port;
    }
    return MP_OBJ_NEW_SMALL_INT(count);
}

static void net_server_attr(mp_obj_t self_in, qstr name, mp_obj_t *destination) {
    net_server_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (destination[0] != MP_OBJ_NULL) {
        return;
    }
    if (name == MP_QSTR_address) {
        destination[0] = net_address(&self->ip, self->port);
    } else if (name == MP_QSTR_connections) {
        destination[0] = count_connections(self);
    } else if (name == MP_QSTR_accepted) {
        destination[0] = mp_obj_new_int_from_ull(self->accepted);
    } else {
        destination[1] = MP_OBJ_SENTINEL;
    }
}

static const mp_rom_map_elem_t net_server_locals_dict_table[] = {
    { MP_ROM_QSTR(MP_QSTR_close), MP_ROM_PTR(&net_server_close_obj) },
    { MP_ROM_QSTR(MP_QSTR_on_error), MP_ROM_PTR(&net_server_on_error_obj) },
    { MP_ROM_QSTR(MP_QSTR_ref), MP_ROM_PTR(&net_object_ref_obj) },
    { MP_ROM_QSTR(MP_QSTR_unref), MP_ROM_PTR(&net_object_unref_obj) },
    { MP_ROM_QSTR(MP_QSTR___enter__), MP_ROM_PTR(&net_server_enter_obj) },
    { MP_ROM_QSTR(MP_QSTR___exit__), MP_ROM_PTR(&net_server_exit_obj) },
};
static MP_DEFINE_CONST_DICT(net_server_locals_dict, net_server_locals_dict_table);

MP_DEFINE_CONST_OBJ_TYPE(
    net_server_type,
    MP_QSTR_Server,
    MP_TYPE_FLAG_NONE,
    print, net_server_print,
    attr, net_server_attr,
    locals_dict, &net_server_locals_dict
    );

// --- listen -------------------------------------------------------------------------------------

// A listening pcb on (ip), (port), or OSError.
static struct tcp_pcb *listen_on(const ip_addr_t *ip, uint16_t port) {
    struct tcp_pcb *pcb = tcp_new_ip_type(IP_GET_TYPE(ip));
    if (pcb == NULL) {
        mp_raise_OSError(MP_ENOMEM);
    }
    // Connections of a former server in TIME_WAIT do not stand in the way.
    ip_set_option(pcb, SOF_REUSEADDR);
    err_t err = tcp_bind(pcb, ip, port);
    if (err == ERR_OK) {
        ip_reset_option(pcb, SOF_REUSEADDR);
        // Of half-open connections: complete ones are Python's at once, so there is no queue of
        // them that the argument could limit.
        struct tcp_pcb *listening = tcp_listen_with_backlog_and_err(pcb, NET_BACKLOG, &err);
        if (listening != NULL) {
            return listening;
        }
    }
    tcp_close(pcb);
    mp_raise_OSError(net_errno(err));
}

// True if somebody listens on (port) already: lwIP lets two share it when both reuse addresses.
static bool is_taken(const ip_addr_t *ip, uint16_t port) {
    for (struct tcp_pcb_listen *pcb = tcp_listen_pcbs.listen_pcbs; pcb != NULL; pcb = pcb->next) {
        if (pcb->local_port == port && (ip_addr_isany_val(pcb->local_ip) ||
                                        ip_addr_isany(ip) || ip_addr_eq(&pcb->local_ip, ip))) {
            return true;
        }
    }
    return false;
}

static mp_obj_t net_listen(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_port, ARG_on_connect, ARG_host, ARG_backlog };
    static const mp_arg_t allowed[] = {
        { MP_QSTR_port, MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_on_connect, MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_host, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_backlog, MP_ARG_KW_ONLY | MP_ARG_INT, { .u_int = 16 } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed), allowed, args);
    uint16_t port = net_port(args[ARG_port].u_obj);
    ip_addr_t ip = *IP_ANY_TYPE;
    if (args[ARG_host].u_obj != mp_const_none) {
        const char *host = mp_obj_str_get_str(args[ARG_host].u_obj);
        if (host[0] != '\0' && !ipaddr_aton(host, &ip)) {
            mp_raise_ValueError(MP_ERROR_TEXT("host must be an address of this machine"));
        }
    }
    net_start();
    net_server_obj_t *self = net_object_new(&net_server_type, sizeof(*self), reset);
    net_set_callback(&self->on_connect, args[ARG_on_connect].u_obj, 1, "the connection");
    if (port != 0 && is_taken(&ip, port)) {
        mp_raise_OSError(MP_EADDRINUSE);
    }
    self->pcb = listen_on(&ip, port);
    self->ip = ip;
    self->port = self->pcb->local_port;
    tcp_arg(self->pcb, self);
    tcp_accept(self->pcb, on_accept);
    net_object_activate(&self->object);
    return MP_OBJ_FROM_PTR(self);
}
MP_DEFINE_CONST_FUN_OBJ_KW(net_listen_obj, 1, net_listen);
