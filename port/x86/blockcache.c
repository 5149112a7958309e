// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The block cache: pages of 4 KiB with a valid and a dirty bit for each sector, found by a hash
// table, and in a ring in the order of their use: the least recently used one is dropped.

#include "blockcache.h"

#include <errno.h>
#include <string.h>

#define SECTORS (BLOCKCACHE_PAGE / BLOCK_SECTOR) // of a page
#define ALL_SECTORS 0xffu
#define READ_AHEAD 32 // pages; at most a quarter of the cache
#define READ_AHEAD_FIRST 1
#define DIRECT_MIN (8 * BLOCKCACHE_PAGE) // transfers of this size go past the cache
#define NONE UINT64_MAX
#define HEAD BLOCKCACHE_PAGES_MAX // of the ring; its older one is the newest page
#define END 0xff // of a bucket

_Static_assert(SECTORS == 8, "the masks are bytes");
_Static_assert(BLOCKCACHE_PAGES_MAX < END, "links are bytes");

// --- ring and buckets -----------------------------------------------------------------------

static void ring_remove(struct blockcache *cache, const struct blockcache_page *page) {
    cache->page[page->newer].older = page->older;
    cache->page[page->older].newer = page->newer;
}

// Put a page behind (newer), which is in the ring or its head.
static void ring_insert(struct blockcache *cache, struct blockcache_page *page, unsigned newer) {
    uint8_t index = (uint8_t)(page - cache->page);
    page->newer = (uint8_t)newer;
    page->older = cache->page[newer].older;
    cache->page[page->older].newer = index;
    cache->page[newer].older = index;
}

static void set_used(struct blockcache *cache, struct blockcache_page *page) {
    if (page->newer != HEAD) {
        ring_remove(cache, page);
        ring_insert(cache, page, HEAD);
    }
}

static uint8_t *bucket_of(struct blockcache *cache, uint64_t number) {
    return &cache->bucket[(number ^ number / BLOCKCACHE_BUCKETS) % BLOCKCACHE_BUCKETS];
}

static struct blockcache_page *find(struct blockcache *cache, uint64_t number) {
    for (unsigned i = *bucket_of(cache, number); i != END; i = cache->page[i].next) {
        if (cache->page[i].number == number) {
            return &cache->page[i];
        }
    }
    return NULL;
}

// Make (page) the page (number), with nothing valid in it; NONE: of nothing, the next to be taken.
static void rename_page(struct blockcache *cache, struct blockcache_page *page, uint64_t number) {
    uint8_t index = (uint8_t)(page - cache->page);
    if (page->number != NONE) {
        uint8_t *link = bucket_of(cache, page->number);
        while (*link != index) {
            link = &cache->page[*link].next;
        }
        *link = page->next;
    }
    page->number = number;
    page->valid = page->dirty = 0;
    if (number != NONE) {
        uint8_t *link = bucket_of(cache, number);
        page->next = *link;
        *link = index;
    } else {
        ring_remove(cache, page);
        ring_insert(cache, page, cache->page[HEAD].newer);
    }
}

void blockcache_init(struct blockcache *cache, void *memory, unsigned page_count, uint64_t size,
    uint32_t unit) {
    cache->memory = memory;
    cache->page_count = page_count;
    cache->size = size & ~(uint64_t)(unit - 1);
    cache->unit = unit;
    memset(cache->bucket, END, sizeof(cache->bucket));
    cache->page[HEAD] = (struct blockcache_page) { .newer = HEAD, .older = HEAD };
    for (unsigned i = 0; i < page_count; i++) {
        cache->page[i] = (struct blockcache_page) { .number = NONE };
        ring_insert(cache, &cache->page[i], HEAD);
    }
}

static uint8_t *page_data(const struct blockcache *cache, const struct blockcache_page *page) {
    return cache->memory + (size_t)(page - cache->page) * BLOCKCACHE_PAGE;
}

// Bits of the sectors that hold (size) bytes from (offset) in a page.
static uint8_t sector_mask(uint32_t offset, uint32_t size) {
    unsigned first = offset / BLOCK_SECTOR;
    unsigned last = (offset + size - 1) / BLOCK_SECTOR;
    return (uint8_t)((ALL_SECTORS << first) & (ALL_SECTORS >> (SECTORS - 1 - last)));
}

// The same, grown to whole blocks of the disk.
static uint8_t block_mask(const struct blockcache *cache, uint32_t offset, uint32_t size) {
    uint32_t first = offset & ~(cache->unit - 1);
    uint32_t end = (offset + size + cache->unit - 1) & ~(cache->unit - 1);
    return sector_mask(first, end - first);
}

