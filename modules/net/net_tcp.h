// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// net.Connection inside: the object (net_connection.c), its life with lwIP (net_tcp.c), what it
// has to send (net_write.c). Main thread only.

#ifndef IMPORTOS_NET_TCP_H
#define IMPORTOS_NET_TCP_H

#include "lwip/tcp.h"

#include "net_object.h"

#define NET_UNSENT_FULL (64u << 10) // write() returns False above
#define NET_RECEIVED_MAX 4 // chains
#define NET_UNSENT_MAX (256u << 10) // and raises ENOBUFS above

// A piece of the send queue, in the network's memory.
struct net_piece {
    struct net_piece *next;
    uint32_t offset, size; // bytes of data that lwIP has, bytes of all
    uint8_t data[];
};

typedef struct _net_connection_obj_t {
    net_obj_t object;
    struct tcp_pcb *pcb; // NULL: not connected yet, or no more
    ip_addr_t remote, local;
    uint16_t remote_port, local_port;
    // Python: none of these is looked at by C but to call it.
    mp_obj_t on_connect, on_data, on_end, on_drain, on_close, on_timeout, data;
    mp_obj_t error; // why it closed, for on_close
    // What nobody took yet, oldest first. A chain holds 64 KiB, so these hold the whole window.
    struct pbuf *received[NET_RECEIVED_MAX];
    struct net_piece *queue_first, *queue_last;
    uint64_t bytes_in, bytes_out;
    uint32_t unsent; // bytes not acknowledged
    uint64_t idle_limit_ns, last_active_ns; // timeout(), 0: none
    uint64_t connect_limit_ns; // connect(), 0: connected
    uint8_t entered; // lwIP is calling us for this pcb
    bool abort_wanted; // in such a call
    bool paused;
    bool drain_wanted;
    bool end_wanted; // end() was called
    bool end_sent; // FIN is queued
    bool peer_ended;
    bool end_reported;
    bool finished; // on_close is due or done
} net_connection_obj_t;

// --- net_tcp.c ---

// A connection for (pcb), or for one to come if NULL. May raise MemoryError.
net_connection_obj_t *net_connection_new(struct tcp_pcb *pcb);

// Take (pcb) over: all its callbacks are the connection's.
void net_connection_attach(net_connection_obj_t *self, struct tcp_pcb *pcb);

// Call (fn) for on_connect or the like while lwIP holds the pcb. Returns what lwIP must be told:
// ERR_ABRT if the pcb is gone.
err_t net_connection_leave(net_connection_obj_t *self, err_t err);

// Close without a word to the peer beyond a reset; on_close(error) follows. (error) may be
// MP_OBJ_NULL.
void net_connection_abort(net_connection_obj_t *self, mp_obj_t error);

// Hand on what was received, if somebody is there to take it.
void net_connection_deliver(net_connection_obj_t *self);

// end() has been called, or data has gone: send FIN and finish if it is time.
void net_connection_progress(net_connection_obj_t *self);

void net_connection_watch(net_connection_obj_t *self, uint64_t deadline_ns);

// --- net_write.c ---

// Send or queue (size) bytes; (constant): they never change or move. Raises OSError.
void net_write(net_connection_obj_t *self, const void *data, size_t size, bool constant);

// Move what fits from the queue to lwIP.
void net_write_more(net_connection_obj_t *self);
void net_write_free(net_connection_obj_t *self);

// True if (data) lies in memory that is never written: the kernel's constants, or the payload.
bool net_is_constant(const void *data, size_t size);

#endif // IMPORTOS_NET_TCP_H
