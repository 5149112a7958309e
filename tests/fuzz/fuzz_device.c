// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// A PCI network card that lies, from its configuration space to its rings: pci.c, virtio_pci.c,
// virtio.c, virtq.c, virtio_net.c and virtio_net_io.c against a model of a card whose every answer
// the input may change. What the driver must keep to, whatever it is told: it touches registers
// only in what it has mapped, and memory only within its buffers.
//
// The input: lies about the configuration space (a count, then offset and value), a byte of how
// often registers lie, and then steps of a program and of the card.

#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acpi.h"
#include "irq.h"
#include "pci.h"
#include "virtio.h"
#include "virtio_net.h"

#define PORT_ADDRESS 0xcf8
#define CARD_SLOT 3
#define BAR_ADDRESS 0xfe000000u
#define BAR_SIZE 0x4000u
#define COMMON 0x0000u
#define ISR 0x1000u
#define DEVICE 0x2000u
#define NOTIFY 0x3000u
#define MSIX 0x3800u
#define QUEUES 2
#define RING 256 // of the model's queues
#define HELD_MAX 64 // frames that the program keeps
#define WINDOWS 64

#define need(what) fail_unless(what, __LINE__)

static void fail_unless(bool right, unsigned line) {
    if (!right) {
        fprintf(stderr, "fuzz_device.c:%u: not so\n", line);
        abort();
    }
}

struct acpi_info acpi_info; // no memory-mapped configuration space

void acpi_scan_dsdt(void) {
    acpi_info.pci_window = 0xc0000000;
    acpi_info.pci_window_size = 0x30000000;
}

static uint32_t address_port;
static uint8_t config[256], writable[256]; // of the card; bits that can be written
static uint8_t bar[BAR_SIZE];
static bool bar_lies; // about where it is and how large
static unsigned lie_share; // of 256 reads
static struct {
    uint64_t address, size;
} window[WINDOWS];
static unsigned window_count;
static struct queue {
    uint64_t desc, avail, used;
    uint16_t size, msix, seen, done;
    bool enabled;
} queue[QUEUES];
static void (*irq_handler)(void *arg);
static void *irq_arg;

// --- the machine --------------------------------------------------------------------------------

static uint8_t *config_at(void) {
    bool here = (address_port & 0x80ffff00) == (0x80000000 | CARD_SLOT << 11);
    return here ? &config[address_port & 0xfc] : NULL;
}

uint32_t inl(uint16_t port) {
    if (port == PORT_ADDRESS) {
        return address_port;
    }
    uint32_t value = 0xffffffff;
    if (config_at() != NULL) {
        memcpy(&value, config_at(), 4);
    }
    return value;
}

static void write_config(unsigned at, uint32_t value, unsigned size) {
    uint8_t *byte = config_at();
    for (unsigned i = 0; byte != NULL && i < size; i++, value >>= 8) {
        size_t n = (size_t)(byte - config) + (at & 3) + i;
        config[n] = (uint8_t)((config[n] & ~writable[n]) | (value & writable[n]));
    }
}

void outl(uint16_t port, uint32_t value) {
    if (port == PORT_ADDRESS) {
        address_port = value;
    } else {
        write_config(port, value, 4);
    }
}

void outw(uint16_t port, uint16_t value) {
    write_config(port, value, 2);
}

void outb(uint16_t port, uint8_t value) {
    write_config(port, value, 1);
}

uintptr_t memory_map_device(uint64_t address, size_t size) {
    if (size == 0 || address + size < address || address + size > 1ull << 46 ||
        window_count == WINDOWS) {
        return 0;
    }
    need(bar_lies || (address >= BAR_ADDRESS && address + size <= BAR_ADDRESS + BAR_SIZE));
    window[window_count].address = address;
    window[window_count++].size = size;
    return address;
}

// Offset in the BAR of an access, or -1: it is somewhere else, where the card said that it is.
static long bar_offset(uintptr_t address, unsigned size) {
    bool mapped = false;
    for (unsigned i = 0; i < window_count; i++) {
        mapped = mapped || (address >= window[i].address &&
            address + size <= window[i].address + window[i].size);
    }
    need(mapped);
    return address >= BAR_ADDRESS && address + size <= BAR_ADDRESS + BAR_SIZE ?
           (long)(address - BAR_ADDRESS) : -1;
}

