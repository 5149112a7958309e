// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What a disk is asked: the requests that the block cache makes and a disk's driver carries out.

#ifndef IMPORTOS_BLOCK_H
#define IMPORTOS_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define BLOCK_SECTOR 512u // bytes; the unit of every sector number, whatever the disk's block is
#define BLOCK_PIECES_MAX 20
#define BLOCK_BATCH_MAX 8 // requests that are carried out at once
#define BLOCK_REQUEST_MAX (1u << 20) // bytes in one request

struct block_piece {
    void *data;
    uint32_t size; // bytes, a multiple of the disk's block
};

// Read or write consecutive sectors. The memory is the disk's until the call returns.
struct block_request {
    uint64_t sector;
    bool write;
    int result; // 0, or -EIO and the like
    unsigned count; // pieces
    struct block_piece piece[BLOCK_PIECES_MAX];
};

#endif // IMPORTOS_BLOCK_H
