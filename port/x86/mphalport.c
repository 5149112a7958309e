// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Console, delay and idle for MicroPython. The console is COM1 (uart.h): a receive ring that takes
// a paste of 64 KiB while Python is busy, and a transmit ring that never stops the machine: output
// waits for a slow reader as long as the reader makes progress, and is dropped once nothing has
// left the UART for CONSOLE_STALL_NS.

#include "py/mphal.h"
#include "py/mpstate.h"
#include "py/ringbuf.h"
#include "py/runtime.h"
#include "py/stream.h"
#include "extmod/misc.h"

#include "events.h"
#include "irq.h"
#include "memory.h"
#include "mphalport.h"
#include "timer.h"
#include "uart.h"

#define CONSOLE_RX_SIZE (64u << 10)
#define CONSOLE_TX_SIZE (16u << 10)
#define CONSOLE_SMALL_MACHINE (4u << 20) // with less RAM the rings are an eighth
#define CONSOLE_STALL_NS (500 * NS_PER_MS)

static struct uart *console;
static bool console_stalled; // nobody reads: drop output until the transmit ring is empty again
// Wake-ups so far, and how many the main program and a scheduled callback have answered. The two
// are apart so that a callback that waits does not take the wake-up of what it interrupted.
static volatile uint32_t wake_count; // written in interrupt context
static uint32_t wake_seen[2];
static uint64_t idle_ns;
static uint8_t typed_bytes[IMPORTOS_EXTRAS ? 4096 : 2];
static ringbuf_t typed = { typed_bytes, sizeof(typed_bytes) }; // at terminals of os.dupterm()

void mp_hal_wake(void) {
    wake_count += 1;
}

static void console_on_receive(void *arg) {
    (void)arg;
    mp_hal_wake();
}

// Interrupt context. The interrupt character never enters the ring: it must work while Python
// computes and the ring is full.
static bool console_filter(uint8_t byte) {
    if (byte != mp_interrupt_char) {
        return false;
    }
    mp_sched_keyboard_interrupt();
    return true;
}

void console_open(uint32_t baud) {
    console = uart_get(0);
    if (console == NULL) {
        return;
    }
    unsigned divisor = memory_total() < CONSOLE_SMALL_MACHINE ? 8 : 1;
    size_t rx_size = CONSOLE_RX_SIZE / divisor;
    size_t tx_size = CONSOLE_TX_SIZE / divisor;
    uint8_t *rings = memory_alloc(rx_size + tx_size, 16);
    uart_set_filter(console, console_filter);
    uart_on_receive(console, console_on_receive, NULL);
    if (rings == NULL || uart_open(console, baud == 0 ? 115200 : baud, rings, rx_size,
        rings + rx_size, tx_size) < 0) {
        console = NULL;
    }
}

static void deadline_fired(struct timer *timer) {
    (void)timer; // the interrupt itself ends the halt
}

// Halt until an interrupt, at most until (deadline_ns), unless (ready) says that there is work. It
// is asked with interrupts off, and sti; hlt lets none in between: nothing is slept over. The
// deadline may have come before interrupts were off: then no other interrupt need ever come.
static void halt_unless(bool (*ready)(void), uint64_t deadline_ns) {
    uint64_t start = clock_ns();
    if (start >= deadline_ns) {
        return;
    }
    struct timer timer = { .fire = deadline_fired };
    if (deadline_ns != UINT64_MAX) {
        timer_start(&timer, deadline_ns);
    }
    irq_disable();
    if (ready() || (deadline_ns != UINT64_MAX && !timer.armed)) {
        irq_enable();
    } else {
        cpu_idle();
        idle_ns += clock_ns() - start;
    }
    timer_stop(&timer);
}

static uint32_t *wake_seen_here(void) {
    return &wake_seen[MP_STATE_VM(sched_state) < 0];
}

static bool work_pending(void) {
    return wake_count != *wake_seen_here() || MP_STATE_VM(sched_state) == MP_SCHED_PENDING
           || MP_STATE_MAIN_THREAD(mp_pending_exception) != MP_OBJ_NULL;
}

// A wake-up that ends a halt is answered by the next call, not by this one: in between the caller
// tests, and then runs the callbacks that are pending, which may have changed what it tests.
void mp_hal_wait_until(uint64_t deadline_ns) {
    if (irq_in_handler()) {
        mp_raise_msg(&mp_type_RuntimeError, MP_ERROR_TEXT("wait in a hard handler"));
    }
    uint32_t *seen = wake_seen_here();
    if (*seen != wake_count) {
        *seen = wake_count;
        return;
    }
    halt_unless(work_pending, deadline_ns);
}

