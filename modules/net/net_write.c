// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The sending half of net.Connection. lwIP takes up to its send buffer; the rest waits in a queue
// of copies. Constants of the image are sent from where they are.

#include "net_tcp.h"

#include <string.h>

#include "lwip/mem.h"
#include "py/mperrno.h"

#include "memory.h"
#include "net_error.h"

#define PIECE_SIZE (8u << 10)
#define WRITE_MAX 0xf000 // tcp_write() counts in 16 bits

extern const uint8_t text_start[], rodata_end[];

bool net_is_constant(const void *data, size_t size) {
    const uint8_t *start = data;
    if (start >= text_start && start + size <= rodata_end) {
        return true;
    }
    static const uint8_t *payload;
    static size_t payload_size;
    if (payload == NULL) {
        payload = memory_payload(&payload_size);
    }
    return payload != NULL && start >= payload && start + size <= payload + payload_size;
}

// Hand (size) bytes to lwIP; returns how many it took.
static size_t give(struct tcp_pcb *pcb, const uint8_t *data, size_t size, u8_t flags) {
    size_t done = 0;
    while (done < size) {
        size_t count = MIN(MIN(size - done, tcp_sndbuf(pcb)), WRITE_MAX);
        if (count == 0) {
            break;
        }
        u8_t more = done + count < size ? TCP_WRITE_FLAG_MORE : 0;
        if (tcp_write(pcb, data + done, (u16_t)count, flags | more) != ERR_OK) {
            // Out of queue or memory: what is under way gives some back.
            break;
        }
        done += count;
    }
    return done;
}

// Copy (size) bytes to the queue. False: no memory, and nothing was queued.
static bool enqueue(net_connection_obj_t *self, const uint8_t *data, size_t size) {
    struct net_piece *first = NULL, *last = NULL;
    for (size_t done = 0; done < size;) {
        size_t count = MIN(size - done, PIECE_SIZE - sizeof(struct net_piece) - 16);
        struct net_piece *piece = mem_malloc(sizeof(struct net_piece) + count);
        if (piece == NULL) {
            while (first != NULL) {
                struct net_piece *next = first->next;
                mem_free(first);
                first = next;
            }
            return false;
        }
        piece->next = NULL;
        piece->offset = 0;
        piece->size = (uint32_t)count;
        memcpy(piece->data, data + done, count);
        done += count;
        if (last != NULL) {
            last->next = piece;
        } else {
            first = piece;
        }
        last = piece;
    }
    if (self->queue_last != NULL) {
        self->queue_last->next = first;
    } else {
        self->queue_first = first;
    }
    self->queue_last = last;
    return true;
}

static bool can_send(const net_connection_obj_t *self) {
    return self->pcb != NULL && self->connect_limit_ns == 0;
}

void net_write(net_connection_obj_t *self, const void *data, size_t size, bool constant) {
    if (self->finished || self->end_wanted || !self->object.active) {
        mp_raise_OSError(MP_ENOTCONN);
    }
    if (self->unsent + size > NET_UNSENT_MAX && self->unsent > 0) {
        mp_raise_OSError(MP_ENOBUFS);
    }
    size_t done = 0;
    if (self->queue_first == NULL && can_send(self)) {
        done = give(self->pcb, data, size, constant ? 0 : TCP_WRITE_FLAG_COPY);
    }
    // Count what lwIP has even if there is no memory for the rest: it will be acknowledged.
    self->unsent += (uint32_t)done;
    self->bytes_out += done;
    if (done < size && !enqueue(self, (const uint8_t *)data + done, size - done)) {
        mp_raise_OSError(MP_ENOBUFS);
    }
    self->unsent += (uint32_t)(size - done);
    self->bytes_out += size - done;
    if (can_send(self) && self->entered == 0) {
        tcp_output(self->pcb);
    }
}

void net_write_more(net_connection_obj_t *self) {
    bool any = false;
    while (self->queue_first != NULL && can_send(self)) {
        struct net_piece *piece = self->queue_first;
        size_t left = piece->size - piece->offset;
        size_t done = give(self->pcb, piece->data + piece->offset, left,
            TCP_WRITE_FLAG_COPY | (piece->next != NULL ? TCP_WRITE_FLAG_MORE : 0));
        piece->offset += (uint32_t)done;
        any = any || done > 0;
        if (done < left) {
            break;
        }
        self->queue_first = piece->next;
        if (self->queue_first == NULL) {
            self->queue_last = NULL;
        }
        mem_free(piece);
    }
    if (any && self->entered == 0) {
        tcp_output(self->pcb);
    }
}

void net_write_free(net_connection_obj_t *self) {
    while (self->queue_first != NULL) {
        struct net_piece *next = self->queue_first->next;
        mem_free(self->queue_first);
        self->queue_first = next;
    }
    self->queue_last = NULL;
}
