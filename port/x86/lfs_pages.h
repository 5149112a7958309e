// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What is written into the middle of a littlefs file, kept until the file is flushed or closed.
//
// littlefs never overwrites: a write in the middle of a file makes the rest of the file anew, from
// there to the end, as soon as the program writes or reads elsewhere. With what was written at
// many places in memory that is done once for all of them. Nothing is lost by it: littlefs itself
// promises what was written only after the flush. What cannot be written is told by the flush.
//
// Pages are on Python's heap, at most a 32nd of it and LFS_PAGES_MAX of them for a file. Main
// thread. Errors are those of littlefs, negative.

#ifndef IMPORTOS_LFS_PAGES_H
#define IMPORTOS_LFS_PAGES_H

#include <stdint.h>

#include "lib/littlefs/lfs2.h"

#define LFS_PAGES_SIZE 4096u
#define LFS_PAGES_MAX 256

struct lfs_page {
    uint32_t number; // offset in the file / LFS_PAGES_SIZE
    uint8_t *data;
};

// Of an open file, part of an object on Python's heap. All zero: none.
struct lfs_pages {
    unsigned count;
    struct lfs_page *page; // in the order of the file; NULL: no memory for them yet
};

// As lfs2_file_read() and lfs2_file_write(), for the whole of the file.
lfs2_ssize_t lfs_pages_read(struct lfs_pages *pages, lfs2_t *lfs, lfs2_file_t *file, void *data,
    lfs2_size_t size);
lfs2_ssize_t lfs_pages_write(struct lfs_pages *pages, lfs2_t *lfs, lfs2_file_t *file,
    const void *data, lfs2_size_t size);

// Hand all pages to littlefs, before lfs2_file_sync() or lfs2_file_close(). Allocates nothing, so
// that a finaliser may call it.
int lfs_pages_flush(struct lfs_pages *pages, lfs2_t *lfs, lfs2_file_t *file);

#endif // IMPORTOS_LFS_PAGES_H
