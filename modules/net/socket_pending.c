// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Data that arrives before accept(), kept in an argument of the connection's pcb.

#include "socket_pending.h"

#include <stdbool.h>

#include "lwip/mem.h"
#include "lwip/pbuf.h"

#define PENDING_SLOT 0 // of tcp_ext_arg

struct pending {
    struct pbuf *data;
    bool end; // the peer has sent everything
};

static void pending_destroy(u8_t slot, void *data) {
    (void)slot;
    struct pending *pending = data;
    if (pending != NULL) {
        if (pending->data != NULL) {
            pbuf_free(pending->data);
        }
        mem_free(pending);
    }
}

static const struct tcp_ext_arg_callbacks pending_callbacks = { .destroy = pending_destroy };

err_t socket_pending_receive(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err) {
    (void)arg;
    (void)err;
    struct pending *pending = tcp_ext_arg_get(pcb, PENDING_SLOT);
    if (pending == NULL) {
        pending = mem_calloc(1, sizeof(*pending));
        if (pending == NULL) {
            return ERR_MEM; // lwIP offers it again
        }
        tcp_ext_arg_set(pcb, PENDING_SLOT, pending);
        tcp_ext_arg_set_callbacks(pcb, PENDING_SLOT, &pending_callbacks);
    }
    if (p == NULL) {
        pending->end = true;
    } else if (pending->data == NULL) {
        pending->data = p;
    } else {
        pbuf_cat(pending->data, p);
    }
    return ERR_OK;
}

void socket_pending_deliver(struct tcp_pcb *pcb) {
    struct pending *pending = tcp_ext_arg_get(pcb, PENDING_SLOT);
    if (pending == NULL) {
        return;
    }
    tcp_ext_arg_set(pcb, PENDING_SLOT, NULL);
    if (pending->data != NULL) {
        pcb->recv(pcb->callback_arg, pcb, pending->data, ERR_OK);
    }
    if (pending->end) {
        pcb->recv(pcb->callback_arg, pcb, NULL, ERR_OK);
    }
    mem_free(pending);
}
