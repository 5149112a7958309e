// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What mkimage appends to the kernel: this header at the first page boundary after the kernel's
// last loaded byte, then the boot options, then a ROMFS image. tools/importos/payload.py writes
// it.

#ifndef IMPORTOS_PAYLOAD_H
#define IMPORTOS_PAYLOAD_H

#include <stdint.h>

#define PAYLOAD_MAGIC "ImportOS"
#define PAYLOAD_VERSION 1

// All numbers little-endian; offsets in bytes from the header's start.
struct payload_header {
    char magic[8];
    uint32_t version; // PAYLOAD_VERSION
    uint32_t header_size; // sizeof(struct payload_header)
    uint64_t size; // of everything, header included
    uint32_t crc32; // IEEE 802.3, over everything behind the header
    uint32_t options_offset; // boot options, in the form of the command line
    uint32_t options_size; // without a NUL
    uint32_t romfs_offset; // 16-byte aligned
    uint64_t romfs_size;
};

_Static_assert(sizeof(struct payload_header) == 48, "the layout is shared with payload.py");

#endif // IMPORTOS_PAYLOAD_H
