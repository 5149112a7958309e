// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Private libc: memory and strings (C11 7.24). Python copies and clears memory all the time,
// mostly a few dozen bytes, so these work in units of 16 bytes (SSE2, which every x86-64 has) and
// end with a unit that overlaps the one before, instead of a loop over the rest. Compiled with
// -fno-builtin and without loop recognition, which would turn a loop here into a call of the
// function it is in.

#include <stdint.h>
#include <string.h>

// Unaligned accesses of any type to any object.
typedef uint64_t __attribute__((may_alias, aligned(1))) word64;
typedef uint32_t __attribute__((may_alias, aligned(1))) word32;
typedef uint16_t __attribute__((may_alias, aligned(1))) word16;
typedef long long __attribute__((vector_size(16), may_alias, aligned(1))) unit;
typedef char __attribute__((vector_size(16), may_alias, aligned(1))) unit_bytes;

#define UNIT sizeof(unit)

// At most 16 bytes: everything is read before anything is written, so they may overlap.
static inline void *copy_small(uint8_t *to, const uint8_t *from, size_t size) {
    if (size >= 8) {
        word64 first = *(const word64 *)from, last = *(const word64 *)(from + size - 8);
        *(word64 *)to = first;
        *(word64 *)(to + size - 8) = last;
    } else if (size >= 4) {
        word32 first = *(const word32 *)from, last = *(const word32 *)(from + size - 4);
        *(word32 *)to = first;
        *(word32 *)(to + size - 4) = last;
    } else if (size >= 2) {
        word16 first = *(const word16 *)from, last = *(const word16 *)(from + size - 2);
        *(word16 *)to = first;
        *(word16 *)(to + size - 2) = last;
    } else if (size == 1) {
        *to = *from;
    }
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
    uint8_t *t = to;
    const uint8_t *f = from;
    if (size <= UNIT) {
        return copy_small(t, f, size);
    }
    unit last = *(const unit *)(f + size - UNIT);
    uint8_t *end = t + size - UNIT;
    while (t < end) {
        *(unit *)t = *(const unit *)f;
        t += UNIT;
        f += UNIT;
    }
    *(unit *)end = last;
    return to;
}

void *memmove(void *to, const void *from, size_t size) {
    uint8_t *t = to;
    const uint8_t *f = from;
    if (size <= UNIT) {
        return copy_small(t, f, size);
    }
    if ((uintptr_t)t - (uintptr_t)f >= size) { // upwards does not overwrite what is still to read
        unit last = *(const unit *)(f + size - UNIT);
        for (size_t i = 0; i < size - UNIT; i += UNIT) {
            *(unit *)(t + i) = *(const unit *)(f + i);
        }
        *(unit *)(t + size - UNIT) = last;
    } else {
        unit first = *(const unit *)f;
        for (size_t i = size - UNIT; i > 0; i = i > UNIT ? i - UNIT : 0) {
            *(unit *)(t + i) = *(const unit *)(f + i);
        }
        *(unit *)t = first;
    }
    return to;
}

void *memset(void *to, int byte, size_t size) {
    uint8_t *t = to;
    uint64_t word = (uint8_t)byte * 0x0101010101010101u;
    if (size < 8) {
        for (size_t i = 0; i < size; i++) {
            t[i] = byte;
        }
        return to;
    }
    if (size < UNIT) {
        *(word64 *)t = word;
        *(word64 *)(t + size - 8) = word;
        return to;
    }
    unit fill = { word, word };
    uint8_t *end = t + size - UNIT;
    while (t < end) {
        *(unit *)t = fill;
        t += UNIT;
    }
    *(unit *)end = fill;
    return to;
}

int memcmp(const void *a, const void *b, size_t size) {
    const uint8_t *x = a, *y = b;
    while (size >= 8 && *(const word64 *)x == *(const word64 *)y) {
        x += 8;
        y += 8;
        size -= 8;
    }
    if (size >= 8) {
        uint64_t p = __builtin_bswap64(*(const word64 *)x);
        uint64_t q = __builtin_bswap64(*(const word64 *)y);
        return p < q ? -1 : 1;
    }
    for (size_t i = 0; i < size; i++) {
        if (x[i] != y[i]) {
            return x[i] - y[i];
        }
    }
    return 0;
}

// Bit i is set if byte i of the unit at (s) is (byte).
static inline unsigned match(const uint8_t *s, uint8_t byte) {
    unit_bytes fill = { 0 };
    fill += (char)byte;
    return __builtin_ia32_pmovmskb128(*(const unit_bytes *)s == fill);
}

void *memchr(const void *s, int byte, size_t size) {
    const uint8_t *at = s;
    for (; size >= UNIT; at += UNIT, size -= UNIT) {
        unsigned found = match(at, byte);
        if (found != 0) {
            return (void *)(at + __builtin_ctz(found));
        }
    }
    for (size_t i = 0; i < size; i++) {
        if (at[i] == (uint8_t)byte) {
            return (void *)(at + i);
        }
    }
    return NULL;
}

// Aligned units never cross into a page that the string is not in.
size_t strlen(const char *s) {
    const uint8_t *at = (const uint8_t *)((uintptr_t)s & ~(UNIT - 1));
    unsigned skip = (uintptr_t)s & (UNIT - 1);
    unsigned found = match(at, 0) >> skip;
    if (found != 0) {
        return __builtin_ctz(found);
    }
    do {
        at += UNIT;
        found = match(at, 0);
    } while (found == 0);
    return at + __builtin_ctz(found) - (const uint8_t *)s;
}

int strcmp(const char *a, const char *b) {
    while (*a != 0 && *a == *b) {
        a++;
        b++;
    }
    return (uint8_t)*a - (uint8_t)*b;
}

int strncmp(const char *a, const char *b, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (a[i] != b[i] || a[i] == 0) {
            return (uint8_t)a[i] - (uint8_t)b[i];
        }
    }
    return 0;
}

char *strcpy(char *restrict to, const char *restrict from) {
    return memcpy(to, from, strlen(from) + 1);
}

char *strncpy(char *restrict to, const char *restrict from, size_t size) {
    size_t i = 0;
    for (; i < size && from[i] != 0; i++) {
        to[i] = from[i];
    }
    memset(to + i, 0, size - i);
    return to;
}

char *strcat(char *restrict to, const char *restrict from) {
    strcpy(to + strlen(to), from);
    return to;
}

char *strchr(const char *s, int c) {
    for (; *s != (char)c; s++) {
        if (*s == 0) {
            return NULL;
        }
    }
    return (char *)s;
}

char *strrchr(const char *s, int c) {
    const char *last = NULL;
    do {
        if (*s == (char)c) {
            last = s;
        }
    } while (*s++ != 0);
    return (char *)last;
}

char *strstr(const char *s, const char *part) {
    size_t size = strlen(part);
    for (; *s != 0 || size == 0; s++) {
        if (strncmp(s, part, size) == 0) {
            return (char *)s;
        }
    }
    return NULL;
}

size_t strspn(const char *s, const char *accept) {
    size_t i = 0;
    while (s[i] != 0 && strchr(accept, s[i]) != NULL) {
        i++;
    }
    return i;
}

size_t strcspn(const char *s, const char *reject) {
    size_t i = 0;
    while (s[i] != 0 && strchr(reject, s[i]) == NULL) {
        i++;
    }
    return i;
}
