// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What lwIP asks of a compiler and a machine.

#ifndef IMPORTOS_LWIP_CC_H
#define IMPORTOS_LWIP_CC_H

#include <stddef.h>
#include <stdint.h>

#define BYTE_ORDER LITTLE_ENDIAN
#define lwip_htons(x) __builtin_bswap16(x)
#define lwip_htonl(x) __builtin_bswap32(x)
#define LWIP_NO_INTTYPES_H 1
#define LWIP_NO_UNISTD_H 1
#define LWIP_NO_CTYPE_H 1
#define X8_F "02x"
#define U16_F "u"
#define S16_F "d"
#define X16_F "x"
#define U32_F "u"
#define S32_F "d"
#define X32_F "x"
#define SZT_F "lu"

#include <sys/types.h> // ssize_t

// A failed assertion is a bug of ours or of lwIP: it is a panic, in every build.
__attribute__((noreturn, format(printf, 1, 2))) void panic(const char *format, ...);
__attribute__((format(printf, 1, 2))) void kprintf(const char *format, ...);
// The place says it all; the texts were 7 KB.
#define LWIP_PLATFORM_ASSERT(text) panic("lwip: %s:%d", __FILE__, __LINE__)
#define LWIP_PLATFORM_DIAG(x) do { kprintf x; } while (0)

uint32_t random_u32(void);
#define LWIP_RAND() random_u32()

#define PACK_STRUCT_BEGIN
#define PACK_STRUCT_STRUCT __attribute__((packed))
#define PACK_STRUCT_END
#define PACK_STRUCT_FIELD(x) x

#endif // IMPORTOS_LWIP_CC_H
