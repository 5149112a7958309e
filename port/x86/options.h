// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What the user decided outside of Python: the kernel command line, QEMU's items opt/importos/KEY
// (fw_cfg.h), and the options in the image's payload; the first that has a key wins. The first and
// the last are words "key=value", and words after "--" are the app's arguments; of QEMU's items
// the one named "args" has these.

#ifndef IMPORTOS_OPTIONS_H
#define IMPORTOS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Check the payload. Panics if there is one and it is damaged. Boot time only.
void options_init(void);

// Value of (key): writes at most (size) - 1 bytes and a NUL to (value), returns the full length,
// or -1 if nobody set it. Any context.
int option_get(const char *key, char *value, size_t size);

// True if (key) has the value (value).
bool option_is(const char *key, const char *value);

// "64K", "16M", "1G", or "50%" of (whole), in bytes; (otherwise) if absent or nonsense.
uint64_t option_size(const char *key, uint64_t whole, uint64_t otherwise);

// Call fn(arg, word, size) for each word behind "--".
void options_arguments(void (*fn)(void *arg, const char *word, size_t size), void *arg);

// The payload's ROMFS, or NULL.
const void *options_romfs(size_t *size);

#endif // IMPORTOS_OPTIONS_H
