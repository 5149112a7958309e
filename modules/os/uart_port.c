// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// machine.UART on COM1 to COM4, numbered 0 to 3; extmod/machine_uart.c includes this file. Both
// directions go through rings that the interrupt serves (uart.h). UART.irq() is an event of the os
// module, so nothing is lost and exceptions are reported the same way.

#include <string.h>

#include "py/mperrno.h"
#include "py/mphal.h"

#include "clock.h"
#include "cpu.h"
#include "os_event.h"
#include "os_irq.h"
#include "timer.h"
#include "uart.h"

#define REG_LINE_CONTROL 3
#define LINE_CONTROL_STOP_2 0x04
#define LINE_CONTROL_ODD 0x08
#define LINE_CONTROL_EVEN 0x18
#define LINE_CONTROL_BREAK 0x40

#define RING_MIN 64
#define RING_MAX 65536
#define BAUD_MAX 115200

// Triggers of UART.irq().
#define UART_RX 1
#define UART_RXIDLE 2
#define UART_TXIDLE 4
#define UART_TRIGGERS (UART_RX | UART_RXIDLE | UART_TXIDLE)
#define RXIDLE_BITS 40 // times of a bit without a byte: four characters

#define MICROPY_PY_MACHINE_UART_CLASS_CONSTANTS \
    { MP_ROM_QSTR(MP_QSTR_IRQ_RX), MP_ROM_INT(UART_RX) }, \
    { MP_ROM_QSTR(MP_QSTR_IRQ_RXIDLE), MP_ROM_INT(UART_RXIDLE) }, \
    { MP_ROM_QSTR(MP_QSTR_IRQ_TXIDLE), MP_ROM_INT(UART_TXIDLE) },

struct _machine_uart_obj_t {
    mp_obj_base_t base;
    struct uart *uart;
    uint8_t number;
    uint8_t bits, stop;
    int8_t parity; // -1: none, 0: even, 1: odd
    bool open;
    uint8_t irq_trigger, irq_flags;
    uint32_t baud;
    uint32_t rx_size, tx_size;
    uint32_t timeout_ms, timeout_char_ms;
    void *rx_buffer, *tx_buffer;
    os_event_obj_t *event; // of irq(), or NULL
    mp_irq_obj_t *irq;
    struct timer idle_timer;
};

static void uart_sent(void *arg);

static void uart_set_trigger(machine_uart_obj_t *self, uint8_t trigger) {
    self->irq_trigger = trigger;
    uart_on_sent(self->uart, trigger & UART_TXIDLE ? uart_sent : NULL, self);
}

static void uart_stop_event(os_event_obj_t *event) {
    machine_uart_obj_t *self = MP_OBJ_TO_PTR(event->detail->argument);
    uart_set_trigger(self, 0);
    timer_stop(&self->idle_timer);
}

static void uart_print_source(const mp_print_t *print, const os_event_obj_t *event) {
    machine_uart_obj_t *self = MP_OBJ_TO_PTR(event->detail->argument);
    mp_printf(print, "uart %u", self->number);
}

static const os_source_t uart_source = {
    .verb = "UART.irq",
    .print = uart_print_source,
    .stop = uart_stop_event,
};

// --- Interrupts ---------------------------------------------------------------------------------

static void uart_fire(machine_uart_obj_t *self, uint8_t flag) {
    if (self->irq_trigger & flag) {
        self->irq_flags |= flag;
        os_event_fire(self->event);
    }
}

static void uart_idle(struct timer *timer) {
    machine_uart_obj_t *self = (machine_uart_obj_t *)((byte *)timer
        - offsetof(machine_uart_obj_t, idle_timer));
    uart_fire(self, UART_RXIDLE);
}

static void uart_received(void *arg) {
    machine_uart_obj_t *self = arg;
    mp_hal_wake(); // read() or a poll may be waiting
    if (self->irq_trigger & UART_RXIDLE) {
        timer_start(&self->idle_timer, clock_ns() + RXIDLE_BITS * NS_PER_S / self->baud);
    }
    uart_fire(self, UART_RX);
}

static void uart_sent(void *arg) {
    uart_fire(arg, UART_TXIDLE);
}

// --- Life ---------------------------------------------------------------------------------------

