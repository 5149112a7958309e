// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The network's memory: what lwIP allocates (net_memory_alloc() and so on are named in
// lwipopts.h), and what the cards use. Taken from the machine's free RAM in arenas as it is
// needed, up to half of it, and never given back; it outlives a soft reset. Main thread only.

#ifndef IMPORTOS_NET_MEMORY_H
#define IMPORTOS_NET_MEMORY_H

#include <stddef.h>

struct net_memory_stats {
    size_t taken; // bytes of RAM
    size_t used; // bytes in live objects
    size_t used_max;
    size_t limit; // what taken may grow to
    unsigned long failed; // allocations that found nothing
};

// (size) bytes, page aligned, not zeroed, for ever: rings and buffers of a card. NULL: no room.
void *net_memory_pages(size_t size);

const struct net_memory_stats *net_memory_stats(void);

#endif // IMPORTOS_NET_MEMORY_H
