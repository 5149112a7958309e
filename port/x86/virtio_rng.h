// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Virtio entropy device (virtio 1.1, section 5.4).

#ifndef IMPORTOS_VIRTIO_RNG_H
#define IMPORTOS_VIRTIO_RNG_H

#include <stddef.h>

// Fill (data) with up to (size) random bytes of the host's, at most 256; waits up to 100 ms.
// Returns how many came, or -ENODEV (there is no such device), -EIO, -ETIMEDOUT. Main thread only.
int virtio_rng_read(void *data, size_t size);

#endif // IMPORTOS_VIRTIO_RNG_H
