// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Waiting for a virtio device's answer, for drivers whose callers want it at once.

#ifndef IMPORTOS_VIRTIO_WAIT_H
#define IMPORTOS_VIRTIO_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio.h"

// Could virtio_wait() halt now? Not while the clock is not known, at boot, or interrupts are off.
bool virtio_may_halt(void);

// Wait until the device has used a buffer of (queue), whose interrupt is off outside of here.
// False: not within (limit_ns). The CPU halts meanwhile and interrupt handlers run; where that
// cannot be (interrupts are off, or virtio_irq_open() got none) the queue is polled.
bool virtio_wait(struct virtqueue *queue, uint64_t limit_ns);

#endif // IMPORTOS_VIRTIO_WAIT_H