// Only the blocks that are wholly in it; 0 if there is none.
static uint8_t inner_mask(const struct blockcache *cache, uint32_t offset, uint32_t size) {
    uint32_t first = (offset + cache->unit - 1) & ~(cache->unit - 1);
    uint32_t end = (offset + size) & ~(cache->unit - 1);
    return first < end ? sector_mask(first, end - first) : 0;
}

// Sectors of page (number) that the disk has: the last page may lie across its end.
static uint8_t existing(const struct blockcache *cache, uint64_t number) {
    uint64_t left = cache->size - number * BLOCKCACHE_PAGE;
    return left >= BLOCKCACHE_PAGE ? ALL_SECTORS : sector_mask(0, (uint32_t)left);
}

static int check(const struct blockcache *cache, uint64_t offset, uint64_t size) {
    return offset > cache->size || size > cache->size - offset ? -EINVAL : 0;
}

// --- requests -------------------------------------------------------------------------------

// Add (size) bytes at (sector) to the batch of (*count) requests, to the last one if they follow
// it on the disk. False: the batch is full.
static bool batch_add(struct blockcache *cache, unsigned *count, bool write, uint64_t sector,
    uint8_t *data, uint32_t size) {
    struct block_request *request = *count > 0 ? &cache->batch[*count - 1] : NULL;
    if (request != NULL && request->count < BLOCK_PIECES_MAX) {
        uint64_t end = request->sector;
        for (unsigned i = 0; i < request->count; i++) {
            end += request->piece[i].size / BLOCK_SECTOR;
        }
        if (end == sector) {
            request->piece[request->count++] = (struct block_piece) { data, size };
            return true;
        }
    }
    if (*count == BLOCK_BATCH_MAX) {
        return false;
    }
    request = &cache->batch[(*count)++];
    request->sector = sector;
    request->write = write;
    request->count = 1;
    request->piece[0] = (struct block_piece) { data, size };
    return true;
}

// Add the sectors (mask) of a page, run by run. False: not all of them found room.
static bool batch_add_sectors(struct blockcache *cache, unsigned *count, bool write,
    struct blockcache_page *page, uint8_t mask) {
    unsigned left = mask;
    while (left != 0) {
        unsigned first = (unsigned)__builtin_ctz(left);
        unsigned length = (unsigned)__builtin_ctz(~(left >> first));
        if (!batch_add(cache, count, write, page->number * SECTORS + first,
            page_data(cache, page) + first * BLOCK_SECTOR, length * BLOCK_SECTOR)) {
            return false;
        }
        left &= left + (1u << first); // without its lowest run of ones
    }
    return true;
}

// --- write back -----------------------------------------------------------------------------

// The dirty pages in the order of the disk; returns how many.
static unsigned sort_dirty(struct blockcache *cache, uint8_t *order) {
    unsigned count = 0;
    for (unsigned i = 0; i < cache->page_count; i++) {
        if (cache->page[i].dirty == 0) {
            continue;
        }
        unsigned at = count++;
        while (at > 0 && cache->page[order[at - 1]].number > cache->page[i].number) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = (uint8_t)i;
    }
    return count;
}

int blockcache_sync(struct blockcache *cache) {
    uint8_t order[BLOCKCACHE_PAGES_MAX];
    unsigned count = sort_dirty(cache, order);
    int ret = 0;
    for (unsigned done = 0; done < count;) {
        // Pages done to end - 1 fit into one batch: a page takes at most SECTORS / 2 requests.
        unsigned requests = 0, end = done;
        while (end < count && batch_add_sectors(cache, &requests, true, &cache->page[order[end]],
            cache->page[order[end]].dirty)) {
            end++;
        }
        // The page that did not fit may have left its first runs: written twice, no harm.
        int result = cache->transfer(cache->disk, cache->batch, requests);
        for (unsigned i = done; i < end && result == 0; i++) {
            cache->page[order[i]].dirty = 0;
        }
        ret = ret == 0 ? result : ret;
        done = end;
    }
    return ret;
}

// The least recently used page but for the (kept) newest, of all or of the clean ones only.
static struct blockcache_page *oldest(struct blockcache *cache, unsigned kept, bool clean) {
    unsigned i = cache->page[HEAD].newer;
    for (unsigned count = cache->page_count - kept; count > 0; count--) {
        if (!clean || cache->page[i].dirty == 0) {
            return &cache->page[i];
        }
        i = cache->page[i].newer;
    }
    return NULL;
}

