// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// 9P2000.L, the client's side (https://github.com/chaos/diod/blob/master/protocol.md). A message
// is size[4] type[1] tag[2] and its fields; the answer's type is one more than the request's.

#include "share.h"

#include <errno.h>
#include <string.h>

#include "heap.h"
#include "virtio_9p.h"

#define MESSAGE_HEADER 7
#define IO_HEADER 24 // of Twrite, the largest header of data
#define IO_MAX (VIRTIO_9P_MESSAGE_MAX - IO_HEADER)
#define WALK_MAX 16 // names in one Twalk
#define NO_TAG 0xffff
#define TAG 1
#define ROOT 0 // the file number of the share's root
#define NO_USER 0xffffffff
#define REMOVE_FOLDER 0x200
#define TYPE_MASK 0170000u
#define TYPE_FOLDER 0040000u
#define TYPE_LINK 0120000u
#define ATTRIBUTES 0x7ff // the basic ones
#define QID_SIZE 13

enum {
    T_LERROR = 6, T_STATFS = 8, T_LOPEN = 12, T_LCREATE = 14, T_GETATTR = 24, T_READDIR = 40,
    T_FSYNC = 50, T_MKDIR = 72, T_RENAMEAT = 74, T_UNLINKAT = 76, T_VERSION = 100,
    T_ATTACH = 104, T_WALK = 110, T_READ = 116, T_WRITE = 118, T_CLUNK = 120,
};

struct share {
    struct virtio_9p *p9;
    void *memory;
    bool tried, works;
    uint64_t used; // bit (n): file number (n)
    uint8_t *out; // where the request goes on
    const uint8_t *in; // what of the answer is unread, and where it ends
    const uint8_t *in_end;
    bool bad; // the answer is shorter than what is read
    bool full; // the request is longer than a message
};

static struct share shares[VIRTIO_9P_MAX];

// --- messages -------------------------------------------------------------------------------

static void put(struct share *share, uint64_t value, unsigned size) {
    const uint8_t *end = virtio_9p_request(share->p9) + VIRTIO_9P_MESSAGE_MAX;
    if (share->out + size > end) {
        share->full = true;
        return;
    }
    for (unsigned i = 0; i < size; i++) {
        *share->out++ = (uint8_t)(value >> 8 * i);
    }
}

static void put_text(struct share *share, const char *text, size_t size) {
    put(share, size, 2);
    for (size_t i = 0; i < size; i++) {
        put(share, (uint8_t)text[i], 1);
    }
}

static uint64_t get(struct share *share, unsigned size) {
    uint64_t value = 0;
    if ((size_t)(share->in_end - share->in) < size) {
        share->bad = true;
        return 0;
    }
    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)*share->in++ << 8 * i;
    }
    return value;
}

static void skip(struct share *share, size_t size) {
    if ((size_t)(share->in_end - share->in) < size) {
        share->bad = true;
        share->in = share->in_end;
    } else {
        share->in += size;
    }
}

static void begin(struct share *share, unsigned type, uint32_t file) {
    share->out = virtio_9p_request(share->p9) + 4;
    share->full = false;
    put(share, type, 1);
    put(share, type == T_VERSION ? NO_TAG : TAG, 2);
    if (type != T_VERSION) {
        put(share, file, 4);
    }
}

// Send, and look at the head of the answer. Returns 0, or the error in it.
static int call(struct share *share) {
    uint8_t *request = virtio_9p_request(share->p9);
    size_t size = (size_t)(share->out - request);
    uint8_t type = request[4];
    if (share->full) {
        return -ENAMETOOLONG;
    }
    share->out = request;
    put(share, size, 4);
    int written = virtio_9p_call(share->p9, size);
    if (written < 0) {
        return written;
    }
    share->in = virtio_9p_answer(share->p9);
    share->in_end = share->in + written;
    share->bad = false;
    uint64_t length = get(share, 4), answer = get(share, 1), tag = get(share, 2);
    if (share->bad || length < MESSAGE_HEADER || length > (uint64_t)written ||
        tag != (type == T_VERSION ? NO_TAG : TAG)) {
        return -EIO;
    }
    share->in_end = virtio_9p_answer(share->p9) + length;
    if (answer == T_LERROR + 1) {
        uint64_t error = get(share, 4);
        return error > 0 && error < 4096 ? -(int)error : -EIO;
    }
    return answer == type + 1u ? 0 : -EIO;
}

