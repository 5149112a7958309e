// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The random generator: ChaCha20 (RFC 8439, section 2.3) with fast key erasure: every refill
// replaces the key by its own first output, so that what was handed out cannot be computed from
// what is in memory later. Input is absorbed by xor into the key and one more block.

#include "random.h"

#include <string.h>

#include "clock.h"
#include "cpu.h"
#include "rtc.h"
#include "virtio_rng.h"

#define KEY_WORDS 8
#define BLOCK_WORDS 16
#define POOL_SIZE 512
#define HARDWARE_WORDS 8 // 64 bits each
#define HARDWARE_TRIES 16
#define JITTER_SAMPLES 4096
#define JITTER_SAMPLES_PER_BIT 16
#define JITTER_REPEAT_MAX 40 // as SP 800-90B, 4.4.1, for 1/2 bit per sample and 2^-20
#define JITTER_WINDOW 512
#define JITTER_SAME_MAX 410 // as SP 800-90B, 4.4.2, likewise
#define JITTER_LAGS 16 // a longer period of a clock without jitter is not found

static uint32_t key[KEY_WORDS];
static uint8_t pool[POOL_SIZE];
static size_t pool_left;
static bool seeded, collected;
static unsigned credit_bits;
static char sources[64];
static volatile uint64_t event_mix; // written by random_event()

// --- ChaCha20 -------------------------------------------------------------------------------

static inline uint32_t rotate(uint32_t x, unsigned n) {
    return x << n | x >> (32 - n);
}

static void quarter(uint32_t *s, unsigned a, unsigned b, unsigned c, unsigned d) {
    s[a] += s[b];
    s[d] = rotate(s[d] ^ s[a], 16);
    s[c] += s[d];
    s[b] = rotate(s[b] ^ s[c], 12);
    s[a] += s[b];
    s[d] = rotate(s[d] ^ s[a], 8);
    s[c] += s[d];
    s[b] = rotate(s[b] ^ s[c], 7);
}

static void block(uint32_t counter, uint32_t out[BLOCK_WORDS]) {
    const uint32_t start[BLOCK_WORDS] = {
        0x61707865, 0x3320646e, 0x79622d32, 0x6b206574,
        key[0], key[1], key[2], key[3], key[4], key[5], key[6], key[7],
        counter, 0, 0, 0,
    };
    memcpy(out, start, sizeof(start));
    for (unsigned i = 0; i < 10; i++) {
        quarter(out, 0, 4, 8, 12);
        quarter(out, 1, 5, 9, 13);
        quarter(out, 2, 6, 10, 14);
        quarter(out, 3, 7, 11, 15);
        quarter(out, 0, 5, 10, 15);
        quarter(out, 1, 6, 11, 12);
        quarter(out, 2, 7, 8, 13);
        quarter(out, 3, 4, 9, 14);
    }
    for (unsigned i = 0; i < BLOCK_WORDS; i++) {
        out[i] += start[i];
    }
}

static void refill(void) {
    for (unsigned i = 0; i < POOL_SIZE / 64; i++) {
        uint32_t out[BLOCK_WORDS];
        block(i, out);
        memcpy(pool + 64 * i, out, 64);
    }
    memcpy(key, pool, sizeof(key));
    memset(pool, 0, sizeof(key));
    pool_left = POOL_SIZE - sizeof(key);
}

static void absorb(const void *data, size_t size) {
    const uint8_t *bytes = data;
    do {
        size_t count = size < sizeof(key) ? size : sizeof(key);
        uint8_t chunk[sizeof(key)] = { 0 };
        memcpy(chunk, bytes, count);
        for (unsigned i = 0; i < KEY_WORDS; i++) {
            uint32_t word;
            memcpy(&word, chunk + 4 * i, 4);
            key[i] ^= word;
        }
        uint32_t out[BLOCK_WORDS];
        block((uint32_t)size, out);
        memcpy(key, out, sizeof(key));
        bytes += count;
        size -= count;
    } while (size > 0);
    memset(pool, 0, sizeof(pool));
    pool_left = 0;
}

// --- sources --------------------------------------------------------------------------------

void random_add(const void *data, size_t size, unsigned bits, const char *source) {
    absorb(data, size);
    if (bits == 0) {
        return;
    }
    credit_bits += bits;
    size_t length = strlen(sources);
    size_t more = strlen(source) + 2;
    if (strstr(sources, source) == NULL && length + more < sizeof(sources)) {
        if (length > 0) {
            memcpy(sources + length, ", ", 2);
            length += 2;
        }
        memcpy(sources + length, source, more - 1);
    }
}

// A broken generator answers the same word each time: not credited then, but mixed in.
static void add_hardware(bool (*next)(uint64_t *value), const char *source) {
    uint64_t words[HARDWARE_WORDS] = { 0 };
    unsigned good = 0;
    for (unsigned i = 0; i < HARDWARE_WORDS; i++) {
        for (unsigned t = 0; t < HARDWARE_TRIES; t++) {
            if (next(&words[i])) {
                good += i == 0 || words[i] != words[i - 1];
                break;
            }
            cpu_relax();
        }
    }
    random_add(words, sizeof(words), good == HARDWARE_WORDS ? RANDOM_READY_BITS : 0, source);
}

