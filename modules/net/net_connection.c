// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// net.Connection as Python sees it, and net.connect().

#include "py/mperrno.h"
#include "py/objstr.h"

#include "clock.h"
#include "events.h"
#include "net_error.h"
#include "net_tcp.h"
#include "netif_virtio.h"

#define CONNECT_LIMIT_NS (10 * NS_PER_S)

static net_connection_obj_t *connection(mp_obj_t self_in) {
    return MP_OBJ_TO_PTR(self_in);
}

static bool is_open(const net_connection_obj_t *self) {
    return !self->finished && !self->end_wanted && self->connect_limit_ns == 0;
}

static void net_connection_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    net_connection_obj_t *self = connection(self_in);
    char remote[IPADDR_STRLEN_MAX];
    ipaddr_ntoa_r(&self->remote, remote, sizeof(remote));
    const char *state = self->finished ? "closed" : self->connect_limit_ns != 0 ? "connecting" :
        self->end_wanted ? "ending" : "open";
    mp_printf(print, "Connection(%s:%u, %s, in=%lu, out=%lu, unsent=%u)", remote,
        self->remote_port, state, (unsigned long)self->bytes_in, (unsigned long)self->bytes_out,
        (unsigned)self->unsent);
}

// --- callbacks ----------------------------------------------------------------------------------

static mp_obj_t net_connection_on_data(mp_obj_t self_in, mp_obj_t callback) {
    net_connection_obj_t *self = connection(self_in);
    net_set_callback(&self->on_data, callback, 1, "the data");
    if (self->received[0] != NULL) {
        net_schedule();
        net_object_defer(&self->object, (void (*)(net_obj_t *))net_connection_deliver);
    }
    return callback;
}
static MP_DEFINE_CONST_FUN_OBJ_2(net_connection_on_data_obj, net_connection_on_data);

static mp_obj_t net_connection_on_end(mp_obj_t self_in, mp_obj_t callback) {
    return net_set_callback(&connection(self_in)->on_end, callback, 0, "nothing");
}
static MP_DEFINE_CONST_FUN_OBJ_2(net_connection_on_end_obj, net_connection_on_end);

static mp_obj_t net_connection_on_drain(mp_obj_t self_in, mp_obj_t callback) {
    return net_set_callback(&connection(self_in)->on_drain, callback, 0, "nothing");
}
static MP_DEFINE_CONST_FUN_OBJ_2(net_connection_on_drain_obj, net_connection_on_drain);

static mp_obj_t net_connection_on_close(mp_obj_t self_in, mp_obj_t callback) {
    return net_set_callback(&connection(self_in)->on_close, callback, 1, "the error");
}
static MP_DEFINE_CONST_FUN_OBJ_2(net_connection_on_close_obj, net_connection_on_close);

