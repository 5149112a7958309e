// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Virtio console: per port a queue each way, and a pair of queues for control messages.

#include "virtio_console.h"

#include <errno.h>
#include <string.h>

#include "clock.h"
#include "cpu.h"
#include "log.h"
#include "virtio.h"
#include "virtio_wait.h"

#define F_SIZE (1ull << 0)
#define F_MULTIPORT (1ull << 1)
#define CONFIG_COLUMNS 0
#define CONFIG_ROWS 2
#define CONFIG_PORTS 4

#define QUEUE_SIZE 8 // buffers of a port each way
#define BUFFER_SIZE 512u // bytes
#define RING_SIZE 4096u // bytes, a power of two
#define RECEIVE_MAX 64 // buffers in one go: a host that floods does not keep the CPU
#define CONTROL_QUEUE 2
#define CONTROL_SIZE 32 // buffers; QEMU drops messages for which there is none
#define CONTROL_BUFFER 128u
#define SETTLE_NS (100 * NS_PER_MS)

enum {
    EVENT_DEVICE_READY, EVENT_PORT_ADD, EVENT_PORT_REMOVE, EVENT_PORT_READY, EVENT_CONSOLE_PORT,
    EVENT_RESIZE, EVENT_PORT_OPEN, EVENT_PORT_NAME,
};

struct control {
    uint32_t port;
    uint16_t event;
    uint16_t value;
};
_Static_assert(sizeof(struct control) == 8, "virtio 1.1, 5.3.6.2");

struct port {
    struct virtqueue in, out;
    uint8_t *in_buffers, *out_buffers, *ring;
    uint32_t ring_in, ring_out; // count up; the difference is what is unread
    unsigned out_free; // bit (n): buffer (n) is ours
    bool present, open, posted, connected;
    char name[VIRTIO_CONSOLE_NAME_MAX + 1];
};

static struct virtio_device *device;
static struct port ports[VIRTIO_CONSOLE_PORT_MAX];
static unsigned port_count;
static struct virtqueue control_in, control_out;
static uint8_t *control_buffers; // in, then out
static unsigned control_next; // of the out ones, to be used next
static bool started, failed, multiport;
static bool (*filter_byte)(unsigned port, uint8_t byte);
static void (*on_ready)(void);

bool virtio_console_exists(void) {
    static bool probed;
    if (!probed) {
        probed = true;
        device = virtio_claim(VIRTIO_ID_CONSOLE);
    }
    return device != NULL;
}

void virtio_console_set_handlers(bool (*filter)(unsigned port, uint8_t byte),
    void (*ready)(void)) {
    filter_byte = filter;
    on_ready = ready;
}

// The device broke the rules. Its memory stays its own.
static void give_up(void) {
    if (!failed) {
        failed = true;
        kprintf("console: the ring is out of order, given up\n");
        virtio_reset(device);
    }
}

// --- input ----------------------------------------------------------------------------------

static void post_in(struct port *port, void *buffer) {
    struct virtq_piece piece = { buffer, BUFFER_SIZE };
    virtq_add(&port->in, &piece, 0, 1, buffer);
}

static void keep_bytes(struct port *port, const uint8_t *data, uint32_t size) {
    for (uint32_t i = 0; i < size; i++) {
        if (filter_byte == NULL || !filter_byte((unsigned)(port - ports), data[i])) {
            port->ring[port->ring_in++ % RING_SIZE] = data[i];
        }
    }
}

// Move what has come into the ring while a whole buffer fits. Interrupts are off.
static void receive(struct port *port) {
    unsigned count = 0;
    bool room;
    while (count < RECEIVE_MAX &&
           (room = port->ring_in - port->ring_out <= RING_SIZE - BUFFER_SIZE)) {
        uint32_t size;
        uint8_t *buffer = virtq_take(&port->in, &size);
        if (buffer == NULL) {
            if (port->in.broken) {
                give_up();
                return;
            }
            if (!virtq_interrupt_on(&port->in)) {
                break;
            }
            continue;
        }
        keep_bytes(port, buffer, size);
        post_in(port, buffer);
        count++;
    }
    if (count > 0) {
        virtq_notify(&port->in);
    }
    if (!room) {
        virtq_interrupt_off(&port->in); // read() goes on
    }
}