uint64_t mp_hal_idle_ns(void) {
    return idle_ns;
}

void mp_hal_delay_ms(mp_uint_t ms) {
    os_check_sleep(ms);
    uint64_t deadline = clock_ns() + ms * NS_PER_MS;
    mp_event_handle_nowait();
    while (clock_ns() < deadline) {
        mp_hal_wait_until(deadline);
        mp_event_handle_nowait();
    }
}

// Short waits spin: halting and the timer interrupt cost several microseconds.
void mp_hal_delay_us(mp_uint_t us) {
    os_check_sleep(us / 1000);
    uint64_t deadline = clock_ns() + us * NS_PER_US;
    while (clock_ns() + 50 * NS_PER_US < deadline) {
        mp_hal_wait_until(deadline - 20 * NS_PER_US);
        mp_event_handle_nowait();
    }
    while (clock_ns() < deadline) {
        cpu_relax();
    }
}

uintptr_t mp_hal_stdio_poll(uintptr_t poll_flags) {
    uintptr_t ready = 0;
    if (poll_flags & MP_STREAM_POLL_RD && console != NULL && uart_readable(console) > 0) {
        ready |= MP_STREAM_POLL_RD;
    }
    if (poll_flags & MP_STREAM_POLL_RD && ringbuf_avail(&typed) > 0) {
        ready |= MP_STREAM_POLL_RD;
    }
    if (poll_flags & MP_STREAM_POLL_WR) {
        ready |= MP_STREAM_POLL_WR;
    }
    return ready | mp_os_dupterm_poll(poll_flags);
}

// Python that a terminal is written in must not be entered again by a callback of its own.
static int dupterm_read(void) {
    mp_sched_lock();
    int c = mp_os_dupterm_rx_chr();
    mp_sched_unlock();
    return c;
}

int mp_hal_stdin_rx_chr(void) {
    for (;;) {
        uint8_t byte;
        if (console != NULL && uart_read(console, &byte, 1) == 1) {
            return byte;
        }
        int c = ringbuf_get(&typed);
        if (c < 0) {
            c = dupterm_read();
        }
        if (c >= 0) {
            return c;
        }
        mp_event_wait_indefinite();
    }
}

void console_take_dupterm(void) {
    while (ringbuf_free(&typed) > 0) {
        int c = dupterm_read();
        if (c < 0) {
            return;
        }
        ringbuf_put(&typed, c);
    }
}

static bool console_has_room(void) {
    return uart_writable(console) > 0;
}

// Wait for room in the transmit ring. False once nothing has left for CONSOLE_STALL_NS.
static bool console_wait_room(void) {
    uint64_t deadline = clock_ns() + CONSOLE_STALL_NS;
    while (!console_has_room()) {
        if (clock_ns() >= deadline) {
            return false;
        }
        halt_unless(console_has_room, deadline);
    }
    return true;
}

static bool interrupts_enabled(void) {
    uint64_t flags = irq_save();
    irq_restore(flags);
    return flags & CPU_RFLAGS_IF;
}

static void console_write(const char *text, size_t size) {
    if (console_stalled) {
        if (!uart_tx_idle(console)) {
            return;
        }
        console_stalled = false;
    }
    while (size > 0) {
        size_t done = uart_write(console, text, size);
        text += done;
        size -= done;
        if (size > 0 && !interrupts_enabled()) {
            uart_put_polled(0, text, size); // the ring cannot empty itself
            return;
        }
        if (size > 0 && !console_wait_room()) {
            console_stalled = true;
            return;
        }
    }
}

mp_uint_t mp_hal_stdout_tx_strn(const char *text, size_t size) {
    if (console != NULL) {
        console_write(text, size);
    }
    mp_os_dupterm_tx_strn(text, size);
    return size;
}

void console_flush(unsigned timeout_ms) {
    if (console == NULL || console_stalled || uart_tx_idle(console)) {
        return; // without a look at the clock, which a short life need not wait for
    }
    uint64_t deadline = clock_ns() + timeout_ms * NS_PER_MS;
    while (!console_stalled && !uart_tx_idle(console) && clock_ns() < deadline) {
        cpu_relax();
    }
}