static mp_obj_t net_connection_timeout(size_t n_args, const mp_obj_t *args) {
    net_connection_obj_t *self = connection(args[0]);
    uint64_t idle_ns = args[1] == mp_const_none ? 0 : os_duration_ns(args[1]);
    net_set_callback(&self->on_timeout, n_args > 2 ? args[2] : mp_const_none, 1,
        "the connection");
    if (!self->finished && self->connect_limit_ns == 0) {
        self->last_active_ns = clock_ns();
        net_connection_watch(self, idle_ns == 0 ? 0 : self->last_active_ns + idle_ns);
    }
    self->idle_limit_ns = idle_ns;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(net_connection_timeout_obj, 2, 3,
    net_connection_timeout);

// --- sending and closing ------------------------------------------------------------------------

static void write_object(net_connection_obj_t *self, mp_obj_t data) {
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(data, &buffer, MP_BUFFER_READ);
    bool constant = mp_obj_is_str_or_bytes(data) && net_is_constant(buffer.buf, buffer.len);
    if (buffer.len > 0) {
        net_write(self, buffer.buf, buffer.len, constant);
    }
}

static mp_obj_t net_connection_write(mp_obj_t self_in, mp_obj_t data) {
    net_connection_obj_t *self = connection(self_in);
    if (!self->object.active || self->finished || self->end_wanted) {
        mp_raise_OSError(MP_ENOTCONN);
    }
    write_object(self, data);
    bool room = self->unsent <= NET_UNSENT_FULL;
    self->drain_wanted = self->drain_wanted || !room;
    return mp_obj_new_bool(room);
}
static MP_DEFINE_CONST_FUN_OBJ_2(net_connection_write_obj, net_connection_write);

static mp_obj_t net_connection_end(size_t n_args, const mp_obj_t *args) {
    net_connection_obj_t *self = connection(args[0]);
    if (self->finished || self->end_wanted) {
        return mp_const_none;
    }
    if (n_args > 1) {
        write_object(self, args[1]);
    }
    self->end_wanted = true;
    net_connection_progress(self);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(net_connection_end_obj, 1, 2, net_connection_end);

static mp_obj_t net_connection_abort_(mp_obj_t self_in) {
    net_connection_abort(connection(self_in), MP_OBJ_NULL);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(net_connection_abort_obj, net_connection_abort_);

static mp_obj_t net_connection_pause(mp_obj_t self_in) {
    connection(self_in)->paused = true;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(net_connection_pause_obj, net_connection_pause);

static mp_obj_t net_connection_resume(mp_obj_t self_in) {
    net_connection_obj_t *self = connection(self_in);
    self->paused = false;
    if (self->object.active && !self->finished) {
        net_object_defer(&self->object, (void (*)(net_obj_t *))net_connection_deliver);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(net_connection_resume_obj, net_connection_resume);

// --- the object ---------------------------------------------------------------------------------

static mp_obj_t attribute(net_connection_obj_t *self, qstr name) {
    switch (name) {
        case MP_QSTR_remote:
            return net_address(&self->remote, self->remote_port);
        case MP_QSTR_local:
            return net_address(&self->local, self->local_port);
        case MP_QSTR_is_open:
            return mp_obj_new_bool(is_open(self));
        case MP_QSTR_bytes_in:
            return mp_obj_new_int_from_ull(self->bytes_in);
        case MP_QSTR_bytes_out:
            return mp_obj_new_int_from_ull(self->bytes_out);
        case MP_QSTR_unsent:
            return mp_obj_new_int_from_uint(self->unsent);
        case MP_QSTR_data:
            return self->data;
        default:
            return MP_OBJ_NULL;
    }
}

static void net_connection_attr(mp_obj_t self_in, qstr name, mp_obj_t *destination) {
    net_connection_obj_t *self = connection(self_in);
    if (destination[0] == MP_OBJ_NULL) {
        destination[0] = attribute(self, name);
        if (destination[0] == MP_OBJ_NULL) {
            destination[1] = MP_OBJ_SENTINEL; // a method
        }
    } else if (name == MP_QSTR_data && destination[1] != MP_OBJ_NULL) {
        self->data = destination[1];
        destination[0] = MP_OBJ_NULL;
    }
}

static const mp_rom_map_elem_t net_connection_locals_dict_table[] = {
    { MP_ROM_QSTR(MP_QSTR_on_data), MP_ROM_PTR(&net_connection_on_data_obj) },
    { MP_ROM_QSTR(MP_QSTR_on_end), MP_ROM_PTR(&net_connection_on_end_obj) },
    { MP_ROM_QSTR(MP_QSTR_on_drain), MP_ROM_PTR(&net_connection_on_drain_obj) },
    { MP_ROM_QSTR(MP_QSTR_on_close), MP_ROM_PTR(&net_connection_on_close_obj) },
    { MP_ROM_QSTR(MP_QSTR_write), MP_ROM_PTR(&net_connection_write_obj) },
    { MP_ROM_QSTR(MP_QSTR_end), MP_ROM_PTR(&net_connection_end_obj) },
    { MP_ROM_QSTR(MP_QSTR_abort), MP_ROM_PTR(&net_connection_abort_obj) },
    { MP_ROM_QSTR(MP_QSTR_pause), MP_ROM_PTR(&net_connection_pause_obj) },
    { MP_ROM_QSTR(MP_QSTR_resume), MP_ROM_PTR(&net_connection_resume_obj) },
    { MP_ROM_QSTR(MP_QSTR_timeout), MP_ROM_PTR(&net_connection_timeout_obj) },
    { MP_ROM_QSTR(MP_QSTR_ref), MP_ROM_PTR(&net_object_ref_obj) },
    { MP_ROM_QSTR(MP_QSTR_unref), MP_ROM_PTR(&net_object_unref_obj) },
};
static MP_DEFINE_CONST_DICT(net_connection_locals_dict, net_connection_locals_dict_table);

MP_DEFINE_CONST_OBJ_TYPE(
    net_connection_type,
    MP_QSTR_Connection,
    MP_TYPE_FLAG_NONE,
    print, net_connection_print,
    attr, net_connection_attr,
    locals_dict, &net_connection_locals_dict
    );

// --- connect ------------------------------------------------------------------------------------

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err) {
    (void)err;
    net_connection_obj_t *self = arg;
    self->entered++;
    self->connect_limit_ns = 0;
    self->local = pcb->local_ip;
    self->local_port = pcb->local_port;
    self->last_active_ns = clock_ns();
    net_connection_watch(self, 0);
    if (net_has(self->on_connect)) {
        mp_obj_t argument = MP_OBJ_FROM_PTR(self);
        os_call(argument, "net.connect", self->on_connect, 1, &argument);
    }
    net_write_more(self);
    net_connection_progress(self);
    return net_connection_leave(self, ERR_OK);
}

static void on_found(void *arg, const ip_addr_t *address, int error) {
    net_connection_obj_t *self = arg;
    if (self->finished) {
        return;
    }
    if (address == NULL) {
        net_connection_abort(self, net_os_error(error, NULL));
        return;
    }
    struct tcp_pcb *pcb = tcp_new_ip_type(IP_GET_TYPE(address));
    err_t err = ERR_MEM;
    if (pcb != NULL) {
        u16_t port = self->remote_port;
        net_connection_attach(self, pcb);
        self->remote_port = port;
        self->remote = *address;
        err = tcp_connect(pcb, address, port, on_connected);
    }
    if (err != ERR_OK) {
        net_connection_abort(self, net_os_error(net_errno(err), NULL));
    }
}

static mp_obj_t net_connect(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_host, ARG_port, ARG_on_connect, ARG_timeout };
    static const mp_arg_t allowed[] = {
        { MP_QSTR_host, MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_port, MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_on_connect, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_timeout, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed), allowed, args);
    const char *host = mp_obj_str_get_str(args[ARG_host].u_obj);
    uint16_t port = net_port(args[ARG_port].u_obj);
    uint64_t limit_ns = args[ARG_timeout].u_obj == mp_const_none ? CONNECT_LIMIT_NS :
        os_duration_ns(args[ARG_timeout].u_obj);
    mp_obj_t callback = MP_OBJ_NULL;
    net_set_callback(&callback, args[ARG_on_connect].u_obj, 1, "the connection");
    net_start();
    net_connection_obj_t *self = net_connection_new(NULL);
    self->on_connect = callback;
    self->remote_port = port;
    self->connect_limit_ns = clock_ns() + limit_ns;
    net_connection_watch(self, self->connect_limit_ns);
    int ret = net_resolve_start(host, self->connect_limit_ns, on_found, self);
    if (ret < 0) {
        net_connection_abort(self, net_os_error(-ret, NULL));
    }
    return MP_OBJ_FROM_PTR(self);
}
MP_DEFINE_CONST_FUN_OBJ_KW(net_connect_obj, 2, net_connect);