static void select_queue(void) {
    uint16_t n;
    memcpy(&n, bar + COMMON + 22, 2);
    static const struct queue none;
    const struct queue *q = n < QUEUES ? &queue[n] : &none;
    uint16_t size = n < QUEUES ? RING : 0, notify = n;
    memcpy(bar + COMMON + 24, &size, 2);
    memcpy(bar + COMMON + 26, &q->msix, 2);
    memcpy(bar + COMMON + 30, &notify, 2);
}

static uint32_t mmio_read(uintptr_t address, unsigned size) {
    long offset = bar_offset(address, size);
    uint32_t value = 0;
    if (lie_share != 0 && fuzz_byte() < lie_share) {
        value = fuzz_word();
    } else if (offset >= 0) {
        memcpy(&value, bar + offset, size);
    }
    return size == 4 ? value : value& ((1u << 8 * size) - 1);
}

static void mmio_write(uintptr_t address, uint32_t value, unsigned size) {
    long offset = bar_offset(address, size);
    if (offset < 0) {
        return;
    }
    memcpy(bar + offset, &value, size);
    uint16_t n;
    memcpy(&n, bar + COMMON + 22, 2);
    if (offset == COMMON + 0) { // which half of the features
        uint64_t features = 0x1300189abull | VIRTIO_F_EVENT_IDX;
        uint32_t half = value < 2 ? (uint32_t)(features >> 32 * value) : 0;
        memcpy(bar + COMMON + 4, &half, 4);
    } else if (offset == COMMON + 20 && value == 0) {
        memset(queue, 0, sizeof(queue));
    } else if (offset == COMMON + 22) {
        select_queue();
    } else if (offset == COMMON + 24 && n < QUEUES) {
        queue[n].size = (uint16_t)value;
    } else if (offset == COMMON + 26 && n < QUEUES) {
        queue[n].msix = (uint16_t)value;
    } else if (offset == COMMON + 28 && n < QUEUES) {
        memcpy(&queue[n].desc, bar + COMMON + 32, 8);
        memcpy(&queue[n].avail, bar + COMMON + 40, 8);
        memcpy(&queue[n].used, bar + COMMON + 48, 8);
        queue[n].enabled = true;
    }
}

uint8_t mmio_read8(uintptr_t address) {
    return (uint8_t)mmio_read(address, 1);
}

uint16_t mmio_read16(uintptr_t address) {
    return (uint16_t)mmio_read(address, 2);
}

uint32_t mmio_read32(uintptr_t address) {
    return mmio_read(address, 4);
}

void mmio_write8(uintptr_t address, uint8_t value) {
    mmio_write(address, value, 1);
}

void mmio_write16(uintptr_t address, uint16_t value) {
    mmio_write(address, value, 2);
}

void mmio_write32(uintptr_t address, uint32_t value) {
    mmio_write(address, value, 4);
}

unsigned irq_isa(unsigned line) {
    return line;
}

bool irq_exists(unsigned irq) {
    return irq < 24;
}

const char *irq_owner(unsigned irq) {
    (void)irq;
    return NULL;
}

void irq_set_wiring(unsigned irq, unsigned flags) {
    (void)irq;
    (void)flags;
}

int irq_attach(unsigned irq, struct irq_action *action) {
    (void)irq;
    irq_handler = action->handler;
    irq_arg = action->arg;
    return 0;
}

void irq_detach(unsigned irq, struct irq_action *action) {
    (void)irq;
    (void)action;
    irq_handler = NULL;
}

int irq_msi_alloc(struct irq_message *message) {
    *message = (struct irq_message) { .address = 0xfee00000 };
    static int next = 100;
    return next++;
}

void irq_msi_free(unsigned irq) {
    (void)irq;
}

// The cards on other transports: none.
void virtio_mmio_probe(void (*found)(const struct virtio_device *device)) {
    (void)found;
}

// --- the card -----------------------------------------------------------------------------------

