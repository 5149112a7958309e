// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The network's allocator: chunks of 36 KiB, each cut into objects of one size. A chunk whose last
// object was freed serves any size again, so a flood of one kind of packet does not eat up the
// memory of the others for good. Objects above half a chunk get blocks of 96 KiB of their own.

#include "net_memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "heap.h"
#include "lwip/opt.h"
#include "memory.h"
#include "panic.h"

#define CHUNK_SIZE (36u << 10)
#define ARENA_CHUNKS 8 // taken at once
#define SMALL_MACHINE (16u << 20) // with less RAM one chunk at a time
#define LARGE_SIZE (96u << 10)
#define LARGE_MAX 32
#define MAGIC_LIVE 0x4e45
#define MAGIC_FREE 0x6e65

// Sizes of objects with their header. 1664 holds a full TCP packet with its pbuf and options,
// 18408 is half a chunk.
static const uint16_t class_size[] = {
    32, 48, 64, 96, 128, 192, 256, 320, 448, 640, 896, 1280, 1664, 2304, 4096, 8192, 18408,
};
#define CLASS_COUNT (sizeof(class_size) / sizeof(class_size[0]))
#define CLASS_LARGE CLASS_COUNT

// The smallest class that may hold an object, by how many bits its size less one has: up to 32,
// 64, 128 bytes and so on.
#define FIRST_BITS 5
static const uint8_t first_class[] = { 0, 1, 3, 5, 7, 9, 11, 13, 15, 16, 16 };

// In front of every object.
struct header {
    uint16_t magic;
    uint16_t class_index;
    uint32_t offset; // from the chunk's start to this header
};
_Static_assert(sizeof(struct header) == 8, "keeps objects aligned to MEM_ALIGNMENT");

struct free_object {
    struct header header;
    struct free_object *next;
};

struct chunk {
    struct chunk *next, *previous; // in the list of its class with free objects, or of free chunks
    struct free_object *free;
    uint32_t fresh; // offset of what was never cut, 0: none
    uint16_t used; // objects
    uint16_t class_index;
    bool listed;
};
#define CHUNK_HEAD 48
_Static_assert(sizeof(struct chunk) <= CHUNK_HEAD, "objects start behind it");

static struct chunk *partial[CLASS_COUNT]; // chunks with room, by class
static struct chunk *empty_chunks;
static struct free_object *large_free;
static unsigned large_count;
static struct net_memory_stats stats;

static void list_add(struct chunk *chunk) {
    struct chunk **head = &partial[chunk->class_index];
    chunk->next = *head;
    chunk->previous = NULL;
    if (*head != NULL) {
        (*head)->previous = chunk;
    }
    *head = chunk;
    chunk->listed = true;
}

static void list_remove(struct chunk *chunk) {
    if (chunk->previous != NULL) {
        chunk->previous->next = chunk->next;
    } else {
        partial[chunk->class_index] = chunk->next;
    }
    if (chunk->next != NULL) {
        chunk->next->previous = chunk->previous;
    }
    chunk->listed = false;
}

void *net_memory_pages(size_t size) {
    if (stats.limit == 0) {
        stats.limit = memory_total() / 2;
    }
    if (size > stats.limit - stats.taken) {
        return NULL;
    }
    void *pages = heap_reserve(size);
    if (pages != NULL) {
        stats.taken += size;
    }
    return pages;
}

static struct chunk *take_chunk(void) {
    if (empty_chunks == NULL) {
        unsigned count = memory_total() < SMALL_MACHINE ? 1 : ARENA_CHUNKS;
        uint8_t *arena = net_memory_pages(count * CHUNK_SIZE);
        if (arena == NULL && count > 1) {
            count = 1;
            arena = net_memory_pages(CHUNK_SIZE);
        }
        if (arena == NULL) {
            return NULL;
        }
        for (unsigned i = 0; i < count; i++) {
            struct chunk *chunk = (struct chunk *)(void *)(arena + i * CHUNK_SIZE);
            chunk->next = empty_chunks;
            empty_chunks = chunk;
        }
    }
    struct chunk *chunk = empty_chunks;
    empty_chunks = chunk->next;
    return chunk;
}