static void mp_machine_uart_print(const mp_print_t *print, mp_obj_t self_in,
    mp_print_kind_t kind) {
    (void)kind;
    machine_uart_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_printf(print, "UART(%u, baudrate=%u, bits=%u, parity=%s, stop=%u, rxbuf=%u, txbuf=%u, "
        "timeout=%u, timeout_char=%u)", self->number, self->baud, self->bits,
        self->parity < 0 ? "None" : self->parity ? "1" : "0", self->stop, self->rx_size,
        self->tx_size, self->timeout_ms, self->timeout_char_ms);
}

static uint32_t ring_size(mp_int_t wanted) {
    if (wanted < 0 || wanted > RING_MAX) {
        mp_raise_ValueError(MP_ERROR_TEXT("buffer size is not in 0 to 65536"));
    }
    uint32_t size = RING_MIN;
    while (size < (uint32_t)wanted) {
        size *= 2;
    }
    return size;
}

static void uart_line_control(machine_uart_obj_t *self, uint8_t more) {
    uint8_t value = self->bits - 5;
    if (self->stop == 2) {
        value |= LINE_CONTROL_STOP_2;
    }
    if (self->parity >= 0) {
        value |= self->parity ? LINE_CONTROL_ODD : LINE_CONTROL_EVEN;
    }
    outb(uart_port(self->uart) + REG_LINE_CONTROL, value | more);
}

static void uart_start(machine_uart_obj_t *self) {
    self->rx_buffer = m_new(byte, self->rx_size);
    self->tx_buffer = m_new(byte, self->tx_size);
    int result = uart_open(self->uart, self->baud, self->rx_buffer, self->rx_size,
        self->tx_buffer, self->tx_size);
    if (result == -MP_EBUSY) {
        unsigned irq = irq_isa(uart_irq(self->uart));
        os_irq_raise_busy(irq, irq_owner(irq));
    }
    self->open = true;
    MP_STATE_VM(machine_uarts)[self->number] = self;
    uart_line_control(self, 0);
    uart_on_receive(self->uart, uart_received, self);
    uart_set_trigger(self, self->irq_trigger);
}

// What init() was given, or what was there before.
static mp_int_t given(mp_int_t value, mp_int_t least, mp_int_t before) {
    return value >= least ? value : before;
}

static void mp_machine_uart_init_helper(machine_uart_obj_t *self, size_t n_args,
    const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_baudrate, ARG_bits, ARG_parity, ARG_stop, ARG_txbuf, ARG_rxbuf, ARG_timeout,
           ARG_timeout_char };
    static const mp_arg_t allowed_args[] = {
        { MP_QSTR_baudrate, MP_ARG_INT, { .u_int = 0 } },
        { MP_QSTR_bits, MP_ARG_INT, { .u_int = 0 } },
        { MP_QSTR_parity, MP_ARG_OBJ, { .u_obj = MP_OBJ_NULL } },
        { MP_QSTR_stop, MP_ARG_INT, { .u_int = 0 } },
        { MP_QSTR_txbuf, MP_ARG_KW_ONLY | MP_ARG_INT, { .u_int = -1 } },
        { MP_QSTR_rxbuf, MP_ARG_KW_ONLY | MP_ARG_INT, { .u_int = -1 } },
        { MP_QSTR_timeout, MP_ARG_KW_ONLY | MP_ARG_INT, { .u_int = -1 } },
        { MP_QSTR_timeout_char, MP_ARG_KW_ONLY | MP_ARG_INT, { .u_int = -1 } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    if (args[ARG_baudrate].u_int < 0 || args[ARG_baudrate].u_int > BAUD_MAX) {
        mp_raise_ValueError(MP_ERROR_TEXT("baudrate is not in 1 to 115200"));
    }
    if (args[ARG_bits].u_int != 0 && (args[ARG_bits].u_int < 5 || args[ARG_bits].u_int > 8)) {
        mp_raise_ValueError(MP_ERROR_TEXT("bits is not in 5 to 8"));
    }
    if (args[ARG_stop].u_int < 0 || args[ARG_stop].u_int > 2) {
        mp_raise_ValueError(MP_ERROR_TEXT("stop is not 1 or 2"));
    }
    self->baud = given(args[ARG_baudrate].u_int, 1, self->baud);
    self->bits = given(args[ARG_bits].u_int, 1, self->bits);
    self->stop = given(args[ARG_stop].u_int, 1, self->stop);
    if (args[ARG_parity].u_obj != MP_OBJ_NULL) {
        self->parity = args[ARG_parity].u_obj == mp_const_none ? -1
            : mp_obj_get_int(args[ARG_parity].u_obj) & 1;
    }
    self->tx_size = ring_size(given(args[ARG_txbuf].u_int, 0, self->tx_size));
    self->rx_size = ring_size(given(args[ARG_rxbuf].u_int, 0, self->rx_size));
    self->timeout_ms = given(args[ARG_timeout].u_int, 0, self->timeout_ms);
    self->timeout_char_ms = given(args[ARG_timeout_char].u_int, 0, self->timeout_char_ms);
    uart_start(self);
}

static mp_obj_t mp_machine_uart_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw,
    const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 1, MP_OBJ_FUN_ARGS_MAX, true);
    mp_int_t number = mp_obj_get_int(args[0]);
    if (number < 0 || number >= UART_COUNT) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("UART(%d) doesn't exist"),
            (int)number);
    }
    machine_uart_obj_t *self = MP_STATE_VM(machine_uarts)[number];
    if (self == NULL) {
        struct uart *uart = uart_get(number);
        if (uart == NULL) {
            mp_raise_OSError(MP_ENODEV);
        }
        if (uart_is_open(uart)) {
            os_irq_raise_busy(irq_isa(uart_irq(uart)), "the console");
        }
        self = mp_obj_malloc(machine_uart_obj_t, type);
        memset((byte *)self + sizeof(mp_obj_base_t), 0, sizeof(*self) - sizeof(mp_obj_base_t));
        self->uart = uart;
        self->number = number;
        self->baud = 9600;
        self->bits = 8;
        self->parity = -1;
        self->stop = 1;
        self->rx_size = self->tx_size = 256;
        self->idle_timer.fire = uart_idle;
    }
    mp_map_t kw_args;
    mp_map_init_fixed_table(&kw_args, n_kw, args + n_args);
    mp_machine_uart_init_helper(self, n_args - 1, args + 1, &kw_args);
    return MP_OBJ_FROM_PTR(self);
}