static void set(unsigned offset, uint32_t value, unsigned size) {
    memcpy(config + offset, &value, size);
}

static void capability(unsigned offset, unsigned next, unsigned type, uint32_t where,
    uint32_t length) {
    set(offset, PCI_CAP_VENDOR | next << 8 | 20 << 16 | type << 24, 4);
    set(offset + 4, 4, 4); // BAR 4
    set(offset + 8, where, 4);
    set(offset + 12, length, 4);
    set(offset + 16, 4, 4); // the notify multiplier
}

// What QEMU's card shows.
static void right_card(void) {
    memset(config, 0, sizeof(config));
    memset(writable, 0, sizeof(writable));
    memset(bar, 0, sizeof(bar));
    set(0x00, 0x10411af4, 4);
    set(0x04, 0x00100007, 4);
    set(0x08, 0x02000001, 4);
    set(0x20, BAR_ADDRESS | 0xc, 4); // 64 bits, prefetchable
    set(0x2c, 0x11001af4, 4);
    set(0x34, 0x40, 1);
    set(0x3c, 0x010b, 2);
    capability(0x40, 0x54, 1, COMMON, 0x38);
    capability(0x54, 0x68, 3, ISR, 1);
    capability(0x68, 0x7c, 4, DEVICE, 0x100);
    capability(0x7c, 0x90, 2, NOTIFY, 0x400);
    set(0x90, PCI_CAP_MSIX | 2 << 16, 4); // three vectors
    set(0x94, MSIX | 4, 4);
    set(0x98, (MSIX + 0x400) | 4, 4);
    writable[0x04] = 0x07;
    writable[0x05] = 0x04;
    writable[0x21] = (uint8_t) ~((BAR_SIZE - 1) >> 8);
    writable[0x22] = writable[0x23] = 0xff;
    memset(writable + 0x24, 0xff, 4);
    writable[0x93] = 0xc0;
    static const uint8_t device[] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56, 1, 0, 1, 0, 0xdc, 5 };
    memcpy(bar + DEVICE, device, sizeof(device));
    memset(queue, 0, sizeof(queue));
}

// Hand back one buffer of queue (n): rightly, or as the input says.
static void complete(unsigned n, unsigned lies) {
    struct queue *q = &queue[n];
    if (!q->enabled || q->size == 0 || (q->size & (q->size - 1)) != 0) {
        return;
    }
    const uint16_t *avail = (const uint16_t *)q->avail;
    volatile uint16_t *used = (volatile uint16_t *)q->used;
    uint32_t *element = (uint32_t *)(q->used + 4 + 8u * (q->done & (q->size - 1)));
    uint16_t head = 0;
    uint32_t size = 0;
    if (avail[1] != q->seen) {
        head = avail[2 + (q->seen++ & (q->size - 1))];
        const struct virtq_desc *desc = (const struct virtq_desc *)q->desc + head;
        need(head < q->size && desc->address != 0);
        if (n == 0) {
            size = 12 + (fuzz_byte() | (fuzz_byte() & 7u) << 8);
            size = size < desc->size ? size : desc->size;
            memset((void *)desc->address, 0, 12);
            ((uint8_t *)desc->address)[10] = 1;
            for (unsigned i = 0; (lies & 8) && i < 12; i++) {
                ((uint8_t *)desc->address)[i] = fuzz_byte();
            }
        }
    } else if (!(lies & 3)) {
        return;
    }
    element[0] = lies & 1 ? fuzz_word() : head;
    element[1] = lies & 2 ? fuzz_word() : size;
    q->done = lies & 4 ? (uint16_t)fuzz_word() : q->done + 1;
    used[1] = q->done;
}

// --- the program --------------------------------------------------------------------------------

static struct virtio_net_frame held[HELD_MAX];
static unsigned held_count;
static unsigned large_sent, large_done;
volatile uint32_t total; // so that what is read is used

static void on_sent(void *cookie) {
    need(cookie == &large_sent);
    large_done++;
}

static uint32_t sum_of(const struct virtio_net_frame *frame) {
    uint32_t sum = 0;
    for (size_t i = 0; i < frame->size; i++) {
        sum += frame->data[i];
    }
    return sum;
}

