// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Frames between the cards and lwIP: pbufs around the card's own buffers on the way in, copies or
// large segments on the way out, and who computes which checksum.

#include <errno.h>
#include <string.h>

#include "lwip/pbuf.h"
#include "lwip/tcp.h"

#include "net_hooks.h"
#include "net_memory.h"
#include "net_quiet.h"
#include "netif_virtio.h"
#include "virtio_net.h"

#define SUM_TCP_OFFSET 16
#define TCP_WORDS_AT 12 // the length of the header in its upper half
#define PROTOCOL_TCP 6

// --- receive ------------------------------------------------------------------------------------

struct rx_pbuf {
    struct pbuf_custom custom; // first: lwIP hands back its address
    struct virtio_net *device;
    void *buffer;
};

static void rx_free(struct pbuf *p) {
    struct rx_pbuf *rx = (struct rx_pbuf *)(void *)p;
    virtio_net_release(rx->device, rx->buffer);
    net_memory_free(rx);
}

// A pbuf around the card's buffer, or around a copy once too many buffers are away from the card.
static struct pbuf *wrap(struct net_card *card, struct virtio_net_frame *frame, bool held) {
    if (held || virtio_net_posted(card->device) < card->posted_min) {
        struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)frame->size, PBUF_RAM);
        if (p != NULL) {
            memcpy(p->payload, frame->data, frame->size);
        }
        if (!held) {
            virtio_net_release(card->device, frame->buffer);
        }
        return p;
    }
    struct rx_pbuf *rx = net_memory_alloc(sizeof(*rx));
    if (rx == NULL) {
        virtio_net_release(card->device, frame->buffer);
        return NULL;
    }
    rx->custom.custom_free_function = rx_free;
    rx->device = card->device;
    rx->buffer = frame->buffer;
    return pbuf_alloced_custom(PBUF_RAW, (u16_t)frame->size, PBUF_REF, &rx->custom, frame->data,
        (u16_t)frame->size);
}

// Put the further buffers of a frame behind (p). False: no memory, and (p) is gone.
static bool wrap_rest(struct net_card *card, struct pbuf *p, size_t total) {
    struct virtio_net_frame piece;
    struct pbuf *last = p;
    p->tot_len = (u16_t)total;
    while (virtio_net_receive_rest(card->device, &piece)) {
        struct pbuf *next = wrap(card, &piece, false);
        if (next == NULL) {
            pbuf_free(p);
            return false;
        }
        total -= last->len;
        next->tot_len = (u16_t)total;
        last->next = next;
        last = next;
    }
    return true;
}

u16_t net_card_checksums(const struct net_card *card, bool verified) {
    u16_t flags = NETIF_CHECKSUM_ENABLE_ALL;
    if (virtio_net_checksums(card->device)) {
        flags &= (u16_t) ~NETIF_CHECKSUM_GEN_TCP;
    }
    if (verified) {
        flags &= (u16_t) ~(NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP);
    }
    return flags;
}

void net_card_input(struct net_card *card, struct virtio_net_frame *frame) {
    bool held = false;
    if (card->frame_hook != NULL && card->frame_hook(card->index, frame, &held)) {
        if (!held) {
            virtio_net_release(card->device, frame->buffer);
        }
        return;
    }
    bool verified = frame->verified;
    struct pbuf *p = wrap(card, frame, held);
    if (p == NULL || (frame->rest > 0 && !wrap_rest(card, p, frame->size + frame->rest))) {
        card->rx_no_memory++;
        return;
    }
    NETIF_SET_CHECKSUM_CTRL(&card->netif, net_card_checksums(card, verified));
    if (card->netif.input(p, &card->netif) != ERR_OK) {
        pbuf_free(p);
    }
}

// --- send ---------------------------------------------------------------------------------------

static uint16_t fold(uint32_t sum) {
    sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t)((sum >> 16) + (sum & 0xffff));
}