// call(), and the answer's fields read by (fields) must all have been there.
static int checked(const struct share *share, int ret) {
    return ret == 0 && share->bad ? -EIO : ret;
}

static void clunk(struct share *share, uint32_t file) {
    begin(share, T_CLUNK, file);
    call(share);
    share->used &= ~(1ull << file);
}

// --- start ----------------------------------------------------------------------------------

void share_boot(void) {
    struct virtio_9p *p9;
    for (unsigned n = 0; n < VIRTIO_9P_MAX && (p9 = virtio_9p_get(n)) != NULL; n++) {
        shares[n] = (struct share) { .p9 = p9, .memory = heap_reserve(virtio_9p_memory_size()) };
    }
}

static int attach(struct share *share) {
    static const char version[] = "9P2000.L";
    begin(share, T_VERSION, 0);
    put(share, VIRTIO_9P_MESSAGE_MAX, 4);
    put_text(share, version, sizeof(version) - 1);
    int ret = call(share);
    if (ret < 0) {
        return ret;
    }
    uint64_t size = get(share, 4), length = get(share, 2);
    if (share->bad || size < VIRTIO_9P_MESSAGE_MAX || length != sizeof(version) - 1 ||
        (size_t)(share->in_end - share->in) < length || memcmp(share->in, version, length) != 0) {
        return -ENOTSUP;
    }
    begin(share, T_ATTACH, ROOT);
    put(share, NO_USER, 4);
    put_text(share, "", 0);
    put_text(share, "", 0);
    put(share, NO_USER, 4);
    ret = call(share);
    share->used = 1ull << ROOT;
    return ret;
}

struct share *share_get(unsigned n) {
    struct share *share = n < VIRTIO_9P_MAX ? &shares[n] : NULL;
    if (share == NULL || share->p9 == NULL || share->memory == NULL) {
        return NULL;
    }
    if (!share->tried) {
        share->tried = true;
        share->works = virtio_9p_start(share->p9, share->memory) == 0 && attach(share) == 0;
    }
    return share->works ? share : NULL;
}

const char *share_tag(const struct share *share) {
    return virtio_9p_tag(share->p9);
}

// --- paths ----------------------------------------------------------------------------------

struct name {
    const char *text;
    size_t size;
};

// The names of (path), "." and ".." worked out. Returns how many.
static int split(const char *path, struct name *names) {
    int count = 0;
    if (strlen(path) > SHARE_PATH_MAX) {
        return -ENAMETOOLONG;
    }
    while (*path != 0) {
        const char *end = strchr(path, '/');
        size_t size = end == NULL ? strlen(path) : (size_t)(end - path);
        if (size == 2 && memcmp(path, "..", 2) == 0) {
            count -= count > 0;
        } else if (size > 255) {
            return -ENAMETOOLONG;
        } else if (size > 0 && !(size == 1 && *path == '.')) {
            if (count == SHARE_DEPTH_MAX) {
                return -ENAMETOOLONG;
            }
            names[count++] = (struct name) { path, size };
        }
        path += size + (end != NULL);
    }
    return count;
}

static int take_file(struct share *share) {
    for (int n = 1; n <= SHARE_FILE_MAX; n++) {
        if (!(share->used & 1ull << n)) {
            share->used |= 1ull << n;
            return n;
        }
    }
    return -EMFILE;
}

// A file number for the file of (count) names, or an error.
static int walk(struct share *share, const struct name *names, int count) {
    int file = take_file(share);
    if (file < 0) {
        return file;
    }
    uint32_t from = ROOT;
    int done = 0;
    do {
        int part = count - done < WALK_MAX ? count - done : WALK_MAX;
        begin(share, T_WALK, from);
        put(share, (uint64_t)file, 4);
        put(share, (uint64_t)part, 2);
        for (int i = 0; i < part; i++) {
            put_text(share, names[done + i].text, names[done + i].size);
        }
        int ret = call(share);
        if (ret == 0 && (int)get(share, 2) != part) {
            ret = -ENOENT; // it got as far as a file that is no folder, or a link
        }
        if (ret < 0) {
            if (from == (uint32_t)file) {
                clunk(share, from);
            }
            share->used &= ~(1ull << file);
            return ret;
        }
        from = (uint32_t)file;
        done += part;
    } while (done < count);
    return file;
}

