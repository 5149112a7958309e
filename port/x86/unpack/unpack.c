// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Unpacks a compressed image: LZMA (the LZMA specification of the LZMA SDK, 2015; raw, without its
// 13-byte header), then the operands of calls and jumps back from absolute to relative. 32-bit
// code that runs once, before any kernel; entry.S calls it. tools/importos/compress.py packs.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POSITION_BITS_MAX 4
#define STATES 12
#define LITERAL_STATES 7 // those that follow a literal
#define LENGTH_MIN 2
#define DISTANCE_STATES 4 // by length
#define ALIGN_BITS 4
#define END_MARK 0xffffffffu

// Filled in by compress.py.
struct unpack_order {
    char mark[8];
    uint32_t pvh_entry, multiboot_entry; // of this program
    uint32_t packed, packed_size; // address and bytes of the LZMA data
    uint32_t target, size; // where the image's file goes, and its bytes
    uint32_t entry; // of the kernel
    uint32_t properties; // (pb * 5 + lp) * 9 + lc
    uint32_t scratch; // address of the probabilities; the stack is below
};

extern const volatile struct unpack_order order;
__attribute__((externally_visible)) uint32_t unpack(void); // entry.S calls it

typedef uint16_t probability;

// The two length coders.
struct lengths {
    probability choice, choice2;
    probability low[1 << POSITION_BITS_MAX][1 << 3];
    probability mid[1 << POSITION_BITS_MAX][1 << 3];
    probability high[1 << 8];
};

struct model {
    probability match[STATES][1 << POSITION_BITS_MAX];
    probability rep[STATES], rep0[STATES], rep1[STATES], rep2[STATES];
    probability rep0_long[STATES][1 << POSITION_BITS_MAX];
    probability slot[DISTANCE_STATES][1 << 6];
    probability special[128];
    probability align[1 << ALIGN_BITS];
    struct lengths match_length, rep_length;
    probability literal[]; // 0x300 for each context
};

struct input {
    const uint8_t *at, *end;
    uint32_t range, code;
    bool damaged;
};

static void normalize(struct input *in) {
    if (in->range < 1u << 24) {
        in->range <<= 8;
        in->code <<= 8;
        if (in->at == in->end) {
            in->damaged = true;
        } else {
            in->code |= *in->at++;
        }
    }
}

static unsigned bit(struct input *in, probability *p) {
    normalize(in);
    uint32_t bound = (in->range >> 11) * *p;
    if (in->code < bound) {
        in->range = bound;
        *p += (2048 - *p) >> 5;
        return 0;
    }
    in->range -= bound;
    in->code -= bound;
    *p -= *p >> 5;
    return 1;
}

static uint32_t direct_bits(struct input *in, unsigned count) {
    uint32_t value = 0;
    while (count-- > 0) {
        normalize(in);
        in->range >>= 1;
        bool one = in->code >= in->range;
        in->code -= one ? in->range : 0;
        value = value << 1 | one;
    }
    return value;
}

static unsigned tree(struct input *in, probability *p, unsigned bits) {
    unsigned node = 1;
    for (unsigned i = 0; i < bits; i++) {
        node = node << 1 | bit(in, &p[node]);
    }
    return node - (1u << bits);
}

static unsigned reverse_tree(struct input *in, probability *p, unsigned bits) {
    unsigned node = 1, value = 0;
    for (unsigned i = 0; i < bits; i++) {
        unsigned one = bit(in, &p[node]);
        node = node << 1 | one;
        value |= one << i;
    }
    return value;
}

static unsigned length(struct input *in, struct lengths *lengths, unsigned position) {
    if (!bit(in, &lengths->choice)) {
        return LENGTH_MIN + tree(in, lengths->low[position], 3);
    }
    if (!bit(in, &lengths->choice2)) {
        return LENGTH_MIN + 8 + tree(in, lengths->mid[position], 3);
    }
    return LENGTH_MIN + 16 + tree(in, lengths->high, 8);
}

static uint32_t distance(struct input *in, struct model *model, unsigned size) {
    unsigned state = size - LENGTH_MIN;
    state = state < DISTANCE_STATES ? state : DISTANCE_STATES - 1;
    unsigned slot = tree(in, model->slot[state], 6);
    if (slot < 4) {
        return slot;
    }
    unsigned bits = (slot >> 1) - 1;
    uint32_t base = (2 | (slot & 1)) << bits;
    if (slot < 14) {
        return base + reverse_tree(in, model->special + base - slot, bits);
    }
    base += direct_bits(in, bits - ALIGN_BITS) << ALIGN_BITS;
    return base + reverse_tree(in, model->align, ALIGN_BITS);
}

