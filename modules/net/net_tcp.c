// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// net.Connection and lwIP's raw TCP API: what happens on the wire becomes calls of Python,
// straight out of lwIP's receive. A pcb must not vanish while lwIP calls us for it, so abort()
// waits for the call's end; and on_close comes from the scheduler later, once, last.

#include "net_tcp.h"

#include "lwip/priv/tcp_priv.h"
#include "lwip/timeouts.h"
#include "py/mperrno.h"

#include "clock.h"
#include "events.h"
#include "net_error.h"
#include "netif_virtio.h"

#define LINGER_NS (60 * NS_PER_S) // a peer may be silent that long after we ended

static void on_error(void *arg, err_t err);
static err_t on_receive(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err);
static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t size);

static void call(net_connection_obj_t *self, const char *what, mp_obj_t callback, size_t count,
    mp_obj_t argument) {
    os_call(MP_OBJ_FROM_PTR(self), what, callback, count, &argument);
}

// --- life ---------------------------------------------------------------------------------------

// Give the pcb back to lwIP: nobody is called for it any more.
static struct tcp_pcb *detach(net_connection_obj_t *self) {
    struct tcp_pcb *pcb = self->pcb;
    if (pcb != NULL) {
        tcp_arg(pcb, NULL);
        tcp_err(pcb, NULL);
        tcp_recv(pcb, NULL);
        tcp_sent(pcb, NULL);
        self->pcb = NULL;
    }
    return pcb;
}

static void watch_fired(void *arg);

static void free_buffers(net_connection_obj_t *self) {
    for (unsigned i = 0; i < NET_RECEIVED_MAX && self->received[i] != NULL; i++) {
        pbuf_free(self->received[i]);
        self->received[i] = NULL;
    }
    net_write_free(self);
    net_resolve_cancel(self);
    sys_untimeout(watch_fired, self);
}

static void reset(net_obj_t *object) {
    net_connection_obj_t *self = (net_connection_obj_t *)object;
    struct tcp_pcb *pcb = detach(self);
    if (pcb != NULL) {
        tcp_abort(pcb);
    }
    self->finished = true;
    free_buffers(self);
}

static void report_close(net_obj_t *object) {
    net_connection_obj_t *self = (net_connection_obj_t *)object;
    free_buffers(self);
    net_object_deactivate(&self->object);
    if (net_has(self->on_close)) {
        call(self, "net.Connection on_close", self->on_close, 1, self->error);
    }
    // Callbacks usually refer to the connection: let the collector see that it is over.
    self->on_connect = self->on_data = self->on_end = self->on_drain = MP_OBJ_NULL;
    self->on_close = self->on_timeout = MP_OBJ_NULL;
}

static void finish(net_connection_obj_t *self, mp_obj_t error) {
    if (!self->finished) {
        self->finished = true;
        self->error = error == MP_OBJ_NULL ? mp_const_none : error;
        net_object_defer(&self->object, report_close);
    }
}

net_connection_obj_t *net_connection_new(struct tcp_pcb *pcb) {
    net_connection_obj_t *self = net_object_new(&net_connection_type, sizeof(*self), reset);
    self->data = self->error = mp_const_none;
    self->last_active_ns = clock_ns();
    net_object_activate(&self->object);
    if (pcb != NULL) {
        net_connection_attach(self, pcb);
    }
    return self;
}

void net_connection_attach(net_connection_obj_t *self, struct tcp_pcb *pcb) {
    self->pcb = pcb;
    self->remote = pcb->remote_ip;
    self->remote_port = pcb->remote_port;
    self->local = pcb->local_ip;
    self->local_port = pcb->local_port;
    tcp_nagle_disable(pcb);
    tcp_arg(pcb, self);
    tcp_err(pcb, on_error);
    tcp_recv(pcb, on_receive);
    tcp_sent(pcb, on_sent);
}

void net_connection_abort(net_connection_obj_t *self, mp_obj_t error) {
    if (self->finished) {
        return;
    }
    finish(self, error);
    if (self->entered > 0) {
        self->abort_wanted = true;
        return;
    }
    struct tcp_pcb *pcb = detach(self);
    if (pcb != NULL) {
        tcp_abort(pcb);
    }
}

err_t net_connection_leave(net_connection_obj_t *self, err_t err) {
    self->entered--;
    if (self->entered == 0 && self->abort_wanted) {
        self->abort_wanted = false;
        struct tcp_pcb *pcb = detach(self);
        if (pcb != NULL) {
            tcp_abort(pcb);
            return ERR_ABRT;
        }
    }
    return err;
}

// --- time-outs ----------------------------------------------------------------------------------

static void watch_at(net_connection_obj_t *self, uint64_t deadline_ns) {
    uint64_t now_ns = clock_ns();
    uint64_t wait_ms = deadline_ns <= now_ns ? 0 : (deadline_ns - now_ns) / NS_PER_MS + 1;
    sys_timeout((u32_t)MIN(wait_ms, 0x3fffffff), watch_fired, self);
}

// One time-out serves all: it looks at what is due, and comes back for what is not.
static void watch_fired(void *arg) {
    net_connection_obj_t *self = arg;
    if (self->finished || !self->object.active) {
        return;
    }
    uint64_t now_ns = clock_ns();
    if (self->connect_limit_ns != 0) {
        if (now_ns >= self->connect_limit_ns) {
            net_connection_abort(self, net_os_error(MP_ETIMEDOUT, NULL));
        } else {
            watch_at(self, self->connect_limit_ns);
        }
        return;
    }
    if (self->idle_limit_ns == 0) {
        return;
    }
    uint64_t due_ns = self->last_active_ns + self->idle_limit_ns;
    if (now_ns < due_ns) {
        watch_at(self, due_ns);
    } else if (!net_has(self->on_timeout)) {
        net_connection_abort(self, net_os_error(MP_ETIMEDOUT, NULL));
    } else {
        self->last_active_ns = now_ns;
        watch_at(self, now_ns + self->idle_limit_ns);
        call(self, "net.Connection timeout", self->on_timeout, 1, MP_OBJ_FROM_PTR(self));
    }
}