// Where the card has to complete a TCP checksum in (frame), or 0; puts the pseudo header's sum
// there (virtio 1.1, 5.1.6.2). (size) bytes of the frame's (total) are at hand.
static unsigned prepare_checksum(uint8_t *frame, size_t size, size_t total) {
    unsigned start;
    uint32_t sum;
    if (size < 34) {
        return 0;
    }
    if (frame[12] == 0x08 && frame[13] == 0x00 && frame[23] == PROTOCOL_TCP) {
        start = 14 + (frame[14] & 0xf) * 4u;
        sum = net_checksum(frame + 26, 8);
    } else if (frame[12] == 0x86 && frame[13] == 0xdd && size >= 54 &&
               frame[20] == PROTOCOL_TCP) {
        start = 54;
        sum = net_checksum(frame + 22, 32);
    } else {
        return 0;
    }
    if (start + 20 > size) {
        return 0;
    }
    sum += lwip_htons((u16_t)(total - start)) + lwip_htons(PROTOCOL_TCP);
    uint16_t folded = fold(sum);
    memcpy(frame + start + SUM_TCP_OFFSET, &folded, 2);
    return start;
}

void net_card_sent(void *cookie) {
    pbuf_free(cookie);
}

#if LWIP_TCP
// A TCP segment above the MTU goes out from where it is, and the card cuts it: (p) is held until
// it has. TCP does not touch a segment that somebody holds.
static err_t output_large(struct net_card *card, struct pbuf *p) {
    struct virtio_net_large large; // its pieces are many: not cleared
    unsigned start = prepare_checksum(p->payload, p->len, p->tot_len);
    if (net_tcp_packet_size == 0 || start == 0 || !virtio_net_segments(card->device)) {
        return ERR_BUF;
    }
    const uint8_t *frame = p->payload;
    large.count = 0;
    large.segment_size = net_tcp_packet_size;
    large.header_size = (uint16_t)(start + (frame[start + TCP_WORDS_AT] >> 4) * 4u);
    large.sum_start = (uint16_t)start;
    large.sum_offset = SUM_TCP_OFFSET;
    large.ip6 = frame[12] == 0x86;
    for (struct pbuf *q = p; q != NULL; q = q->next) {
        if (large.count == VIRTIO_NET_PIECES_MAX) {
            return ERR_BUF;
        }
        if (q->len > 0) {
            large.piece[large.count].data = q->payload;
            large.piece[large.count++].size = q->len;
        }
    }
    pbuf_ref(p);
    int ret = virtio_net_send_large(card->device, &large, p);
    if (ret < 0) {
        pbuf_free(p);
        return ret == -EAGAIN ? ERR_MEM : ERR_IF;
    }
    return ERR_OK;
}
#else
static err_t output_large(struct net_card *card, struct pbuf *p) {
    (void)card;
    (void)p;
    return ERR_BUF;
}
#endif

err_t net_card_output(struct netif *netif, struct pbuf *p) {
    struct net_card *card = netif->state;
    if (p->tot_len > virtio_net_mtu(card->device) + VIRTIO_NET_HEADER_SIZE) {
        err_t err = output_large(card, p);
        if (!card->polling) {
            virtio_net_flush(card->device);
        }
        return err;
    }
    uint8_t *data = virtio_net_send_begin(card->device);
    if (data == NULL) {
        return virtio_net_failed(card->device) ? ERR_IF : ERR_MEM;
    }
    size_t size = pbuf_copy_partial(p, data, p->tot_len, 0);
    if (net_quiet_sent(data, size) && !card->polling) {
        net_schedule();
    }
    unsigned sum_start = virtio_net_checksums(card->device) ?
        prepare_checksum(data, size, size) : 0;
    virtio_net_send_end(card->device, size, sum_start, SUM_TCP_OFFSET);
    if (!card->polling) {
        virtio_net_flush(card->device);
    }
    return ERR_OK;
}

int net_card_send(struct net_card *card, const void *data, size_t size) {
    if (size < VIRTIO_NET_HEADER_SIZE) {
        return -EINVAL;
    }
    if (size > virtio_net_mtu(card->device) + VIRTIO_NET_HEADER_SIZE) {
        return -EMSGSIZE;
    }
    uint8_t *to = virtio_net_send_begin(card->device);
    if (to == NULL) {
        return virtio_net_failed(card->device) ? -ENODEV : -ENOBUFS;
    }
    memcpy(to, data, size);
    virtio_net_send_end(card->device, size, 0, 0);
    if (!card->polling) {
        virtio_net_flush(card->device);
    }
    return 0;
}
