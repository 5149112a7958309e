// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// 16550 serial ports (PC16550D datasheet): interrupt-driven receive into a ring, transmit through
// a ring that the transmit interrupt empties. COM1 is the console.

#ifndef IMPORTOS_UART_H
#define IMPORTOS_UART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UART_COUNT 4

struct uart;

// COM(n + 1), n from 0 to UART_COUNT - 1; NULL if no 16550 answers there. Probes on first use.
struct uart *uart_get(unsigned n);

// Program the line and start receiving. (rx_size) and (tx_size) are powers of two; the buffers
// stay owned by the caller and must stay valid. -EBUSY: the interrupt line is not to be had.
int uart_open(struct uart *uart, uint32_t baud, void *rx_buffer, size_t rx_size,
    void *tx_buffer, size_t tx_size);
void uart_close(struct uart *uart);
bool uart_is_open(struct uart *uart);

// Called in interrupt context when bytes have arrived (may be NULL). (filter), if set, sees every
// byte first and returns true to swallow it (the console's Ctrl-C).
void uart_on_receive(struct uart *uart, void (*fn)(void *arg), void *arg);
void uart_set_filter(struct uart *uart, bool (*filter)(uint8_t byte));

// Called in interrupt context when the transmit ring has run empty and the last byte is on the
// line; NULL: nobody wants to know, which saves an interrupt.
void uart_on_sent(struct uart *uart, void (*fn)(void *arg), void *arg);

size_t uart_read(struct uart *uart, void *data, size_t size); // what is there, 0 if nothing
size_t uart_readable(struct uart *uart);
size_t uart_write(struct uart *uart, const void *data, size_t size); // what fits
size_t uart_writable(struct uart *uart);
bool uart_tx_idle(struct uart *uart);
uint64_t uart_rx_dropped(struct uart *uart); // bytes lost to a full ring or an overrun

// Polled output for panics: no ring, no interrupt, any context, before uart_open() too.
void uart_put_polled(unsigned n, const void *data, size_t size);

unsigned uart_irq(struct uart *uart); // its ISA line: 4 or 3
uint16_t uart_port(struct uart *uart);

#endif // IMPORTOS_UART_H