// --- control --------------------------------------------------------------------------------

static void reclaim_control(void) {
    uint32_t size;
    while (virtq_take(&control_out, &size) != NULL) {
    }
    if (control_out.broken) {
        give_up();
    }
}

// The buffers are used in turn, and the queue has no more places than there are buffers. A host
// that takes none gets no more. Interrupts are off.
static void send_control(unsigned port, uint16_t event, uint16_t value) {
    reclaim_control();
    struct control *message = (struct control *)(void *)(control_buffers +
        (CONTROL_SIZE + control_next) * CONTROL_BUFFER);
    struct virtq_piece piece = { message, sizeof(*message) };
    if (failed || control_out.outstanding >= control_out.size / 2) {
        return;
    }
    *message = (struct control) { port, event, value };
    control_next = (control_next + 1) % CONTROL_SIZE;
    virtq_add(&control_out, &piece, 1, 0, message);
    virtq_notify(&control_out);
}

static void set_name(struct port *port, const uint8_t *name, uint32_t size) {
    uint32_t length = 0;
    while (length < size && length < VIRTIO_CONSOLE_NAME_MAX && name[length] != 0) {
        length++;
    }
    memcpy(port->name, name, length);
    port->name[length] = 0;
}

static void handle_control(const uint8_t *data, uint32_t size) {
    struct control message;
    if (size < sizeof(message)) {
        return;
    }
    memcpy(&message, data, sizeof(message));
    data += sizeof(message);
    size -= (uint32_t)sizeof(message);
    if (message.port >= port_count) {
        return;
    }
    struct port *port = &ports[message.port];
    switch (message.event) {
        case EVENT_PORT_ADD:
            port->present = true;
            send_control(message.port, EVENT_PORT_READY, 1);
            break;
        case EVENT_PORT_REMOVE:
            port->present = port->connected = false;
            break;
        case EVENT_CONSOLE_PORT:
            port->connected = true; // there is no telling
            send_control(message.port, EVENT_PORT_OPEN, 1);
            break;
        case EVENT_PORT_OPEN:
            port->connected = message.value != 0;
            break;
        case EVENT_PORT_NAME:
            set_name(port, data, size);
            break;
    }
}

static void post_control(uint8_t *buffer) {
    struct virtq_piece piece = { buffer, CONTROL_BUFFER };
    virtq_add(&control_in, &piece, 0, 1, buffer);
}

// Interrupts are off.
static void receive_control(void) {
    uint8_t *buffer;
    uint32_t size;
    unsigned count = 0;
    do {
        while (count < RECEIVE_MAX && (buffer = virtq_take(&control_in, &size)) != NULL) {
            handle_control(buffer, size);
            post_control(buffer);
            count++;
        }
    } while (count < RECEIVE_MAX && !control_in.broken && virtq_interrupt_on(&control_in));
    if (control_in.broken) {
        give_up();
    } else if (count > 0) {
        virtq_notify(&control_in);
    }
}

// Everything that may have changed. Interrupts are off.
static void look(void) {
    if (started && !failed && multiport) {
        receive_control();
    }
    for (unsigned i = 0; i < port_count && started && !failed; i++) {
        if (ports[i].open) {
            receive(&ports[i]);
        }
    }
}

// Interrupt context.
static void handle_queue(void *arg) {
    (void)arg;
    look();
    if (on_ready != NULL) {
        on_ready();
    }
}

// --- start ----------------------------------------------------------------------------------

static size_t port_memory_size(void) {
    return 2 * virtq_memory_size(QUEUE_SIZE) + 2 * QUEUE_SIZE * BUFFER_SIZE + RING_SIZE;
}

size_t virtio_console_memory_size(void) {
    return VIRTIO_CONSOLE_PORT_MAX * port_memory_size() + 2 * virtq_memory_size(CONTROL_SIZE) +
           2 * CONTROL_SIZE * CONTROL_BUFFER;
}

