// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Virtio memory balloon (virtio 1.1, section 5.5): the host says how many pages it wants, and is
// told which ones it may have. Which those are, and when, is balloon.h's.
//
// Context: the main thread. While the host answers the CPU halts, and interrupt handlers run.
// Errors: -EIO the device broke the rules or does not answer within a second: it is stopped, and
// what it has it keeps; -ENODEV after that.

#ifndef IMPORTOS_VIRTIO_BALLOON_H
#define IMPORTOS_VIRTIO_BALLOON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VIRTIO_BALLOON_PAGE 4096u // bytes, the unit of all that follows

// True if there is one. Looks for it on first call.
bool virtio_balloon_exists(void);

// Bytes of page-aligned memory that virtio_balloon_start() needs.
size_t virtio_balloon_memory_size(void);

// (changed)() is called in interrupt context when the host wants another number of pages, or
// statistics.
int virtio_balloon_start(void *memory, void (*changed)(void));

uint32_t virtio_balloon_wanted(void); // pages; 0 after a failure
bool virtio_balloon_deflates_by_itself(void); // pages may be taken back when memory is short

// Give (count) pages at (start) to the host, who throws away what is in them; or take them back.
int virtio_balloon_give(uintptr_t start, size_t count);
int virtio_balloon_take(uintptr_t start, size_t count);

// Tell the host how many pages it has.
void virtio_balloon_tell(uint32_t count);

// True if the host waits for statistics; send them. Bytes.
bool virtio_balloon_stats_wanted(void);
void virtio_balloon_send_stats(uint64_t total, uint64_t free);

#endif // IMPORTOS_VIRTIO_BALLOON_H