static uint8_t literal(struct input *in, probability *p, bool matched, unsigned match_byte) {
    unsigned symbol = 1;
    while (matched && symbol < 0x100) {
        unsigned match_bit = match_byte >> 7 & 1;
        match_byte <<= 1;
        unsigned one = bit(in, &p[((1 + match_bit) << 8) + symbol]);
        symbol = symbol << 1 | one;
        matched = match_bit == one;
    }
    while (symbol < 0x100) {
        symbol = symbol << 1 | bit(in, &p[symbol]);
    }
    return (uint8_t)symbol;
}

// Which of the last four distances is used again, moved to the front. Returns the match's length.
static unsigned repeat(struct input *in, struct model *model, unsigned *state, unsigned position,
    uint32_t last[4]) {
    if (!bit(in, &model->rep0[*state])) {
        if (!bit(in, &model->rep0_long[*state][position])) {
            *state = *state < LITERAL_STATES ? 9 : 11;
            return 1;
        }
    } else {
        unsigned n = !bit(in, &model->rep1[*state]) ? 1 : !bit(in, &model->rep2[*state]) ? 2 : 3;
        uint32_t used = last[n];
        for (; n > 0; n--) {
            last[n] = last[n - 1];
        }
        last[0] = used;
    }
    *state = *state < LITERAL_STATES ? 8 : 11;
    return length(in, &model->rep_length, position);
}

static void lzma(struct input *in, struct model *model, uint8_t *out, uint32_t size) {
    unsigned lc = order.properties % 9, lp = order.properties / 9 % 5, pb = order.properties / 45;
    uint32_t last[4] = { 0 };
    unsigned state = 0;
    for (uint32_t at = 0; at < size && !in->damaged;) {
        unsigned position = at & ((1u << pb) - 1);
        if (!bit(in, &model->match[state][position])) {
            unsigned before = at == 0 ? 0 : out[at - 1];
            unsigned context = ((at & ((1u << lp) - 1)) << lc) + (before >> (8 - lc));
            bool matched = state >= LITERAL_STATES;
            out[at] = literal(in, model->literal + 0x300 * context, matched,
                matched ? out[at - last[0] - 1] : 0);
            at++;
            state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
            continue;
        }
        unsigned count;
        if (bit(in, &model->rep[state])) {
            count = repeat(in, model, &state, position, last);
        } else {
            last[3] = last[2];
            last[2] = last[1];
            last[1] = last[0];
            count = length(in, &model->match_length, position);
            state = state < LITERAL_STATES ? 7 : 10;
            last[0] = distance(in, model, count);
        }
        if (last[0] >= at || count > size - at) {
            in->damaged = true; // the end mark too: it comes behind the last byte
            return;
        }
        for (; count > 0; count--, at++) {
            out[at] = out[at - last[0] - 1];
        }
    }
}

// compress.py has made the operands of E8 and E9 absolute, where they lead into the image.
static void relative_calls(uint8_t *data, uint32_t size) {
    for (uint32_t at = 0; at + 5 <= size; at++) {
        if ((data[at] & 0xfe) == 0xe8) {
            uint32_t *operand = (uint32_t *)(void *)(data + at + 1);
            int32_t value = (int32_t)*operand;
            if (value >= 0 && (uint32_t)value < size) {
                *operand = (uint32_t)value - at;
            } else if (value < 0 && value >= -(int32_t)at) {
                *operand = (uint32_t)value + size;
            }
            at += 4;
        }
    }
}

// Returns the address of the kernel's entry, or 0: the data is damaged.
uint32_t unpack(void) {
    struct model *model = (struct model *)order.scratch;
    unsigned contexts = 1u << (order.properties % 9 + order.properties / 9 % 5);
    probability *p = (probability *)model;
    for (size_t n = sizeof(*model) / sizeof(*p) + 0x300 * contexts; n > 0; n--) {
        *p++ = 1024;
    }
    struct input in = { .at = (const uint8_t *)order.packed, .range = 0xffffffff };
    in.end = in.at + order.packed_size;
    in.damaged = *in.at++ != 0;
    for (unsigned i = 0; i < 4; i++) {
        in.code = in.code << 8 | *in.at++;
    }
    uint8_t *out = (uint8_t *)order.target;
    lzma(&in, model, out, order.size);
    relative_calls(out, order.size);
    return in.damaged ? 0 : order.entry;
}