static int open_queue(struct virtqueue *queue, unsigned index, unsigned wanted, uint8_t *memory) {
    unsigned size = virtq_choose_size(device, index, wanted);
    int ret = size < 2 ? -EIO : virtio_queue_open(device, queue, index, size, memory);
    if (ret == 0) {
        virtq_interrupt_off(queue);
    }
    return ret;
}

static int open_port(struct port *port, unsigned number, uint8_t *memory) {
    size_t queue_memory = virtq_memory_size(QUEUE_SIZE);
    // The queues of port 0 are 0 and 1, of control 2 and 3, of port 1 4 and 5 (5.3.2).
    unsigned index = number == 0 ? 0 : 2 + 2 * number;
    int ret = open_queue(&port->in, index, QUEUE_SIZE, memory);
    if (ret == 0) {
        ret = open_queue(&port->out, index + 1, QUEUE_SIZE, memory + queue_memory);
    }
    port->in_buffers = memory + 2 * queue_memory;
    port->out_buffers = port->in_buffers + QUEUE_SIZE * BUFFER_SIZE;
    port->ring = port->out_buffers + QUEUE_SIZE * BUFFER_SIZE;
    port->out_free = (1u << QUEUE_SIZE) - 1;
    return ret;
}

static int open_queues(uint8_t *memory) {
    int ret = 0;
    for (unsigned i = 0; i < port_count && ret == 0; i++) {
        ret = open_port(&ports[i], i, memory);
        memory += port_memory_size();
    }
    if (multiport && ret == 0) {
        control_buffers = memory + 2 * virtq_memory_size(CONTROL_SIZE);
        ret = open_queue(&control_in, CONTROL_QUEUE, CONTROL_SIZE, memory);
        if (ret == 0) {
            ret = open_queue(&control_out, CONTROL_QUEUE + 1, CONTROL_SIZE,
                memory + virtq_memory_size(CONTROL_SIZE));
        }
    }
    return ret;
}

// Wait until the host has taken our messages and said what it has to say to them.
static void settle(void) {
    uint64_t limit = clock_ns() + SETTLE_NS;
    bool busy = true;
    while (busy && !failed && clock_ns() < limit) {
        uint64_t state = irq_save();
        look();
        reclaim_control();
        busy = control_out.outstanding > 0 || virtq_pending(&control_in);
        irq_restore(state);
        cpu_relax();
    }
}

static void begin_control(void) {
    uint64_t state = irq_save();
    for (unsigned i = 0; i < control_in.size; i++) {
        post_control(control_buffers + i * CONTROL_BUFFER);
    }
    virtq_notify(&control_in);
    send_control(0, EVENT_DEVICE_READY, 1);
    irq_restore(state);
    settle();
}

static unsigned count_ports(void) {
    uint32_t count = 1;
    if (multiport) {
        virtio_config_read(device, CONFIG_PORTS, &count, sizeof(count));
    }
    return count < VIRTIO_CONSOLE_PORT_MAX ? count : VIRTIO_CONSOLE_PORT_MAX;
}

int virtio_console_start(void *memory) {
    int ret = virtio_negotiate(device, F_SIZE | F_MULTIPORT | VIRTIO_F_EVENT_IDX);
    if (ret < 0) {
        return ret;
    }
    multiport = device->features & F_MULTIPORT;
    port_count = count_ports();
    if (virtio_irq_open(device, "console", handle_queue, NULL, NULL) < 0) {
        kprintf("console: no interrupt, it is polled\n");
    }
    ret = open_queues(memory);
    if (ret < 0) {
        kprintf("console: could not start the queues: %d\n", ret);
        virtio_irq_close(device);
        virtio_fail(device);
        port_count = 0;
        return ret;
    }
    virtio_start(device);
    started = true;
    if (multiport) {
        begin_control();
    } else {
        ports[0].present = ports[0].connected = true;
    }
    return 0;
}

// --- ports ----------------------------------------------------------------------------------

bool virtio_console_has_port(unsigned port) {
    return port < port_count && ports[port].present;
}

const char *virtio_console_name(unsigned port) {
    return ports[port].name;
}