// The page (number), with nothing valid in it if it was not there. Another one is dropped for it,
// but none of the (kept) newest. NULL: nothing is clean and nothing can be written.
static struct blockcache_page *take(struct blockcache *cache, uint64_t number, unsigned kept) {
    struct blockcache_page *page = find(cache, number);
    if (page == NULL) {
        page = oldest(cache, kept, false);
        if (page != NULL && page->dirty != 0) {
            blockcache_sync(cache); // all at once: together they make long requests
            page = oldest(cache, kept, true);
        }
        if (page == NULL) {
            return NULL;
        }
        rename_page(cache, page, number);
    }
    set_used(cache, page);
    return page;
}

// --- read -----------------------------------------------------------------------------------

// Take up to (most) pages behind (page) to be read with it; returns how many. Clean ones that are
// there already are read again, so that the request stays one, but for the last of them: littlefs
// comes by every second page of a file before it reads the file.
static unsigned take_ahead(struct blockcache *cache, const struct blockcache_page *page,
    unsigned most, struct blockcache_page **taken) {
    unsigned count = 0, useful = 0;
    while (count < most && (page->number + count + 1) * BLOCKCACHE_PAGE < cache->size) {
        struct blockcache_page *next = find(cache, page->number + count + 1);
        if (next == NULL) {
            next = take(cache, page->number + count + 1, count + 1);
            useful = count + 1;
        } else if (next->dirty != 0) {
            break;
        }
        if (next == NULL) {
            break;
        }
        set_used(cache, next);
        taken[count++] = next;
    }
    return useful < count ? useful : count;
}

// Read the sectors (mask) of (page) that are not valid, and up to (most) pages behind it.
static int fill(struct blockcache *cache, struct blockcache_page *page, uint8_t mask,
    unsigned most) {
    struct blockcache_page *ahead[READ_AHEAD];
    unsigned count = take_ahead(cache, page, most, ahead);
    // The page makes at most SECTORS / 2 requests, all those behind it one more.
    unsigned requests = 0;
    batch_add_sectors(cache, &requests, false, page, mask & (uint8_t) ~page->valid);
    for (unsigned i = 0; i < count; i++) {
        batch_add_sectors(cache, &requests, false, ahead[i], existing(cache, ahead[i]->number));
    }
    int ret = cache->transfer(cache->disk, cache->batch, requests);
    for (unsigned i = 0; i < count; i++) {
        ahead[i]->valid = existing(cache, ahead[i]->number);
        if (ret < 0) {
            rename_page(cache, ahead[i], NONE);
        }
    }
    if (ret < 0 && count > 0) {
        return fill(cache, page, mask, 0); // what failed may be a page that nobody asked for
    }
    if (ret == 0) {
        page->valid |= mask;
    } else if (page->valid == 0) {
        rename_page(cache, page, NONE);
    }
    return ret;
}

// Pages to read behind page (number). Two before it were used not long ago: a sequential reader,
// who will want more. One: it may be a read across the border of two pages. At the start of the
// disk is what tells of the rest: littlefs has it in two blocks, partition tables in more.
static unsigned read_ahead(struct blockcache *cache, uint64_t number) {
    if (number != 0 && find(cache, number - 1) == NULL) {
        return 0;
    }
    if (number <= 1 || find(cache, number - 2) == NULL) {
        return READ_AHEAD_FIRST;
    }
    return cache->page_count / 4 < READ_AHEAD ? cache->page_count / 4 : READ_AHEAD;
}

static int read_page(struct blockcache *cache, uint64_t number, uint32_t offset, uint8_t *data,
    uint32_t size) {
    uint8_t wanted = sector_mask(offset, size);
    struct blockcache_page *page = find(cache, number);
    if (page == NULL || (page->valid & wanted) != wanted) {
        unsigned ahead = read_ahead(cache, number);
        page = take(cache, number, 0);
        if (page == NULL) {
            return -EIO;
        }
        int ret = fill(cache, page, existing(cache, number), ahead);
        if (ret < 0) {
            return ret;
        }
    }
    set_used(cache, page);
    memcpy(data, page_data(cache, page) + offset, size);
    return 0;
}

