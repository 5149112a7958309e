// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The 16550 UART (National Semiconductor PC16550D datasheet, section 8): two rings, filled and
// emptied by its interrupt. Receive never waits for Python; transmit only ever writes what the
// FIFO takes.

#include "uart.h"

#include <errno.h>

#include "cpu.h"
#include "irq.h"

enum { REG_DATA = 0, REG_IER = 1, REG_IIR = 2, REG_FCR = 2, REG_LCR = 3, REG_MCR = 4, REG_LSR = 5,
       REG_MSR = 6, REG_SCRATCH = 7 };
enum { REG_DIVISOR_LOW = 0, REG_DIVISOR_HIGH = 1 }; // while LCR_DIVISOR_LATCH is set

#define IER_RECEIVE 0x01
#define IER_TRANSMIT 0x02
#define IER_LINE_STATUS 0x04
#define IIR_NONE_PENDING 0x01
#define IIR_ID 0x0e
#define IIR_MODEM 0x00
#define FCR_ENABLE_CLEAR 0x07
// Interrupt at 14 of 16 bytes, or four character times after the last: QEMU hands over as many
// bytes at once as this level allows.
#define FCR_TRIGGER_14 0xc0
#define LCR_8N1 0x03
#define LCR_DIVISOR_LATCH 0x80
#define MCR_DTR_RTS_OUT2 0x0b // OUT2 gates the interrupt on a PC
#define LSR_DATA 0x01
#define LSR_OVERRUN 0x02
#define LSR_THR_EMPTY 0x20
#define LSR_IDLE 0x40

#define CLOCK_HZ 115200u // 1.8432 MHz / 16
#define FIFO_SIZE 16
#define SERVICE_MAX 256 // causes handled in one interrupt
#define POLL_MAX 200000 // line status reads before a byte is given up

struct ring {
    uint8_t *data;
    uint32_t mask; // size - 1
    uint32_t written, read; // count up, wrap by themselves
};

struct uart {
    uint16_t port;
    uint8_t isa_line;
    bool probed, present, open;
    uint8_t ier;
    struct ring rx, tx;
    uint64_t dropped;
    void (*on_receive)(void *arg);
    void *on_receive_arg;
    void (*on_sent)(void *arg);
    void *on_sent_arg;
    bool (*filter)(uint8_t byte);
};

static struct uart uarts[UART_COUNT] = {
    { .port = 0x3f8, .isa_line = 4 }, { .port = 0x2f8, .isa_line = 3 },
    { .port = 0x3e8, .isa_line = 4 }, { .port = 0x2e8, .isa_line = 3 },
};

static void line_interrupt(void *arg);

// COM1 and COM3 have one interrupt line, COM2 and COM4 the other.
static struct irq_action line_actions[2] = {
    { .handler = line_interrupt, .arg = &uarts[0], .name = "uart com1" },
    { .handler = line_interrupt, .arg = &uarts[1], .name = "uart com2" },
};

static uint32_t ring_used(const struct ring *ring) {
    return ring->written - ring->read;
}

struct uart *uart_get(unsigned n) {
    if (n >= UART_COUNT) {
        return NULL;
    }
    struct uart *uart = &uarts[n];
    if (!uart->probed) {
        uart->probed = true;
        outb(uart->port + REG_SCRATCH, 0x5a);
        uart->present = inb(uart->port + REG_SCRATCH) == 0x5a;
    }
    return uart->present ? uart : NULL;
}

static void set_ier(struct uart *uart, uint8_t ier) {
    if (uart->ier != ier) {
        uart->ier = ier;
        outb(uart->port + REG_IER, ier);
    }
}

int uart_open(struct uart *uart, uint32_t baud, void *rx_buffer, size_t rx_size,
    void *tx_buffer, size_t tx_size) {
    uint32_t divisor = baud != 0 && baud <= CLOCK_HZ ? CLOCK_HZ / baud : 1;
    unsigned irq = irq_isa(uart->isa_line);
    struct uart *other = &uarts[(uart - uarts) ^ 2];
    uart_close(uart);
    if (!other->open) {
        int ret = irq_attach(irq, &line_actions[(uart - uarts) & 1]);
        if (ret < 0) {
            return ret;
        }
    }
    uint64_t state = irq_save();
    uart->rx = (struct ring) { rx_buffer, rx_size - 1, 0, 0 };
    uart->tx = (struct ring) { tx_buffer, tx_size - 1, 0, 0 };
    outb(uart->port + REG_LCR, LCR_DIVISOR_LATCH);
    outb(uart->port + REG_DIVISOR_LOW, divisor & 0xff);
    outb(uart->port + REG_DIVISOR_HIGH, divisor >> 8);
    outb(uart->port + REG_LCR, LCR_8N1);
    outb(uart->port + REG_FCR, FCR_ENABLE_CLEAR | FCR_TRIGGER_14);
    outb(uart->port + REG_MCR, MCR_DTR_RTS_OUT2);
    uart->open = true;
    uart->ier = 0;
    set_ier(uart, IER_RECEIVE | IER_LINE_STATUS);
    irq_restore(state);
    return 0;
}

void uart_close(struct uart *uart) {
    if (!uart->open) {
        return;
    }
    set_ier(uart, 0);
    uart->open = false;
    uart->on_receive = uart->on_sent = NULL;
    uart->filter = NULL;
    if (!uarts[(uart - uarts) ^ 2].open) {
        irq_detach(irq_isa(uart->isa_line), &line_actions[(uart - uarts) & 1]);
    }
}

bool uart_is_open(struct uart *uart) {
    return uart->open;
}

