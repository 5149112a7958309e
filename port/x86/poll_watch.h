// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Streams that tell a poll set when to ask them again. A set asks the entries of its list; one
// that is not ready leaves the list if its stream keeps its watch, and comes back when that has
// changed. So ten thousand idle connections cost a poll nothing. Main thread only; an entry is
// garbage-collected memory that begins with its watch.

#ifndef IMPORTOS_POLL_WATCH_H
#define IMPORTOS_POLL_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "py/obj.h"

struct poll_watch {
    struct poll_watch *next, *previous;
    struct poll_list *list; // where it is asked
    bool asleep; // not in the list: the stream has it
};

struct poll_list {
    struct poll_watch *first, *last;
};

static inline void poll_list_add(struct poll_watch *watch) {
    struct poll_list *list = watch->list;
    watch->asleep = false;
    watch->next = NULL;
    watch->previous = list->last;
    *(list->last == NULL ? &list->first : &list->last->next) = watch;
    list->last = watch;
}

static inline void poll_list_remove(struct poll_watch *watch) {
    struct poll_list *list = watch->list;
    *(watch->previous == NULL ? &list->first : &watch->previous->next) = watch->next;
    *(watch->next == NULL ? &list->last : &watch->next->previous) = watch->previous;
}

// The stream whose watch (*slot) is, or NULL, has changed: it is asked again.
static inline void poll_watch_wake(struct poll_watch **slot) {
    struct poll_watch *watch = *slot;
    if (watch != NULL) {
        *slot = NULL;
        poll_list_add(watch);
    }
}

// Where (stream) keeps the watch that it wakes when what it can read may have changed, or NULL: it
// cannot tell.
struct poll_watch **poll_watch_slot(mp_obj_t stream);

// Let (watch) sleep, if (stream) can tell. A stream has one watch: another that it had is woken.
static inline void poll_watch_sleep(struct poll_watch *watch, mp_obj_t stream) {
    struct poll_watch **slot = poll_watch_slot(stream);
    if (slot != NULL) {
        poll_watch_wake(slot);
        poll_list_remove(watch);
        watch->asleep = true;
        *slot = watch;
    }
}

#endif