static struct header *alloc_small(unsigned class_index) {
    struct chunk *chunk = partial[class_index];
    if (chunk == NULL) {
        chunk = take_chunk();
        if (chunk == NULL) {
            return NULL;
        }
        *chunk = (struct chunk) { .fresh = CHUNK_HEAD, .class_index = (uint16_t)class_index };
        list_add(chunk);
    }
    uint32_t size = class_size[class_index];
    struct header *header;
    if (chunk->free != NULL) {
        header = &chunk->free->header;
        chunk->free = chunk->free->next;
    } else {
        header = (struct header *)(void *)((uint8_t *)chunk + chunk->fresh);
        header->offset = chunk->fresh;
        chunk->fresh += size;
        if (chunk->fresh + size > CHUNK_SIZE) {
            chunk->fresh = 0;
        }
    }
    chunk->used++;
    if (chunk->free == NULL && chunk->fresh == 0) {
        list_remove(chunk);
    }
    header->class_index = (uint16_t)class_index;
    return header;
}

static struct header *alloc_large(size_t size) {
    if (size > LARGE_SIZE) {
        return NULL;
    }
    struct free_object *object = large_free;
    if (object != NULL) {
        large_free = object->next;
    } else {
        object = large_count < LARGE_MAX ? net_memory_pages(LARGE_SIZE) : NULL;
        if (object == NULL) {
            return NULL;
        }
        large_count++;
    }
    object->header.class_index = CLASS_LARGE;
    object->header.offset = 0;
    return &object->header;
}

static size_t size_of(const struct header *header) {
    return header->class_index == CLASS_LARGE ? LARGE_SIZE : class_size[header->class_index];
}

void *net_memory_alloc(size_t size) {
    size += sizeof(struct header);
    unsigned bits = 64 - (unsigned)__builtin_clzl(size - 1); // never of zero: there is a header
    unsigned row = bits > FIRST_BITS ? bits - FIRST_BITS : 0;
    unsigned class_index = row < sizeof(first_class) ? first_class[row] : CLASS_LARGE;
    while (class_index < CLASS_COUNT && class_size[class_index] < size) {
        class_index++;
    }
    struct header *header = class_index < CLASS_COUNT ? alloc_small(class_index) :
        alloc_large(size);
    if (header == NULL) {
        stats.failed++;
        return NULL;
    }
    header->magic = MAGIC_LIVE;
    stats.used += size_of(header);
    if (stats.used > stats.used_max) {
        stats.used_max = stats.used;
    }
    return header + 1;
}

void *net_memory_calloc(size_t count, size_t size) {
    if (size != 0 && count > LARGE_SIZE / size) {
        return NULL;
    }
    void *data = net_memory_alloc(count * size);
    if (data != NULL) {
        memset(data, 0, count * size);
    }
    return data;
}

void net_memory_free(void *data) {
    if (data == NULL) {
        return;
    }
    struct free_object *object = (struct free_object *)(void *)((struct header *)data - 1);
    struct header *header = &object->header;
    if (header->magic != MAGIC_LIVE || header->class_index > CLASS_LARGE) {
        panic("net: freed twice, or overwritten: %p (%x)", data, header->magic);
    }
    header->magic = MAGIC_FREE;
    stats.used -= size_of(header);
    if (header->class_index == CLASS_LARGE) {
        object->next = large_free;
        large_free = object;
        return;
    }
    struct chunk *chunk = (struct chunk *)(void *)((uint8_t *)header - header->offset);
    object->next = chunk->free;
    chunk->free = object;
    chunk->used--;
    if (!chunk->listed) {
        list_add(chunk);
    }
    // One empty chunk stays with its class, or every packet of a lone kind would cut it anew.
    if (chunk->used == 0 && (partial[chunk->class_index] != chunk || chunk->next != NULL)) {
        list_remove(chunk);
        chunk->next = empty_chunks;
        empty_chunks = chunk;
    }
}

const struct net_memory_stats *net_memory_stats(void) {
    return &stats;
}