void net_connection_watch(net_connection_obj_t *self, uint64_t deadline_ns) {
    sys_untimeout(watch_fired, self);
    if (deadline_ns != 0) {
        watch_at(self, deadline_ns);
        net_schedule();
    }
}

// --- receive ------------------------------------------------------------------------------------

// All data has been handed on and the peer has no more.
static void report_end(net_connection_obj_t *self) {
    if (self->end_reported || !self->peer_ended || self->received[0] != NULL || self->finished) {
        return;
    }
    self->end_reported = true;
    if (net_has(self->on_end)) {
        call(self, "net.Connection on_end", self->on_end, 0, MP_OBJ_NULL);
    } else {
        self->end_wanted = true;
    }
}

static void take_first(net_connection_obj_t *self) {
    for (unsigned i = 0; i + 1 < NET_RECEIVED_MAX; i++) {
        self->received[i] = self->received[i + 1];
    }
    self->received[NET_RECEIVED_MAX - 1] = NULL;
}

// Put (p) behind what is there; the length of a chain has 16 bits. False: no room.
static bool keep(net_connection_obj_t *self, struct pbuf *p) {
    unsigned i = 0;
    while (i < NET_RECEIVED_MAX && self->received[i] != NULL) {
        i++;
    }
    if (i > 0 && (u32_t)self->received[i - 1]->tot_len + p->tot_len <= 0xffff) {
        pbuf_cat(self->received[i - 1], p);
        return true;
    }
    if (i == NET_RECEIVED_MAX) {
        return false;
    }
    self->received[i] = p;
    return true;
}

void net_connection_deliver(net_connection_obj_t *self) {
    struct pbuf *p;
    while ((p = self->received[0]) != NULL && !self->paused && net_has(self->on_data) &&
           !self->finished) {
        mp_obj_t data = net_bytes(p, 0);
        if (data == MP_OBJ_NULL) {
            net_connection_abort(self, net_os_error(MP_ENOMEM, NULL));
            return;
        }
        take_first(self);
        u16_t size = p->tot_len;
        pbuf_free(p);
        if (self->pcb != NULL) {
            tcp_recved(self->pcb, size);
        }
        call(self, "net.Connection on_data", self->on_data, 1, data);
    }
    if (self->entered == 0 && self->pcb != NULL && self->pcb->refused_data != NULL &&
        self->received[0] == NULL && !self->paused) {
        tcp_process_refused_data(self->pcb); // comes back through on_receive()
    }
    report_end(self);
}

static err_t on_receive(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err) {
    (void)pcb;
    (void)err;
    net_connection_obj_t *self = arg;
    self->entered++;
    self->last_active_ns = clock_ns();
    if (p == NULL) {
        self->peer_ended = true;
    } else {
        if (!keep(self, p)) {
            self->entered--;
            return ERR_BUF; // lwIP keeps it and offers it again
        }
        self->bytes_in += p->tot_len;
    }
    net_connection_deliver(self);
    net_connection_progress(self);
    return net_connection_leave(self, ERR_OK);
}

// --- send ---------------------------------------------------------------------------------------

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t size) {
    (void)pcb;
    net_connection_obj_t *self = arg;
    self->entered++;
    self->last_active_ns = clock_ns();
    self->unsent -= MIN(size, self->unsent);
    net_write_more(self);
    if (self->unsent == 0 && self->drain_wanted) {
        self->drain_wanted = false;
        if (net_has(self->on_drain)) {
            call(self, "net.Connection on_drain", self->on_drain, 0, MP_OBJ_NULL);
        }
    }
    net_connection_progress(self);
    return net_connection_leave(self, ERR_OK);
}

void net_connection_progress(net_connection_obj_t *self) {
    if (self->finished || self->pcb == NULL || self->connect_limit_ns != 0) {
        return;
    }
    if (self->end_wanted && !self->end_sent && self->queue_first == NULL) {
        // Half a close: the peer may still be sending. An error here is ERR_MEM, and the FIN is
        // then tried again when the next acknowledgement comes.
        self->end_sent = tcp_shutdown(self->pcb, 0, 1) == ERR_OK;
        if (self->end_sent && !self->peer_ended && self->idle_limit_ns == 0) {
            self->idle_limit_ns = LINGER_NS;
            self->on_timeout = MP_OBJ_NULL;
            net_connection_watch(self, clock_ns() + LINGER_NS);
        }
    }
    if (self->end_sent && self->peer_ended && self->received[0] == NULL && self->end_reported) {
        // lwIP sees to the rest: both directions have their FIN queued.
        detach(self);
        finish(self, MP_OBJ_NULL);
    }
}

// The pcb is gone already.
static void on_error(void *arg, err_t err) {
    net_connection_obj_t *self = arg;
    self->pcb = NULL;
    self->abort_wanted = false;
    bool orderly = err == ERR_CLSD && self->end_sent && self->peer_ended;
    if (self->connect_limit_ns != 0 && err == ERR_RST) {
        finish(self, net_os_error(MP_ECONNREFUSED, NULL));
    } else {
        finish(self, orderly ? MP_OBJ_NULL : net_os_error(net_errno(err), NULL));
    }
}
