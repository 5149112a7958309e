// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Virtio 9P transport (virtio 1.2, section 5.9 is reserved for it; the layout is Linux's and
// QEMU's): one queue, a request and its answer in one buffer. What the messages mean is share.h's.
//
// Context: the main thread. Errors: -EIO the device broke the rules, -ETIMEDOUT no answer within
// 30 s; after either the device is stopped and everything gives -ENODEV. -EDEADLK: called in an
// interrupt handler.

#ifndef IMPORTOS_VIRTIO_9P_H
#define IMPORTOS_VIRTIO_9P_H

#include <stddef.h>
#include <stdint.h>

#define VIRTIO_9P_MAX 4 // shares
#define VIRTIO_9P_TAG_MAX 63 // bytes of a share's name
#define VIRTIO_9P_MESSAGE_MAX (64u << 10)

struct virtio_9p;

// The (n)th share; NULL if there is none. Looks for them on first call.
struct virtio_9p *virtio_9p_get(unsigned n);

// Bytes of page-aligned memory that virtio_9p_start() needs.
size_t virtio_9p_memory_size(void);
int virtio_9p_start(struct virtio_9p *p9, void *memory);

// The share's name, as the host gave it.
const char *virtio_9p_tag(const struct virtio_9p *p9);

// Where to write a request and where its answer is found: VIRTIO_9P_MESSAGE_MAX bytes each.
uint8_t *virtio_9p_request(struct virtio_9p *p9);
const uint8_t *virtio_9p_answer(struct virtio_9p *p9);

// Send (size) bytes of request; returns how many bytes of answer there are, or an error.
int virtio_9p_call(struct virtio_9p *p9, size_t size);

#endif // IMPORTOS_VIRTIO_9P_H
