// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Options of the image and of the command line. The payload's form is in payload.h.

#include <string.h>

#include "py/mpconfig.h"
#include "lib/uzlib/uzlib.h"
#if !MICROPY_PY_DEFLATE
#include "lib/uzlib/crc32.c" // else a part of the module deflate
#endif

#include "boot_info.h"
#include "fw_cfg.h"
#include "memory.h"
#include "options.h"
#include "panic.h"
#include "payload.h"

static const uint8_t *payload;
static const struct payload_header *header;

#define FW_CFG_ARGUMENTS "args" // the item that has the app's arguments
#define ARGUMENTS_MAX 2048 // bytes of it

void options_init(void) {
    fw_cfg_init();
    size_t size;
    payload = memory_payload(&size);
    if (payload == NULL) {
        return;
    }
    header = (const void *)payload;
    if (memcmp(header->magic, PAYLOAD_MAGIC, sizeof(header->magic)) != 0
        || header->version != PAYLOAD_VERSION) {
        panic("payload: unknown form, made for another kernel: build the image again");
    }
    if (header->size > size || header->header_size < sizeof(*header)
        || header->header_size > header->size
        || header->options_offset > header->size
        || header->options_size > header->size - header->options_offset
        || header->romfs_offset > header->size
        || header->romfs_size > header->size - header->romfs_offset) {
        panic("payload: truncated image: %lu bytes of %lu", size, header->size);
    }
    uint32_t crc = ~uzlib_crc32(payload + header->header_size,
        header->size - header->header_size, ~0u);
    if (crc != header->crc32) {
        panic("payload checksum: %08x instead of %08x, the image is damaged", crc, header->crc32);
    }
}

struct word {
    const char *text;
    size_t size;
};

static bool is_blank(char c) {
    return c == ' ' || c == '\n' || c == '\t';
}

// Take the next word off the text from (*at) to (end); false if there is none. A word that has
// blanks stands in double quotes, which are not part of it.
static bool next_word(const char **at, const char *end, struct word *word) {
    const char *c = *at;
    while (c < end && is_blank(*c)) {
        c++;
    }
    bool quoted = c < end && *c == '"';
    c += quoted;
    word->text = c;
    while (c < end && (quoted ? *c != '"' : !is_blank(*c))) {
        c++;
    }
    word->size = c - word->text;
    *at = quoted && c < end ? c + 1 : c;
    return quoted || word->size > 0;
}

static bool is_separator(const struct word *word) {
    return word->size == 2 && word->text[0] == '-' && word->text[1] == '-';
}

static int copy_value(const char *from, size_t length, char *value, size_t size) {
    if (size > 0) {
        size_t n = length < size ? length : size - 1;
        memcpy(value, from, n);
        value[n] = 0;
    }
    return length;
}

static int payload_option(const char *key, char *value, size_t size) {
    if (payload == NULL) {
        return -1;
    }
    const char *at = (const char *)payload + header->options_offset;
    const char *end = at + header->options_size;
    size_t key_size = strlen(key);
    int length = -1;
    struct word word;
    while (next_word(&at, end, &word) && !is_separator(&word)) {
        if (word.size > key_size && memcmp(word.text, key, key_size) == 0
            && word.text[key_size] == '=') {
            length = copy_value(word.text + key_size + 1, word.size - key_size - 1, value, size);
        }
    }
    return length;
}

static int fw_cfg_option(const char *key, char *value, size_t size) {
    int length = fw_cfg_get(key, value, size > 0 ? size - 1 : 0);
    if (length >= 0 && size > 0) {
        value[(size_t)length < size ? (size_t)length : size - 1] = 0;
    }
    return length;
}

int option_get(const char *key, char *value, size_t size) {
    int length = boot_option(key, value, size);
    if (length < 0) {
        length = fw_cfg_option(key, value, size);
    }
    return length >= 0 ? length : payload_option(key, value, size);
}

bool option_is(const char *key, const char *value) {
    char buffer[32];
    return option_get(key, buffer, sizeof(buffer)) >= 0 && strcmp(buffer, value) == 0;
}

uint64_t option_size(const char *key, uint64_t whole, uint64_t otherwise) {
    char text[24];
    if (option_get(key, text, sizeof(text)) <= 0) {
        return otherwise;
    }
    uint64_t number = 0;
    const char *c = text;
    while (*c >= '0' && *c <= '9' && number < UINT32_MAX) {
        number = number * 10 + (*c++ - '0');
    }
    if (c == text) {
        return otherwise;
    }
    switch (*c) {
        case 'K':
            return number << 10;
        case 'M':
            return number << 20;
        case 'G':
            return number << 30;
        case '%':
            return number >= 100 ? whole : whole / 100 * number;
        case 0:
            return number;
        default:
            return otherwise;
    }
}

typedef void use_word(void *arg, const char *word, size_t size);

// Words behind "--" in one text; false if it has no "--".
static bool text_arguments(const char *at, const char *end, use_word *fn, void *arg) {
    bool behind = false;
    struct word word;
    while (next_word(&at, end, &word)) {
        if (behind) {
            fn(arg, word.text, word.size);
        } else {
            behind = is_separator(&word);
        }
    }
    return behind;
}

// All words of QEMU's item; false if there is none.
static bool fw_cfg_arguments(use_word *fn, void *arg) {
    char text[ARGUMENTS_MAX];
    int length = fw_cfg_get(FW_CFG_ARGUMENTS, text, sizeof(text));
    const char *at = text;
    const char *end = text + ((size_t)length < sizeof(text) ? (size_t)length : sizeof(text));
    struct word word;
    while (length > 0 && next_word(&at, end, &word)) {
        fn(arg, word.text, word.size);
    }
    return length >= 0;
}

void options_arguments(void (*fn)(void *arg, const char *word, size_t size), void *arg) {
    const char *cmdline = boot_info.cmdline;
    if (!text_arguments(cmdline, cmdline + strlen(cmdline), fn, arg)
        && !fw_cfg_arguments(fn, arg) && payload != NULL) {
        const char *text = (const char *)payload + header->options_offset;
        text_arguments(text, text + header->options_size, fn, arg);
    }
}

const void *options_romfs(size_t *size) {
    if (payload == NULL || header->romfs_size == 0) {
        return NULL;
    }
    *size = header->romfs_size;
    return payload + header->romfs_offset;
}
