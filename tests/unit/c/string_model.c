// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// port/x86/string.c under names of its own, beside loops over single bytes: all small sizes, at
// all distances of source and destination, at both ends of a page around which nothing may be
// touched.

#define memcpy port_memcpy
#define memmove port_memmove
#define memset port_memset
#define memcmp port_memcmp
#define memchr port_memchr
#define strlen port_strlen
#define strcmp port_strcmp
#define strncmp port_strncmp
#define strcpy port_strcpy
#define strncpy port_strncpy
#define strcat port_strcat
#define strchr port_strchr
#define strrchr port_strrchr
#define strstr port_strstr
#define strspn port_strspn
#define strcspn port_strcspn
#include "string.c"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGE 4096u
#define SIZE_MAX_TRIED 200u

static uint8_t *page(void) {
    uint8_t *at = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED || mprotect(at, PAGE, PROT_NONE) != 0 ||
        mprotect(at + 2 * PAGE, PAGE, PROT_NONE) != 0) {
        perror("mmap");
        exit(2);
    }
    return at + PAGE;
}

static void check(bool right, const char *what, unsigned size, unsigned at, unsigned from) {
    if (!right) {
        printf("%s: size %u at %u from %u\n", what, size, at, from);
        exit(1);
    }
}

static uint8_t pattern(unsigned i) {
    return (uint8_t)(i * 37 + (i >> 8) + 1);
}

// Bytes of (area) are what they were, but for (size) of them at (at), which are those at (from).
static void check_moved(const uint8_t *area, const char *what, unsigned size, unsigned at,
    unsigned from) {
    for (unsigned i = 0; i < PAGE; i++) {
        bool moved = i - at < size;
        check(area[i] == pattern(moved ? i - at + from : i), what, size, at, from);
    }
}

static void fill(uint8_t *area) {
    for (unsigned i = 0; i < PAGE; i++) {
        area[i] = pattern(i);
    }
}

static void test_copies(uint8_t *area) {
    for (unsigned size = 0; size <= SIZE_MAX_TRIED; size++) {
        for (unsigned distance = 0; distance <= size + 9; distance++) {
            const unsigned low = 0, high = PAGE - size - distance;
            unsigned places[4][2] = {
                { low, low + distance }, { low + distance, low },
                { high, high + distance }, { high + distance, high },
            };
            for (unsigned n = 0; n < 4; n++) {
                unsigned at = places[n][0], from = places[n][1];
                fill(area);
                check(port_memmove(area + at, area + from, size) == area + at, "memmove's value",
                    size, at, from);
                check_moved(area, "memmove", size, at, from);
                if (distance >= size) {
                    fill(area);
                    check(port_memcpy(area + at, area + from, size) == area + at,
                        "memcpy's value", size, at, from);
                    check_moved(area, "memcpy", size, at, from);
                }
            }
        }
    }
}

static void test_fills(uint8_t *area) {
    for (unsigned size = 0; size <= SIZE_MAX_TRIED; size++) {
        for (unsigned at = 0; at < 2 * 16; at++) {
            unsigned start = at < 16 ? at : PAGE - size - (at - 16);
            fill(area);
            check(port_memset(area + start, 0x1ee, size) == area + start, "memset's value", size,
                start, 0);
            for (unsigned i = 0; i < PAGE; i++) {
                check(area[i] == (i - start < size ? 0xee : pattern(i)), "memset", size, start, 0);
            }
        }
    }
}

static int sign(int x) {
    return (x > 0) - (x < 0);
}

// Strings and searches: bytes whose neighbours a borrow could mistake for them.
static void test_searches(uint8_t *area) {
    static const uint8_t near[] = { 0x01, 0x80, 0x81, 0xff, 0x7f };
    for (unsigned size = 0; size < 60; size++) {
        for (unsigned skew = 0; skew < 8; skew++) {
            uint8_t *s = area + PAGE - size - 1 - skew;
            for (unsigned place = 0; place <= size; place++) {
                for (unsigned i = 0; i < size; i++) {
                    s[i] = near[(i + place) % sizeof(near)];
                }
                s[size] = 0;
                check(port_strlen((char *)s) == size, "strlen", size, skew, place);
                if (place < size) {
                    s[place] = 'x';
                }
                uint8_t *found = place < size ? s + place : NULL;
                check(port_memchr(s, 'x', size) == found, "memchr", size, skew, place);
                uint8_t *other = area + skew;
                for (unsigned i = 0; i <= size; i++) {
                    other[i] = s[i];
                }
                check(port_memcmp(s, other, size) == 0, "memcmp", size, skew, place);
                other[place]++;
                int order = place < size ? -1 : 0;
                check(sign(port_memcmp(s, other, size)) == order, "memcmp", size, skew, place);
                check(sign(port_memcmp(other, s, size)) == -order, "memcmp", size, skew, place);
            }
        }
    }
}

int main(void) {
    uint8_t *area = page();
    test_copies(area);
    test_fills(area);
    test_searches(area);
    return 0;
}
