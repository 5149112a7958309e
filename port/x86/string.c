// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Private libc: memory and strings (C11 7.24). Python copies and clears memory all the time,
// mostly a few dozen bytes, so these work in words of 8 bytes and end with words that overlap the
// ones before, instead of a loop over the rest. No vector registers: interrupts may call these,
// and QEMU's translator copies 2.8 times faster without them. Compiled with -fno-builtin and
// without loop recognition, which would turn a loop here into a call of the function it is in.

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// Unaligned accesses of any type to any object.
typedef uint64_t __attribute__((may_alias, aligned(1))) word64;
typedef uint32_t __attribute__((may_alias, aligned(1))) word32;
typedef uint16_t __attribute__((may_alias, aligned(1))) word16;

#define WORD sizeof(word64)
#define EACH_BYTE 0x0101010101010101u

// What a loop handles at once.
struct quad {
    uint64_t word[4];
};
#define QUAD sizeof(struct quad)

static inline struct quad load(const uint8_t *from) {
    const word64 *w = (const word64 *)from;
    return (struct quad) { { w[0], w[1], w[2], w[3] } };
}

static inline void store(uint8_t *to, struct quad quad) {
    word64 *w = (word64 *)to;
    w[0] = quad.word[0];
    w[1] = quad.word[1];
    w[2] = quad.word[2];
    w[3] = quad.word[3];
}

// At most 32 bytes: everything is read before anything is written, so they may overlap.
static inline void *copy_small(uint8_t *to, const uint8_t *from, size_t size) {
    if (size >= 2 * WORD) {
        const word64 *begin = (const word64 *)from;
        const word64 *end = (const word64 *)(from + size - 2 * WORD);
        uint64_t a = begin[0], b = begin[1], c = end[0], d = end[1];
        word64 *to_end = (word64 *)(to + size - 2 * WORD);
        ((word64 *)to)[0] = a;
        ((word64 *)to)[1] = b;
        to_end[0] = c;
        to_end[1] = d;
    } else if (size >= 8) {
        uint64_t first = *(const word64 *)from, last = *(const word64 *)(from + size - 8);
        *(word64 *)to = first;
        *(word64 *)(to + size - 8) = last;
    } else if (size >= 4) {
        uint32_t first = *(const word32 *)from, last = *(const word32 *)(from + size - 4);
        *(word32 *)to = first;
        *(word32 *)(to + size - 4) = last;
    } else if (size >= 2) {
        uint16_t first = *(const word16 *)from, last = *(const word16 *)(from + size - 2);
        *(word16 *)to = first;
        *(word16 *)(to + size - 2) = last;
    } else if (size == 1) {
        *to = *from;
    }
    return to;
}

// More than 32 bytes, upwards: what lies there may overlap with a source above it.
static inline void *copy_up(uint8_t *to, const uint8_t *from, size_t size) {
    uint8_t *t = to;
    uint8_t *end = to + size - QUAD;
    struct quad last = load(from + size - QUAD);
    for (; t < end; t += QUAD, from += QUAD) {
        store(t, load(from));
    }
    store(end, last);
    return to;
}

static inline void *copy_down(uint8_t *to, const uint8_t *from, size_t size) {
    struct quad first = load(from);
    for (; size > QUAD; size -= QUAD) {
        store(to + size - QUAD, load(from + size - QUAD));
    }
    store(to, first);
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
    uint8_t *t = to;
    const uint8_t *f = from;
    if (size <= QUAD) {
        return copy_small(t, f, size);
    }
    for (; size > 2 * QUAD; t += 2 * QUAD, f += 2 * QUAD, size -= 2 * QUAD) {
        store(t, load(f));
        store(t + QUAD, load(f + QUAD));
    }
    if (size > QUAD) {
        store(t, load(f));
    }
    t += size;
    f += size;
    store(t - QUAD, load(f - QUAD));
    return to;
}

void *memmove(void *to, const void *from, size_t size) {
    if (size <= QUAD) {
        return copy_small(to, from, size);
    }
    bool up = (uintptr_t)to - (uintptr_t)from >= size; // does not overwrite what is to be read
    return up ? copy_up(to, from, size) : copy_down(to, from, size);
}

void *memset(void *to, int byte, size_t size) {
    uint8_t *t = to;
    uint64_t word = (uint8_t)byte * EACH_BYTE;
    if (size < WORD) {
        for (size_t i = 0; i < size; i++) {
            t[i] = (uint8_t)byte;
        }
        return to;
    }
    uint8_t *end = t + size - WORD;
    if (size > QUAD) {
        struct quad fill = { { word, word, word, word } };
        for (uint8_t *last = t + size - QUAD; t < last; t += QUAD) {
            store(t, fill);
        }
        store(end + WORD - QUAD, fill);
        return to;
    }
    for (; t < end; t += WORD) {
        *(word64 *)t = word;
    }
    *(word64 *)end = word;
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

// The lowest bit that is set belongs to the first byte of (word) that is zero; 0: none is. (Bits
// above it may be wrong: a borrow reaches only upwards.)
static inline uint64_t zeros(uint64_t word) {
    return (word - EACH_BYTE) & ~word & 0x80 * EACH_BYTE;
}

static inline unsigned first_byte(uint64_t bits) {
    return (unsigned)__builtin_ctzll(bits) / 8;
}

void *memchr(const void *s, int byte, size_t size) {
    const uint8_t *at = s;
    uint64_t pattern = (uint8_t)byte * EACH_BYTE;
    for (; size >= WORD; at += WORD, size -= WORD) {
        uint64_t found = zeros(*(const word64 *)at ^ pattern);
        if (found != 0) {
            return (void *)(at + first_byte(found));
        }
    }
    for (size_t i = 0; i < size; i++) {
        if (at[i] == (uint8_t)byte) {
            return (void *)(at + i);
        }
    }
    return NULL;
}

// Aligned words never cross into a page that the string is not in.
size_t strlen(const char *s) {
    const uint8_t *at = (const uint8_t *)((uintptr_t)s & ~(WORD - 1));
    unsigned skip = (uintptr_t)s % WORD * 8;
    uint64_t before = skip > 0 ? ~(uint64_t)0 >> (64 - skip) : 0; // not of the string: not zero
    uint64_t found = zeros(*(const word64 *)at | before);
    while (found == 0) {
        at += WORD;
        found = zeros(*(const word64 *)at);
    }
    return (size_t)(at + first_byte(found) - (const uint8_t *)s);
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
