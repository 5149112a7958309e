// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// A folder of the host: 9P2000.L (Linux's dialect of Plan 9's protocol) over virtio. Paths are
// walked name by name and ".." is worked out here, so none leaves the share; symbolic links are
// not followed (-ELOOP). Nothing in an answer is believed before its bounds are checked.
//
// Main thread. Results are 0 or more, or the host's error or the driver's, negative.

#ifndef IMPORTOS_SHARE_H
#define IMPORTOS_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHARE_PATH_MAX 1024 // bytes of a path
#define SHARE_DEPTH_MAX 64 // names of a path
#define SHARE_FILE_MAX 63 // open at once

#define SHARE_READ 0u // flags of share_open(), Linux's numbers
#define SHARE_WRITE 1u
#define SHARE_READ_WRITE 2u
#define SHARE_CREATE 0100u
#define SHARE_EXCLUSIVE 0200u
#define SHARE_TRUNCATE 01000u

struct share;

struct share_stat {
    uint32_t mode; // as stat(2) has it: type and permissions
    uint64_t size; // bytes
    uint64_t atime, mtime, ctime; // seconds since 1970
    uint64_t inode;
};

struct share_space {
    uint32_t block_size;
    uint64_t blocks, free, available;
    uint64_t files, files_free;
    uint32_t name_max;
};

struct share_entry {
    char name[256];
    bool folder;
    uint64_t inode;
};

// Find the shares and set memory aside for them. After heap_boot(), before heap_start().
void share_boot(void);

// The (n)th share, started and attached on first call; NULL: there is none, or it does not work.
struct share *share_get(unsigned n);
const char *share_tag(const struct share *share);

// (path) is from the root of the share.
int share_stat(struct share *share, const char *path, struct share_stat *stat);
int share_space(struct share *share, struct share_space *space);
int share_mkdir(struct share *share, const char *path);
int share_remove(struct share *share, const char *path, bool folder);
int share_rename(struct share *share, const char *from, const char *to);

// Returns a file number, to be given back by share_close(). For a folder: SHARE_READ.
int share_open(struct share *share, const char *path, unsigned flags);
int share_read(struct share *share, int file, uint64_t offset, void *data, size_t size);
int share_write(struct share *share, int file, uint64_t offset, const void *data, size_t size);
int64_t share_size(struct share *share, int file);
int share_sync(struct share *share, int file); // what was written is on the host's disk
void share_close(struct share *share, int file);

// The entry of the folder (file) behind (*offset), which starts at 0 and is moved. Returns 1, or 0
// at the end.
int share_next(struct share *share, int file, uint64_t *offset, struct share_entry *entry);

#endif // IMPORTOS_SHARE_H