static void receive(struct uart *uart, uint8_t status) {
    bool stored = false;
    for (unsigned i = 0; i < SERVICE_MAX && status & LSR_DATA; i++) {
        if (status & LSR_OVERRUN) {
            uart->dropped++;
        }
        uint8_t byte = inb(uart->port + REG_DATA);
        if (uart->filter == NULL || !uart->filter(byte)) {
            if (ring_used(&uart->rx) <= uart->rx.mask) {
                uart->rx.data[uart->rx.written++ & uart->rx.mask] = byte;
            } else {
                uart->dropped++;
            }
        }
        stored = true;
        status = inb(uart->port + REG_LSR);
    }
    if (stored && uart->on_receive != NULL) {
        uart->on_receive(uart->on_receive_arg);
    }
}

// The FIFO is empty: fill it from the ring, and ask for an interrupt when it is empty again, or
// for none if there is nothing left, and nobody to be told so. Call with interrupts off.
static void transmit(struct uart *uart) {
    bool told = ring_used(&uart->tx) != 0 && uart->on_sent != NULL;
    for (unsigned i = 0; i < FIFO_SIZE && ring_used(&uart->tx) != 0; i++) {
        outb(uart->port + REG_DATA, uart->tx.data[uart->tx.read++ & uart->tx.mask]);
    }
    bool more = ring_used(&uart->tx) != 0 || told;
    set_ier(uart, more ? uart->ier | IER_TRANSMIT : uart->ier & ~IER_TRANSMIT);
}

// The line is edge-triggered: serve every cause, or no further edge comes.
static void serve(struct uart *uart) {
    for (unsigned i = 0; i < SERVICE_MAX; i++) {
        uint8_t cause = inb(uart->port + REG_IIR);
        if (cause & IIR_NONE_PENDING) {
            break;
        }
        if ((cause & IIR_ID) == IIR_MODEM) {
            inb(uart->port + REG_MSR);
        }
        uint8_t status = inb(uart->port + REG_LSR);
        receive(uart, status);
        if (status & LSR_THR_EMPTY) {
            bool sent = uart->ier & IER_TRANSMIT && ring_used(&uart->tx) == 0;
            transmit(uart);
            if (sent && uart->on_sent != NULL) {
                uart->on_sent(uart->on_sent_arg);
            }
        }
    }
}

static void line_interrupt(void *arg) {
    struct uart *uart = arg;
    if (uart->open) {
        serve(uart);
    }
    if ((uart + 2)->open) {
        serve(uart + 2);
    }
}

void uart_on_receive(struct uart *uart, void (*fn)(void *arg), void *arg) {
    uint64_t state = irq_save();
    uart->on_receive = fn;
    uart->on_receive_arg = arg;
    irq_restore(state);
}

void uart_on_sent(struct uart *uart, void (*fn)(void *arg), void *arg) {
    uint64_t state = irq_save();
    uart->on_sent = fn;
    uart->on_sent_arg = arg;
    irq_restore(state);
}

void uart_set_filter(struct uart *uart, bool (*filter)(uint8_t byte)) {
    uart->filter = filter;
}

size_t uart_read(struct uart *uart, void *data, size_t size) {
    uint8_t *bytes = data;
    size_t count = 0;
    uint64_t state = irq_save();
    while (count < size && ring_used(&uart->rx) != 0) {
        bytes[count++] = uart->rx.data[uart->rx.read++ & uart->rx.mask];
    }
    irq_restore(state);
    return count;
}

size_t uart_readable(struct uart *uart) {
    return ring_used(&uart->rx);
}

size_t uart_write(struct uart *uart, const void *data, size_t size) {
    const uint8_t *bytes = data;
    size_t count = 0;
    uint64_t state = irq_save();
    while (count < size && ring_used(&uart->tx) <= uart->tx.mask) {
        uart->tx.data[uart->tx.written++ & uart->tx.mask] = bytes[count++];
    }
    // With the transmit interrupt on, the transmitter is at work and will come back by itself.
    if (!(uart->ier & IER_TRANSMIT)) {
        if (inb(uart->port + REG_LSR) & LSR_THR_EMPTY) {
            transmit(uart);
        } else if (ring_used(&uart->tx) != 0) {
            set_ier(uart, uart->ier | IER_TRANSMIT);
        }
    }
    irq_restore(state);
    return count;
}

size_t uart_writable(struct uart *uart) {
    return uart->tx.mask + 1 - ring_used(&uart->tx);
}

bool uart_tx_idle(struct uart *uart) {
    return ring_used(&uart->tx) == 0 && inb(uart->port + REG_LSR) & LSR_IDLE;
}

uint64_t uart_rx_dropped(struct uart *uart) {
    return uart->dropped;
}

// Returns false if the transmitter does not take the byte in time: then nobody listens.
static bool put_byte(uint16_t port, uint8_t byte) {
    for (unsigned i = 0; i < POLL_MAX; i++) {
        if (inb(port + REG_LSR) & LSR_THR_EMPTY) {
            outb(port + REG_DATA, byte);
            return true;
        }
        cpu_relax();
    }
    return false;
}

void uart_put_polled(unsigned n, const void *data, size_t size) {
    struct uart *uart = uart_get(n);
    if (uart == NULL) {
        return;
    }
    uint64_t state = irq_save();
    const uint8_t *bytes = data;
    while (uart->open && ring_used(&uart->tx) != 0) { // what was written before goes first
        if (!put_byte(uart->port, uart->tx.data[uart->tx.read++ & uart->tx.mask])) {
            uart->tx.read = uart->tx.written;
        }
    }
    for (size_t i = 0; i < size && put_byte(uart->port, bytes[i]); i++) {
    }
    irq_restore(state);
}

unsigned uart_irq(struct uart *uart) {
    return uart->isa_line;
}

uint16_t uart_port(struct uart *uart) {
    return uart->port;
}
