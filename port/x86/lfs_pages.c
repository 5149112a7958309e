// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Pages of a littlefs file that were written in its middle. While there are any, littlefs itself
// is not writing the file, and its position in the file is the program's.

#include "lfs_pages.h"

#include <string.h>

#include "py/gc.h"
#include "py/misc.h"

#include "heap.h"

#define HEAP_PART 32
#define DIRECT_MIN (16 * LFS_PAGES_SIZE) // longer writes are no small changes: littlefs has them

// The index of the first page that is not before (number).
static unsigned search(const struct lfs_pages *pages, uint32_t number) {
    unsigned low = 0, high = pages->count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (pages->page[middle].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int seek(lfs2_t *lfs, lfs2_file_t *file, lfs2_off_t position) {
    lfs2_soff_t ret = lfs2_file_seek(lfs, file, (lfs2_soff_t)position, LFS2_SEEK_SET);
    return ret < 0 ? (int)ret : 0;
}

static lfs2_size_t part_of_page(lfs2_off_t position, lfs2_size_t size) {
    return MIN(size, LFS_PAGES_SIZE - position % LFS_PAGES_SIZE);
}

// --- read -----------------------------------------------------------------------------------

lfs2_ssize_t lfs_pages_read(struct lfs_pages *pages, lfs2_t *lfs, lfs2_file_t *file, void *data,
    lfs2_size_t size) {
    uint8_t *to = data;
    lfs2_size_t done = 0;
    while (pages->count > 0 && done < size && file->pos < file->ctz.size) {
        lfs2_off_t at = file->pos;
        unsigned i = search(pages, at / LFS_PAGES_SIZE);
        lfs2_ssize_t part = (lfs2_ssize_t)MIN(size - done, file->ctz.size - at);
        if (i < pages->count && pages->page[i].number == at / LFS_PAGES_SIZE) {
            part = (lfs2_ssize_t)part_of_page(at, (lfs2_size_t)part);
            memcpy(to + done, pages->page[i].data + at % LFS_PAGES_SIZE, (size_t)part);
            int ret = seek(lfs, file, at + (lfs2_size_t)part);
            part = ret < 0 ? ret : part;
        } else {
            if (i < pages->count) {
                part = (lfs2_ssize_t)MIN((lfs2_size_t)part,
                    pages->page[i].number * LFS_PAGES_SIZE - at);
            }
            part = lfs2_file_read(lfs, file, to + done, (lfs2_size_t)part);
        }
        if (part < 0) {
            return part;
        }
        done += (lfs2_size_t)part;
    }
    if (done == size || pages->count > 0) {
        return (lfs2_ssize_t)done;
    }
    return lfs2_file_read(lfs, file, data, size);
}

// --- write ----------------------------------------------------------------------------------

// Write all pages, and leave littlefs writing behind the last one.
static int apply(struct lfs_pages *pages, lfs2_t *lfs, lfs2_file_t *file) {
    int ret = 0;
    for (unsigned i = 0; i < pages->count && ret == 0; i++) {
        lfs2_off_t at = pages->page[i].number * LFS_PAGES_SIZE;
        ret = seek(lfs, file, at);
        if (ret == 0) {
            lfs2_ssize_t written = lfs2_file_write(lfs, file, pages->page[i].data,
                MIN(LFS_PAGES_SIZE, file->ctz.size - at));
            ret = written < 0 ? (int)written : 0;
        }
    }
    pages->count = 0;
    return ret;
}

int lfs_pages_flush(struct lfs_pages *pages, lfs2_t *lfs, lfs2_file_t *file) {
    if (pages->count == 0) {
        return 0;
    }
    lfs2_off_t position = file->pos;
    int ret = apply(pages, lfs, file);
    int result = seek(lfs, file, position);
    return ret < 0 ? ret : result;
}

// The page that holds (position), with the file's contents in it unless (whole), which says that
// all of it is to be overwritten. NULL: no memory for one more, or an error (*ret).
static struct lfs_page *get(struct lfs_pages *pages, lfs2_t *lfs, lfs2_file_t *file,
    lfs2_off_t position, bool whole, int *ret) {
    uint32_t number = position / LFS_PAGES_SIZE;
    unsigned i = search(pages, number);
    if (i < pages->count && pages->page[i].number == number) {
        return &pages->page[i];
    }
    if (pages->page == NULL) {
        pages->page = m_malloc_maybe(LFS_PAGES_MAX * sizeof(struct lfs_page));
    }
    size_t most = MIN(LFS_PAGES_MAX, heap_total() / HEAP_PART / LFS_PAGES_SIZE);
    uint8_t *data = pages->page != NULL && pages->count < most
        ? m_malloc_maybe(LFS_PAGES_SIZE) : NULL;
    if (data == NULL) {
        return NULL;
    }
    if (!whole) {
        *ret = seek(lfs, file, number * LFS_PAGES_SIZE);
        lfs2_ssize_t size = *ret < 0 ? *ret : lfs2_file_read(lfs, file, data, LFS_PAGES_SIZE);
        *ret = size < 0 ? (int)size : seek(lfs, file, position);
        if (*ret < 0) {
            return NULL;
        }
    }
    memmove(&pages->page[i + 1], &pages->page[i], (pages->count - i) * sizeof(struct lfs_page));
    pages->page[i] = (struct lfs_page) { number, data };
    pages->count++;
    return &pages->page[i];
}

// Keep the part of the data that is in one page. Returns its size; 0: it cannot be kept; or an
// error.
static lfs2_ssize_t keep(struct lfs_pages *pages, lfs2_t *lfs, lfs2_file_t *file,
    const uint8_t *data, lfs2_size_t size) {
    lfs2_off_t at = file->pos;
    lfs2_size_t part = part_of_page(at, size);
    int ret = 0;
    struct lfs_page *page = get(pages, lfs, file, at, part == LFS_PAGES_SIZE, &ret);
    if (page == NULL) {
        return ret;
    }
    memcpy(page->data + at % LFS_PAGES_SIZE, data, part);
    ret = seek(lfs, file, at + part);
    return ret < 0 ? ret : (lfs2_ssize_t)part;
}

// True if a write is a small change in the middle of the file, and not the next of a longer one.
static bool is_change(const lfs2_file_t *file, lfs2_size_t size) {
    return !(file->flags & (LFS2_O_APPEND | LFS2_F_INLINE | LFS2_F_WRITING | LFS2_F_ERRED)) &&
           size < DIRECT_MIN && file->pos < file->ctz.size && size <= file->ctz.size - file->pos;
}

lfs2_ssize_t lfs_pages_write(struct lfs_pages *pages, lfs2_t *lfs, lfs2_file_t *file,
    const void *data, lfs2_size_t size) {
    const uint8_t *from = data;
    lfs2_size_t done = 0;
    bool applied = false;
    while (done < size && is_change(file, size - done)) {
        lfs2_ssize_t kept = keep(pages, lfs, file, from + done, size - done);
        if (kept < 0) {
            return kept;
        }
        done += (lfs2_size_t)kept;
        if (kept == 0) {
            if (applied) {
                break; // there is no memory even for one
            }
            // What follows the last page continues a long write; else the rest is made anew here.
            lfs2_off_t position = file->pos;
            int ret = apply(pages, lfs, file);
            ret = ret < 0 || file->pos == position ? ret : seek(lfs, file, position);
            if (ret < 0) {
                return ret;
            }
            applied = true;
        }
    }
    if (done == size) {
        return (lfs2_ssize_t)size;
    }
    int ret = lfs_pages_flush(pages, lfs, file);
    lfs2_ssize_t rest = ret < 0 ? ret : lfs2_file_write(lfs, file, from + done, size - done);
    return rest < 0 ? rest : (lfs2_ssize_t)done + rest;
}