static void mp_machine_uart_deinit(machine_uart_obj_t *self) {
    if (!self->open) {
        return;
    }
    if (self->event != NULL) {
        os_event_cancel(self->event);
        self->event = NULL;
    }
    uart_close(self->uart);
    self->open = false;
    MP_STATE_VM(machine_uarts)[self->number] = NULL;
}

void os_uarts_reset(void) {
    for (unsigned i = 0; i < UART_COUNT; i++) {
        if (MP_STATE_VM(machine_uarts)[i] != NULL) {
            mp_machine_uart_deinit(MP_STATE_VM(machine_uarts)[i]);
        }
    }
}

// --- irq() --------------------------------------------------------------------------------------

static mp_uint_t uart_irq_trigger(mp_obj_t self_in, mp_uint_t trigger) {
    machine_uart_obj_t *self = MP_OBJ_TO_PTR(self_in);
    uart_set_trigger(self, trigger & UART_TRIGGERS);
    return 0;
}

static mp_uint_t uart_irq_info(mp_obj_t self_in, mp_uint_t type) {
    machine_uart_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (type != MP_IRQ_INFO_FLAGS) {
        return self->irq_trigger;
    }
    mp_uint_t flags = self->irq_flags;
    self->irq_flags = 0;
    return flags;
}

static const mp_irq_methods_t uart_irq_methods = {
    .trigger = uart_irq_trigger,
    .info = uart_irq_info,
};

static mp_irq_obj_t *mp_machine_uart_irq(machine_uart_obj_t *self, bool any_args,
    mp_arg_val_t *args) {
    if (self->irq == NULL) {
        self->irq = mp_irq_new(&uart_irq_methods, MP_OBJ_FROM_PTR(self));
    }
    if (!any_args) {
        return self->irq;
    }
    mp_obj_t handler = args[MP_IRQ_ARG_INIT_handler].u_obj;
    mp_int_t trigger = args[MP_IRQ_ARG_INIT_trigger].u_int;
    if (trigger & ~UART_TRIGGERS) {
        mp_raise_ValueError(MP_ERROR_TEXT("trigger unsupported"));
    }
    if (self->event != NULL) {
        os_event_cancel(self->event);
        self->event = NULL;
    }
    self->irq->handler = handler;
    self->irq->ishard = args[MP_IRQ_ARG_INIT_hard].u_bool;
    if (handler != mp_const_none) {
        os_event_obj_t *event = os_event_new(&os_event_type, &uart_source,
            MP_OBJ_NEW_SMALL_INT(self->number), handler, self->irq->ishard);
        event->detail->argument = MP_OBJ_FROM_PTR(self);
        self->event = event;
        os_event_start(event);
        uart_set_trigger(self, trigger);
    }
    return self->irq;
}

