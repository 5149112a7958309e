// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The 9P client against a host that answers nonsense, under the sanitizers. The heads of most
// answers are right, so that the fields are looked at. Arguments: seed, rounds.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap.h"
#include "share.h"
#include "virtio_9p.h"

static uint8_t *request, *answer;
static int honest; // answers that are right to begin with
static unsigned calls;

void *heap_reserve(size_t size) {
    return malloc(size);
}

struct virtio_9p *virtio_9p_get(unsigned n) {
    return n == 0 ? (struct virtio_9p *)&calls : NULL;
}

size_t virtio_9p_memory_size(void) {
    return 1;
}

int virtio_9p_start(struct virtio_9p *p9, void *memory) {
    (void)p9;
    (void)memory;
    return 0;
}

const char *virtio_9p_tag(const struct virtio_9p *p9) {
    (void)p9;
    return "fuzz";
}

uint8_t *virtio_9p_request(struct virtio_9p *p9) {
    (void)p9;
    return request;
}

const uint8_t *virtio_9p_answer(struct virtio_9p *p9) {
    (void)p9;
    return answer;
}

static void put(unsigned at, uint64_t value, unsigned size) {
    memcpy(answer + at, &value, size);
}

// An answer of (length) bytes, most of it noise.
static void make_nonsense(unsigned length) {
    for (unsigned i = 0; i < length; i++) {
        answer[i] = rand() % 3 == 0 ? 0 : (uint8_t)rand();
    }
    if (length < 11) {
        return;
    }
    put(0, rand() % 8 == 0 ? (uint64_t)rand() : length, 4);
    put(4, request[4] + 1u, 1);
    put(5, rand() % 16 == 0 ? 0 : request[5] | request[6] << 8, 2);
    put(7, rand() % 4 == 0 ? (uint64_t)rand() : length - 11, 4); // a count of data
    if (rand() % 8 == 0) {
        put(4, 7, 1); // an error; not EMFILE, which is what is looked for
        put(7, EIO, 4);
    }
    if (request[4] == 110 && rand() % 4 != 0) {
        put(7, request[15] | request[16] << 8, 2); // as many as were asked for
    }
}

int virtio_9p_call(struct virtio_9p *p9, size_t size) {
    (void)p9;
    calls++;
    uint32_t told;
    memcpy(&told, request, 4);
    if (told != size || size < 7 || size > VIRTIO_9P_MESSAGE_MAX) {
        printf("share: request of %zu bytes says %u\n", size, told);
        exit(1);
    }
    if (honest > 0) {
        honest--;
        memcpy(answer, request, size);
        put(4, request[4] + 1u, 1);
        return (int)size;
    }
    unsigned length = (unsigned)rand() % (rand() % 4 == 0 ? VIRTIO_9P_MESSAGE_MAX : 200);
    make_nonsense(length);
    return rand() % 50 == 0 ? -5 : (int)length;
}

static void use(struct share *share) {
    static const char *const paths[] = {
        "", "/", "a", "/a/b/c", "../..", "a/../b", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18",
    };
    static uint8_t data[100000];
    const char *path = paths[(size_t)rand() % (sizeof(paths) / sizeof(paths[0]))];
    struct share_stat stat;
    struct share_space space;
    struct share_entry entry;
    uint64_t offset = 0;
    share_stat(share, path, &stat);
    share_space(share, &space);
    share_mkdir(share, path);
    share_remove(share, path, rand() % 2);
    share_rename(share, path, paths[3]);
    int file = share_open(share, path, rand() % 2 ? SHARE_READ : SHARE_WRITE | SHARE_CREATE);
    if (file == -EMFILE) {
        printf("share: a file number was lost\n"); // one at most is in use here
        exit(1);
    }
    if (file >= 0) {
        size_t size = (size_t)rand() % sizeof(data);
        int count = share_read(share, file, 0, data, size);
        if (count > (int)size || share_write(share, file, 9, data, size) > (int)size) {
            printf("share: more bytes than were asked for\n");
            exit(1);
        }
        for (int i = 0; i < 20 && share_next(share, file, &offset, &entry) == 1; i++) {
            if (strlen(entry.name) > 255) {
                printf("share: name too long\n");
                exit(1);
            }
        }
        share_size(share, file);
        share_sync(share, file);
        share_close(share, file);
    }
}

int main(int argc, char **argv) {
    srand(argc > 1 ? (unsigned)atoi(argv[1]) : 1);
    request = malloc(VIRTIO_9P_MESSAGE_MAX);
    answer = malloc(VIRTIO_9P_MESSAGE_MAX);
    honest = 2;
    share_boot();
    struct share *share = share_get(0);
    if (share == NULL) {
        printf("share: does not attach to an honest host\n");
        return 1;
    }
    for (int i = argc > 2 ? atoi(argv[2]) : 1000; i > 0; i--) {
        use(share);
    }
    printf("%u calls\n", calls);
    return 0;
}