static void receive(struct virtio_net *net, bool keep) {
    struct virtio_net_frame frame;
    int size = virtio_net_receive(net, &frame);
    if (size < 0) {
        return;
    }
    need((size_t)size == frame.size + frame.rest && size >= VIRTIO_NET_FRAME_MIN);
    size_t rest = frame.rest;
    do {
        total += sum_of(&frame);
        if (keep && held_count < HELD_MAX) {
            held[held_count++] = frame;
        } else {
            virtio_net_release(net, frame.buffer);
        }
    } while (rest > 0 && virtio_net_receive_rest(net, &frame));
}

static void send(struct virtio_net *net, unsigned size) {
    uint8_t *data = virtio_net_send_begin(net);
    if (data != NULL) {
        size = size < virtio_net_mtu(net) + 18 ? size : virtio_net_mtu(net) + 18;
        memset(data, 0x55, size);
        virtio_net_send_end(net, size, size & 1 ? 34 : 0, 16);
    }
}

static void send_large(struct virtio_net *net, unsigned count) {
    static uint8_t data[3000];
    struct virtio_net_large large = { .count = count, .segment_size = 1460, .header_size = 54 };
    for (unsigned i = 0; i < count && i < VIRTIO_NET_PIECES_MAX; i++) {
        large.piece[i].data = data;
        large.piece[i].size = sizeof(data);
    }
    large_sent += virtio_net_send_large(net, &large, &large_sent) == 0;
}

static void step(struct virtio_net *net) {
    unsigned what = fuzz_byte();
    switch (what & 7) {
        case 0:
        case 1:
            complete(what & 1, what & 0x80 ? what >> 3 : 0);
            break;
        case 2:
            receive(net, what & 0x80);
            break;
        case 3:
            send(net, fuzz_byte() | (what & 0x78) << 5);
            break;
        case 4:
            send_large(net, what >> 3);
            break;
        case 5:
            if (irq_handler != NULL) {
                irq_handler(irq_arg);
            }
            virtio_net_link(net);
            virtio_net_wait(net);
            virtio_net_send_resumed(net);
            break;
        case 6:
            virtio_net_flush(net);
            virtio_net_reclaim(net);
            if (held_count > 0) {
                virtio_net_release(net, held[--held_count].buffer);
            }
            break;
        default:
            if (what & 0x80) {
                virtio_net_raw(net, what & 8);
            } else if ((what & 0x78) == 0x78) {
                set(0, 0xffffffff, 4);
                virtio_net_lost(net);
            }
            break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_begin(data, size);
    right_card();
    window_count = held_count = large_sent = large_done = 0;
    irq_handler = NULL;
    bar_lies = false;
    for (unsigned count = fuzz_byte() & 15; count > 0; count--) {
        unsigned offset = fuzz_byte();
        config[offset] = fuzz_byte();
        if (offset >= 0x10 && offset < 0x28) {
            writable[offset] = fuzz_byte();
            bar_lies = true;
        }
    }
    for (unsigned count = fuzz_byte() & 15; count > 0; count--) {
        unsigned offset = DEVICE + fuzz_byte() % 12;
        bar[offset] = fuzz_byte();
    }
    lie_share = fuzz_byte();
    lie_share = lie_share < 128 ? 0 : lie_share - 128;
    struct virtio_net *net = virtio_net_get(0);
    long wanted = net == NULL ? -1 : virtio_net_prepare(net, 8u + fuzz_byte(), fuzz_byte() & 1);
    if (wanted < 0) {
        return 0;
    }
    need(wanted < 8 << 20);
    void *memory = aligned_alloc(4096, ((size_t)wanted + 4095) & ~(size_t)4095);
    virtio_net_on_sent(net, on_sent);
    if (virtio_net_start(net, memory) == 0) {
        need(virtio_net_mtu(net) >= 68 && virtio_net_mtu(net) <= 9000);
        need((virtio_net_mac(net)[0] & 1) == 0);
        while (fuzz_left > 0) {
            step(net);
            need(large_done <= large_sent);
        }
        virtio_net_stop(net);
    }
    free(memory);
    return 0;
}