// Whole pages between the disk and the caller's memory.
static int transfer_direct(struct blockcache *cache, bool write, uint64_t offset, uint8_t *data,
    size_t size) {
    int ret = 0;
    while (size > 0 && ret == 0) {
        unsigned count = 0;
        while (size > 0 && count < BLOCK_BATCH_MAX) {
            uint32_t part = size < BLOCK_REQUEST_MAX ? (uint32_t)size : BLOCK_REQUEST_MAX;
            struct block_request *request = &cache->batch[count++];
            request->sector = offset / BLOCK_SECTOR;
            request->write = write;
            request->count = 1;
            request->piece[0] = (struct block_piece) { data, part };
            offset += part;
            data += part;
            size -= part;
        }
        ret = cache->transfer(cache->disk, cache->batch, count);
    }
    return ret;
}

static int read_direct(struct blockcache *cache, uint64_t offset, uint8_t *data, size_t size) {
    int ret = transfer_direct(cache, false, offset, data, size);
    uint64_t first = offset / BLOCKCACHE_PAGE;
    // What was written and is not on the disk yet is newer than what came from there.
    for (unsigned i = 0; i < cache->page_count; i++) {
        struct blockcache_page *page = &cache->page[i];
        if (page->number == NONE || page->number - first >= size / BLOCKCACHE_PAGE) {
            continue;
        }
        for (unsigned n = 0; n < SECTORS; n++) {
            if (page->dirty & 1u << n) {
                memcpy(data + (page->number - first) * BLOCKCACHE_PAGE + n * BLOCK_SECTOR,
                    page_data(cache, page) + n * BLOCK_SECTOR, BLOCK_SECTOR);
            }
        }
    }
    return ret;
}

// --- the four operations --------------------------------------------------------------------

// Bytes of (size) from (offset) that go past the cache; 0: the next page goes through it.
static size_t direct_size(uint64_t offset, size_t size) {
    return offset % BLOCKCACHE_PAGE == 0 && size >= DIRECT_MIN
        ? size & ~(size_t)(BLOCKCACHE_PAGE - 1) : 0;
}

static uint32_t page_part(uint64_t offset, uint64_t size) {
    uint32_t room = BLOCKCACHE_PAGE - (uint32_t)(offset % BLOCKCACHE_PAGE);
    return size < room ? (uint32_t)size : room;
}

int blockcache_read(struct blockcache *cache, uint64_t offset, void *data, size_t size) {
    uint8_t *to = data;
    int ret = check(cache, offset, size);
    while (size > 0 && ret == 0) {
        size_t part = direct_size(offset, size);
        if (part > 0) {
            ret = read_direct(cache, offset, to, part);
        } else {
            part = page_part(offset, size);
            ret = read_page(cache, offset / BLOCKCACHE_PAGE, offset % BLOCKCACHE_PAGE, to,
                (uint32_t)part);
        }
        offset += part;
        to += part;
        size -= part;
    }
    return ret;
}

static int write_page(struct blockcache *cache, uint64_t number, uint32_t offset,
    const uint8_t *data, uint32_t size) {
    struct blockcache_page *page = take(cache, number, 0);
    if (page == NULL) {
        return -EIO;
    }
    // Blocks of which only a part is written need the rest.
    uint8_t all = block_mask(cache, offset, size);
    uint8_t partial = all & (uint8_t) ~inner_mask(cache, offset, size);
    if ((page->valid & partial) != partial) {
        int ret = fill(cache, page, partial, 0);
        if (ret < 0) {
            return ret;
        }
    }
    memcpy(page_data(cache, page) + offset, data, size);
    page->valid |= all;
    page->dirty |= all;
    return 0;
}

int blockcache_write(struct blockcache *cache, uint64_t offset, const void *data, size_t size) {
    const uint8_t *from = data;
    int ret = check(cache, offset, size);
    while (size > 0 && ret == 0) {
        size_t part = direct_size(offset, size);
        if (part > 0) {
            ret = transfer_direct(cache, true, offset, (uint8_t *)(uintptr_t)from, part);
            if (ret == 0) {
                blockcache_drop(cache, offset, part, true); // it is older
            }
        } else {
            part = page_part(offset, size);
            ret = write_page(cache, offset / BLOCKCACHE_PAGE, offset % BLOCKCACHE_PAGE, from,
                (uint32_t)part);
        }
        offset += part;
        from += part;
        size -= part;
    }
    return ret;
}

void blockcache_drop(struct blockcache *cache, uint64_t offset, uint64_t size, bool dirty) {
    for (unsigned i = 0; i < cache->page_count; i++) {
        struct blockcache_page *page = &cache->page[i];
        if (page->number == NONE) {
            continue;
        }
        uint64_t start = page->number * BLOCKCACHE_PAGE;
        if (start < offset + size && offset < start + BLOCKCACHE_PAGE &&
            (dirty || page->dirty == 0)) {
            rename_page(cache, page, NONE);
        }
    }
}
