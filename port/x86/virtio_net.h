// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Virtio network cards (virtio 1.1, section 5.1): Ethernet frames in, frames out. This is the
// waist between the drivers and the network stack; it knows neither IP nor Python.
//
// Context: the main thread, but for the function that virtio_net_on_ready() is given.
// Errors: -EAGAIN nothing waits, or the ring is full; -ENODEV the card failed for good (it broke
// the rules more often than VIRTIO_NET_RESET_MAX times, or does not come out of reset).
//
// Frames are handed over in the card's own buffers, so that the stack decides what is copied:
// a received frame is the caller's until virtio_net_release(), a buffer to send is the caller's
// from virtio_net_send_begin() to virtio_net_send_end().

#ifndef IMPORTOS_VIRTIO_NET_H
#define IMPORTOS_VIRTIO_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VIRTIO_NET_MAX 8 // cards
#define VIRTIO_NET_RING_MAX 256 // frames in each direction
#define VIRTIO_NET_RESET_MAX 3
#define VIRTIO_NET_FRAME_MIN 60 // shorter ones are padded with zeros, as on the wire
#define VIRTIO_NET_HEADER_SIZE 14 // of an Ethernet frame
#define VIRTIO_NET_PIECES_MAX 64 // of one frame, in memory

struct virtio_net;

// A frame, or the first piece of one that lies in several buffers.
struct virtio_net_frame {
    uint8_t *data; // Ethernet header first, no FCS
    size_t size; // bytes of this piece; with the rest at least VIRTIO_NET_FRAME_MIN
    size_t rest; // bytes in the pieces that follow
    bool verified; // the TCP or UDP checksum is known to be right
    void *buffer; // for virtio_net_release()
};

// A TCP segment that the card cuts into packets of (segment_size) bytes of payload, each with the
// headers at the front of the first piece (virtio 1.1, 5.1.6.2).
struct virtio_net_large {
    struct {
        void *data;
        uint32_t size; // bytes
    } piece[VIRTIO_NET_PIECES_MAX];
    unsigned count;
    uint16_t header_size; // bytes: Ethernet, IP, TCP
    uint16_t segment_size;
    uint16_t sum_start, sum_offset; // as for virtio_net_send_end()
    bool ip6;
};

struct virtio_net_stats {
    uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes;
    uint64_t rx_dropped; // runts, giants, lengths that cannot be
    uint64_t tx_full; // times that the ring was full
    uint64_t interrupts;
    uint64_t violations; // rules of the ring that the device broke
    uint64_t resets; // that followed
};

// The (n)th card, probed on first call; NULL if there is none.
struct virtio_net *virtio_net_get(unsigned n);

// Reset the card and negotiate. Returns the bytes of page-aligned memory that
// virtio_net_start() needs for at most (ring) frames each way, or -ENOTSUP, -EIO. (large): frames
// of up to 64 KiB too, whole TCP segments that no wire has to carry, if the card can do that.
// What that gains is in modules/net/README.md.
long virtio_net_prepare(struct virtio_net *net, unsigned ring, bool large);

// Begin to receive, with (memory) as the card's for ever. -ENODEV, -EIO: see the log.
int virtio_net_start(struct virtio_net *net, void *memory);

// Stop the card and take its interrupts away. Frames that are held stay valid until released.
void virtio_net_stop(struct virtio_net *net);

// Call fn(arg) in interrupt context when frames may be waiting, when room to send has come back
// after -EAGAIN, or when the link changed. Not again before virtio_net_wait(). NULL: nobody.
void virtio_net_on_ready(struct virtio_net *net, void (*fn)(void *arg), void *arg);

// Take one frame. Returns its size, or -EAGAIN or -ENODEV.
int virtio_net_receive(struct virtio_net *net, struct virtio_net_frame *frame);

// Take the next piece of the frame received last, to be released by itself; false: no more. What
// is not taken before the next frame goes back to the card.
bool virtio_net_receive_rest(struct virtio_net *net, struct virtio_net_frame *piece);

// (raw): receive frames as they are on the wire only, complete with their checksums. Resets the
// card when that is a change.
void virtio_net_raw(struct virtio_net *net, bool raw);

// Give a received frame's buffer back to the card.
void virtio_net_release(struct virtio_net *net, void *buffer);

// Buffers that the card has left to receive into.
unsigned virtio_net_posted(const struct virtio_net *net);

// Whether (count) frames, but at most a quarter of the ring, could be queued now; if not, the
// function of virtio_net_start() is called when there is room. True of a card that failed.
bool virtio_net_room(struct virtio_net *net, unsigned count);

// A buffer to fill with a frame of up to virtio_net_mtu() + VIRTIO_NET_HEADER_SIZE + 4 bytes, or
// NULL if the ring is full or the card failed. Must be followed by virtio_net_send_end().
uint8_t *virtio_net_send_begin(struct virtio_net *net);

// Queue the buffer with (size) bytes in it; 0 gives it back unused. (sum_start) not 0: the card
// completes the checksum over everything from that offset and stores it at (sum_offset) from
// there, where the pseudo header's sum stands; only if virtio_net_checksums().
void virtio_net_send_end(struct virtio_net *net, size_t size, unsigned sum_start,
    unsigned sum_offset);

// Queue a large segment; only if virtio_net_segments(). Its memory is the card's until the
// function of virtio_net_on_sent() is called with (cookie), which is not NULL. 0, -EAGAIN or
// -ENODEV; -EINVAL: too many pieces.
int virtio_net_send_large(struct virtio_net *net, struct virtio_net_large *large, void *cookie);
void virtio_net_on_sent(struct virtio_net *net, void (*fn)(void *cookie));

// Take back what the card has sent; otherwise that happens when its buffers run short.
void virtio_net_reclaim(struct virtio_net *net);

// Tell the card about everything released and queued since the last call.
void virtio_net_flush(struct virtio_net *net);

// Ask for the next call of the ready function; true if there is work already and none will come.
bool virtio_net_wait(struct virtio_net *net);

// True once after the ring was full and has room again.
bool virtio_net_send_resumed(struct virtio_net *net);

const uint8_t *virtio_net_mac(const struct virtio_net *net); // 6 bytes
unsigned virtio_net_mtu(const struct virtio_net *net); // bytes of a frame behind its header
bool virtio_net_link(struct virtio_net *net); // clears virtio_net_link_changed()
bool virtio_net_link_changed(const struct virtio_net *net); // the link may have changed
bool virtio_net_checksums(const struct virtio_net *net); // the card computes checksums
bool virtio_net_segments(const struct virtio_net *net); // it cuts TCP over IPv4 and IPv6
// True if the card failed for good, or is not in its slot any more, which is looked up: not for
// every frame.
bool virtio_net_lost(struct virtio_net *net);
bool virtio_net_failed(const struct virtio_net *net);
const struct virtio_net_stats *virtio_net_stats(const struct virtio_net *net);

// "pci msix", "pci intx" or "mmio": how the card is attached, for a person to read.
const char *virtio_net_attachment(const struct virtio_net *net);

#endif // IMPORTOS_VIRTIO_NET_H