bool virtio_console_connected(unsigned port) {
    return !failed && ports[port].connected;
}

bool virtio_console_size(uint16_t *columns, uint16_t *rows) {
    virtio_config_read(device, CONFIG_COLUMNS, columns, sizeof(*columns));
    virtio_config_read(device, CONFIG_ROWS, rows, sizeof(*rows));
    return (device->features & F_SIZE) && *columns != 0 && *rows != 0;
}

static int check(const struct port *port) {
    return failed ? -EIO : !port->present ? -ENODEV : 0;
}

int virtio_console_open(unsigned number) {
    struct port *port = &ports[number];
    int ret = check(port);
    if (ret < 0 || port->open) {
        return ret;
    }
    uint64_t state = irq_save();
    for (unsigned i = 0; i < port->in.size && !port->posted; i++) {
        post_in(port, port->in_buffers + i * BUFFER_SIZE);
    }
    virtq_notify(&port->in);
    port->posted = port->open = true;
    if (multiport) {
        send_control(number, EVENT_PORT_OPEN, 1);
    }
    look();
    irq_restore(state);
    return 0;
}

void virtio_console_close(unsigned number) {
    struct port *port = &ports[number];
    uint64_t state = irq_save();
    if (port->open && !failed) {
        port->open = false;
        virtq_interrupt_off(&port->in);
        if (multiport) {
            send_control(number, EVENT_PORT_OPEN, 0);
        }
    }
    irq_restore(state);
}

size_t virtio_console_readable(unsigned number) {
    struct port *port = &ports[number];
    uint64_t state = irq_save();
    if (port->ring_in == port->ring_out) {
        look();
    }
    size_t count = port->ring_in - port->ring_out;
    irq_restore(state);
    return count;
}

int virtio_console_read(unsigned number, void *data, size_t size) {
    struct port *port = &ports[number];
    uint8_t *to = data;
    size_t count = virtio_console_readable(number);
    if (count == 0) {
        return check(port);
    }
    count = count < size ? count : size;
    for (size_t i = 0; i < count; i++) {
        to[i] = port->ring[(port->ring_out + i) % RING_SIZE];
    }
    uint64_t state = irq_save();
    port->ring_out += (uint32_t)count;
    if (port->open && !failed) {
        receive(port); // there is room for what waits
    }
    irq_restore(state);
    return (int)count;
}

static void reclaim(struct port *port) {
    uint32_t size;
    uint8_t *buffer;
    while ((buffer = virtq_take(&port->out, &size)) != NULL) {
        port->out_free |= 1u << (buffer - port->out_buffers) / BUFFER_SIZE;
    }
    if (port->out.broken) {
        give_up();
    }
}

size_t virtio_console_writable(unsigned number) {
    struct port *port = &ports[number];
    reclaim(port);
    return (size_t)__builtin_popcount(port->out_free) * BUFFER_SIZE;
}

int virtio_console_write(unsigned number, const void *data, size_t size) {
    struct port *port = &ports[number];
    const uint8_t *from = data;
    size_t done = 0;
    reclaim(port);
    int ret = check(port);
    if (ret < 0) {
        return ret;
    }
    while (done < size && port->out_free != 0) {
        unsigned n = (unsigned)__builtin_ctz(port->out_free);
        size_t part = size - done < BUFFER_SIZE ? size - done : BUFFER_SIZE;
        struct virtq_piece piece = { port->out_buffers + n * BUFFER_SIZE, (uint32_t)part };
        memcpy(piece.data, from + done, part);
        if (virtq_add(&port->out, &piece, 1, 0, piece.data) < 0) {
            break;
        }
        port->out_free &= ~(1u << n);
        done += part;
    }
    virtq_notify(&port->out);
    return (int)done;
}

bool virtio_console_wait(unsigned number, uint64_t limit_ns) {
    struct port *port = &ports[number];
    return !failed && port->present && !virtio_console_drained(number) &&
           virtio_wait(&port->out, limit_ns);
}

bool virtio_console_drained(unsigned number) {
    reclaim(&ports[number]);
    return failed || ports[number].out.outstanding == 0;
}