// --- Data ---------------------------------------------------------------------------------------

static mp_int_t mp_machine_uart_any(machine_uart_obj_t *self) {
    return self->open ? uart_readable(self->uart) : 0;
}

static bool mp_machine_uart_txdone(machine_uart_obj_t *self) {
    return !self->open || uart_tx_idle(self->uart);
}

static void mp_machine_uart_sendbreak(machine_uart_obj_t *self) {
    uart_line_control(self, LINE_CONTROL_BREAK);
    mp_hal_delay_us(13 * 1000000u / self->baud); // longer than any character
    uart_line_control(self, 0);
}

static bool uart_wait_readable(machine_uart_obj_t *self, uint32_t timeout_ms) {
    uint64_t deadline_ns = clock_ns() + timeout_ms * NS_PER_MS;
    while (uart_readable(self->uart) == 0) {
        if (clock_ns() >= deadline_ns) {
            return false;
        }
        mp_event_handle_nowait();
        mp_hal_wait_until(deadline_ns);
    }
    return true;
}

static mp_uint_t mp_machine_uart_read(mp_obj_t self_in, void *buffer, mp_uint_t size,
    int *errcode) {
    machine_uart_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (!self->open) {
        *errcode = MP_EBADF;
        return MP_STREAM_ERROR;
    }
    byte *next = buffer;
    byte *end = next + size;
    uint32_t timeout_ms = self->timeout_ms;
    while (next < end && uart_wait_readable(self, timeout_ms)) {
        next += uart_read(self->uart, next, end - next);
        timeout_ms = self->timeout_char_ms;
    }
    if (next == buffer && size != 0) {
        *errcode = MP_EAGAIN;
        return MP_STREAM_ERROR;
    }
    return next - (byte *)buffer;
}

// When what is to be sent, and what waits before it, must have left a line that works: four times
// what it takes, and a second for a host that is busy.
static uint64_t uart_deadline_ns(machine_uart_obj_t *self, size_t size) {
    uint64_t line_ns = (size + self->tx_size) * 12 * NS_PER_S / self->baud;
    return clock_ns() + 4 * line_ns + NS_PER_S;
}

// Waits for room, as the ring empties by itself.
static mp_uint_t mp_machine_uart_write(mp_obj_t self_in, const void *buffer, mp_uint_t size,
    int *errcode) {
    machine_uart_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (!self->open) {
        *errcode = MP_EBADF;
        return MP_STREAM_ERROR;
    }
    uint64_t deadline_ns = uart_deadline_ns(self, size) + self->timeout_ms * NS_PER_MS;
    size_t done = uart_write(self->uart, buffer, size);
    while (done < size && clock_ns() < deadline_ns) {
        mp_event_handle_nowait();
        mp_hal_wait_until(clock_ns() + NS_PER_MS); // no interrupt tells of room
        done += uart_write(self->uart, (const byte *)buffer + done, size - done);
    }
    if (done == 0 && size != 0) {
        *errcode = MP_EAGAIN;
        return MP_STREAM_ERROR;
    }
    return done;
}

static mp_uint_t mp_machine_uart_ioctl(mp_obj_t self_in, mp_uint_t request, uintptr_t arg,
    int *errcode) {
    machine_uart_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (!self->open) {
        *errcode = MP_EBADF;
        return MP_STREAM_ERROR;
    }
    if (request == MP_STREAM_POLL) {
        return (uart_readable(self->uart) > 0 ? arg & MP_STREAM_POLL_RD : 0)
               | (uart_writable(self->uart) > 0 ? arg & MP_STREAM_POLL_WR : 0);
    }
    if (request == MP_STREAM_FLUSH) {
        uint64_t deadline_ns = uart_deadline_ns(self, 0);
        while (!uart_tx_idle(self->uart)) {
            if (clock_ns() >= deadline_ns) {
                *errcode = MP_ETIMEDOUT;
                return MP_STREAM_ERROR;
            }
            mp_event_handle_nowait();
            mp_hal_wait_until(clock_ns() + NS_PER_MS);
        }
        return 0;
    }
    *errcode = MP_EINVAL;
    return MP_STREAM_ERROR;
}

MP_REGISTER_ROOT_POINTER(struct _machine_uart_obj_t *machine_uarts[4]);
