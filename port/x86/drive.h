// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The machine's disks (drives, because FatFs has the names of the form disk_read): a driver and a
// cache each, in memory that is set aside at boot, so that they outlive soft resets and what they
// hold is never the collector's. Main thread only; the errors are those of virtio_blk.h, negative.

#ifndef IMPORTOS_DRIVE_H
#define IMPORTOS_DRIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio_blk.h"

struct drive;

// Find the disks and set memory aside for each. After heap_boot(), before heap_start().
void drive_boot(void);

// The (n)th disk; NULL: there is none, or it could not be started. Starts it on first call.
struct drive *drive_get(unsigned n);
unsigned drive_count(void); // also counts those that cannot be started

void drive_info(struct drive *drive, struct virtio_blk_info *info);
const struct virtio_blk_stats *drive_stats(const struct drive *drive);
int drive_serial(struct drive *drive, char *serial); // see virtio_blk_serial()
size_t drive_memory(const struct drive *drive); // bytes kept for it

// Any offset and size in bytes, within the disk. What is written is kept after drive_sync().
int drive_read(struct drive *drive, uint64_t offset, void *data, size_t size);
int drive_write(struct drive *drive, uint64_t offset, const void *data, size_t size);
// The contents are not needed any more; the host is told.
int drive_discard(struct drive *drive, uint64_t offset, uint64_t size);
int drive_sync(struct drive *drive);

// Sync every disk in use. Returns 0 or the first error. Before the machine is left.
int drive_sync_all(void);

#endif // IMPORTOS_DRIVE_H
