// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Random numbers for cryptography: one ChaCha20 generator with fast key erasure (RFC 8439), seeded
// by RDSEED or RDRAND, a virtio-rng device, and the jitter of the clock. Serves os.urandom, TLS,
// TCP sequence numbers and ports.
//
// Context: the main thread, but for random_event().

#ifndef IMPORTOS_RANDOM_H
#define IMPORTOS_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RANDOM_READY_BITS 256

// Fill (data) with (size) random bytes. Never fails: without a good source the bytes still differ
// from boot to boot, but see random_ready().
void random_bytes(void *data, size_t size);

uint32_t random_u32(void);

// True once the generator holds RANDOM_READY_BITS of entropy from sources that can be trusted:
// the CPU, a device, or clock jitter that passed its health tests. Collects it if need be, which
// may take some milliseconds once.
bool random_ready(void);

// Mix (size) bytes in and credit (bits) of entropy.
void random_add(const void *data, size_t size, unsigned bits, const char *source);

// The moment of an interrupt, mixed in with the next request. Any context, a few instructions.
void random_event(void);

// What was credited, as "rdrand, virtio-rng, jitter"; for a person to read.
const char *random_sources(void);

#endif // IMPORTOS_RANDOM_H