static bool next_rdrand(uint64_t *value) {
    return rdrand(value);
}

static bool next_rdseed(uint64_t *value) {
    return rdseed(value);
}

static void add_virtio(void) {
    uint8_t data[64];
    int size = virtio_rng_read(data, sizeof(data));
    if (size <= 0) {
        return;
    }
    bool varied = false;
    for (int i = 1; i < size; i++) {
        varied = varied || data[i] != data[0];
    }
    random_add(data, (size_t)size, size >= 32 && varied ? RANDOM_READY_BITS : 0, "virtio-rng");
}

// The health tests of the jitter: samples that are stuck, of one dominant value, or foretold by
// the one some places before, as the rounding of a clock that has no jitter is.
struct health {
    unsigned repeats, same, foretold[JITTER_LAGS];
    uint8_t marked, before[JITTER_LAGS];
    bool failed;
};

static void health_test(struct health *health, unsigned i, uint8_t sample) {
    if (i % JITTER_WINDOW == 0) {
        health->marked = sample;
        health->same = 0;
        memset(health->foretold, 0, sizeof(health->foretold));
    }
    health->same += sample == health->marked;
    health->repeats = sample == health->before[(i - 1) % JITTER_LAGS] ? health->repeats + 1 : 0;
    health->failed |= health->repeats >= JITTER_REPEAT_MAX || health->same >= JITTER_SAME_MAX;
    for (unsigned lag = 0; lag < JITTER_LAGS; lag++) {
        health->foretold[lag] += sample == health->before[(i + lag) % JITTER_LAGS];
        health->failed |= health->foretold[lag] >= JITTER_SAME_MAX;
    }
    health->before[i % JITTER_LAGS] = sample;
}

// The time that a walk over memory takes, in TSC cycles. Credited only if it passes the tests; an
// emulator that counts instructions (-icount) fails them.
static void add_jitter(void) {
    static volatile uint8_t walk[4096];
    uint64_t before = rdtsc();
    struct health health = { 0 };
    uint64_t mix[4] = { 0 };
    for (unsigned i = 0; i < JITTER_SAMPLES; i++) {
        for (unsigned n = 0; n < 16; n++) {
            walk[(i * 67 + n * 257) % sizeof(walk)]++;
        }
        uint64_t now = rdtsc();
        uint64_t delta = now - before;
        before = now;
        mix[i % 4] = (mix[i % 4] << 7 | mix[i % 4] >> 57) ^ delta;
        if (i % 64 == 63) {
            random_add(mix, sizeof(mix), 0, "");
            before = rdtsc();
        }
        health_test(&health, i, (uint8_t)delta);
    }
    unsigned bits = health.failed ? 0 : JITTER_SAMPLES / JITTER_SAMPLES_PER_BIT;
    random_add(mix, sizeof(mix), bits, "jitter");
}

void random_event(void) {
    uint64_t mix = event_mix;
    event_mix = (mix << 13 | mix >> 51) ^ rdtsc();
}

// What makes every boot different, before anything is asked of a device.
static void seed(void) {
    seeded = true;
    uint64_t start[3] = { rdtsc(), clock_ns(), rtc_read() };
    random_add(start, sizeof(start), 0, "");
    if (cpuid(0, 0).eax >= 7 && (cpuid(7, 0).ebx & CPUID_RDSEED)) {
        add_hardware(next_rdseed, "rdseed");
    }
    if (cpuid(1, 0).ecx & CPUID_RDRAND) {
        add_hardware(next_rdrand, "rdrand");
    }
}

bool random_ready(void) {
    if (!seeded) {
        seed();
    }
    if (!collected) {
        collected = true;
        add_virtio();
        add_jitter();
    }
    return credit_bits >= RANDOM_READY_BITS;
}

const char *random_sources(void) {
    return sources;
}

// --- output ---------------------------------------------------------------------------------

void random_bytes(void *data, size_t size) {
    if (!seeded) {
        seed();
    }
    if (credit_bits < RANDOM_READY_BITS) {
        random_ready();
    }
    uint64_t events = event_mix;
    if (events != 0) {
        event_mix = 0;
        absorb(&events, sizeof(events));
    }
    uint8_t *out = data;
    while (size > 0) {
        if (pool_left == 0) {
            refill();
        }
        size_t count = size < pool_left ? size : pool_left;
        uint8_t *from = pool + POOL_SIZE - pool_left;
        memcpy(out, from, count);
        memset(from, 0, count);
        pool_left -= count;
        out += count;
        size -= count;
    }
}

uint32_t random_u32(void) {
    uint32_t value;
    random_bytes(&value, sizeof(value));
    return value;
}