static int walk_path(struct share *share, const char *path) {
    struct name names[SHARE_DEPTH_MAX];
    int count = split(path, names);
    return count < 0 ? count : walk(share, names, count);
}

// The folder that (path) is in, and the last name.
static int walk_parent(struct share *share, const char *path, struct name *last) {
    struct name names[SHARE_DEPTH_MAX];
    int count = split(path, names);
    if (count <= 0) {
        return count < 0 ? count : -EBUSY; // the root
    }
    *last = names[count - 1];
    return walk(share, names, count - 1);
}

// --- operations -----------------------------------------------------------------------------

static int get_attributes(struct share *share, int file, struct share_stat *stat) {
    begin(share, T_GETATTR, (uint32_t)file);
    put(share, ATTRIBUTES, 8);
    int ret = call(share);
    skip(share, 8 + 5); // valid; type and version of the qid
    stat->inode = get(share, 8);
    stat->mode = (uint32_t)get(share, 4);
    skip(share, 4 + 4 + 8 + 8); // uid, gid, nlink, rdev
    stat->size = get(share, 8);
    skip(share, 8 + 8); // blksize, blocks
    stat->atime = get(share, 8);
    skip(share, 8);
    stat->mtime = get(share, 8);
    skip(share, 8);
    stat->ctime = get(share, 8);
    return checked(share, ret);
}

int share_stat(struct share *share, const char *path, struct share_stat *stat) {
    int file = walk_path(share, path);
    if (file < 0) {
        return file;
    }
    int ret = get_attributes(share, file, stat);
    clunk(share, (uint32_t)file);
    return ret;
}

int share_space(struct share *share, struct share_space *space) {
    begin(share, T_STATFS, ROOT);
    int ret = call(share);
    skip(share, 4);
    space->block_size = (uint32_t)get(share, 4);
    space->blocks = get(share, 8);
    space->free = get(share, 8);
    space->available = get(share, 8);
    space->files = get(share, 8);
    space->files_free = get(share, 8);
    skip(share, 8);
    space->name_max = (uint32_t)get(share, 4);
    return checked(share, ret);
}

int share_mkdir(struct share *share, const char *path) {
    struct name name;
    int folder = walk_parent(share, path, &name);
    if (folder < 0) {
        return folder == -EBUSY ? -EEXIST : folder;
    }
    begin(share, T_MKDIR, (uint32_t)folder);
    put_text(share, name.text, name.size);
    put(share, 0777, 4);
    put(share, NO_USER, 4);
    int ret = call(share);
    clunk(share, (uint32_t)folder);
    return ret;
}

int share_remove(struct share *share, const char *path, bool is_folder) {
    struct name name;
    int folder = walk_parent(share, path, &name);
    if (folder < 0) {
        return folder;
    }
    begin(share, T_UNLINKAT, (uint32_t)folder);
    put_text(share, name.text, name.size);
    put(share, is_folder ? REMOVE_FOLDER : 0, 4);
    int ret = call(share);
    clunk(share, (uint32_t)folder);
    return ret;
}

int share_rename(struct share *share, const char *from, const char *to) {
    struct name old, new;
    int source = walk_parent(share, from, &old);
    if (source < 0) {
        return source;
    }
    int target = walk_parent(share, to, &new);
    int ret = target;
    if (target >= 0) {
        begin(share, T_RENAMEAT, (uint32_t)source);
        put_text(share, old.text, old.size);
        put(share, (uint64_t)target, 4);
        put_text(share, new.text, new.size);
        ret = call(share);
        clunk(share, (uint32_t)target);
    }
    clunk(share, (uint32_t)source);
    return ret;
}

static int open_existing(struct share *share, const char *path, unsigned flags) {
    int file = walk_path(share, path);
    if (file < 0) {
        return file;
    }
    struct share_stat stat;
    int ret = get_attributes(share, file, &stat);
    if (ret == 0 && (stat.mode & TYPE_MASK) == TYPE_LINK) {
        ret = -ELOOP;
    }
    if (ret == 0 && (stat.mode & TYPE_MASK) == TYPE_FOLDER && flags != SHARE_READ) {
        ret = -EISDIR;
    }
    if (ret == 0) {
        begin(share, T_LOPEN, (uint32_t)file);
        put(share, flags & ~(SHARE_CREATE | SHARE_EXCLUSIVE), 4);
        ret = call(share);
    }
    if (ret < 0) {
        clunk(share, (uint32_t)file);
        return ret;
    }
    return file;
}

int share_open(struct share *share, const char *path, unsigned flags) {
    int ret = flags & SHARE_EXCLUSIVE ? -ENOENT : open_existing(share, path, flags);
    if (ret != -ENOENT || !(flags & SHARE_CREATE)) {
        return ret;
    }
    struct name name;
    int file = walk_parent(share, path, &name);
    if (file < 0) {
        return file == -EBUSY ? -EISDIR : file;
    }
    begin(share, T_LCREATE, (uint32_t)file); // the number of the folder becomes the file's
    put_text(share, name.text, name.size);
    put(share, flags | SHARE_EXCLUSIVE, 4);
    put(share, 0666, 4);
    put(share, NO_USER, 4);
    ret = call(share);
    if (ret < 0) {
        clunk(share, (uint32_t)file);
        return ret;
    }
    return file;
}

int share_read(struct share *share, int file, uint64_t offset, void *data, size_t size) {
    begin(share, T_READ, (uint32_t)file);
    put(share, offset, 8);
    put(share, size < IO_MAX ? size : IO_MAX, 4);
    int ret = call(share);
    uint64_t count = ret < 0 ? 0 : get(share, 4);
    if (ret < 0 || share->bad) {
        return ret < 0 ? ret : -EIO;
    }
    if (count > size || count > (size_t)(share->in_end - share->in)) {
        return -EIO;
    }
    memcpy(data, share->in, count);
    return (int)count;
}

int share_write(struct share *share, int file, uint64_t offset, const void *data, size_t size) {
    uint32_t part = size < IO_MAX ? (uint32_t)size : IO_MAX;
    begin(share, T_WRITE, (uint32_t)file);
    put(share, offset, 8);
    put(share, part, 4);
    memcpy(share->out, data, part);
    share->out += part;
    int ret = call(share);
    uint64_t count = ret < 0 ? 0 : get(share, 4);
    return ret < 0 ? ret : share->bad || count > part ? -EIO : (int)count;
}

int64_t share_size(struct share *share, int file) {
    struct share_stat stat;
    int ret = get_attributes(share, file, &stat);
    return ret < 0 ? ret : stat.size > INT64_MAX ? -EIO : (int64_t)stat.size;
}

int share_sync(struct share *share, int file) {
    begin(share, T_FSYNC, (uint32_t)file);
    put(share, 0, 4);
    return call(share);
}

void share_close(struct share *share, int file) {
    clunk(share, (uint32_t)file);
}

int share_next(struct share *share, int file, uint64_t *offset, struct share_entry *entry) {
    begin(share, T_READDIR, (uint32_t)file);
    put(share, *offset, 8);
    put(share, 512, 4); // one entry fits; more would be read again, as nothing is kept
    int ret = call(share);
    uint64_t count = ret < 0 ? 0 : get(share, 4);
    if (ret < 0 || share->bad || count == 0) {
        return ret < 0 ? ret : share->bad ? -EIO : 0;
    }
    skip(share, 5);
    entry->inode = get(share, 8);
    uint64_t next = get(share, 8);
    entry->folder = get(share, 1) == TYPE_FOLDER >> 12;
    uint64_t size = get(share, 2);
    if (share->bad || size >= sizeof(entry->name) ||
        size > (size_t)(share->in_end - share->in) || next == *offset) {
        return -EIO;
    }
    memcpy(entry->name, share->in, size);
    entry->name[size] = 0;
    *offset = next;
    return 1;
}
