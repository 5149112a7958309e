// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Virtio console device (virtio 1.1, section 5.3): byte streams to the host, with several ports by
// name where the host has them (VIRTIO_CONSOLE_F_MULTIPORT). The first device of the machine is
// served, its ports 0 to VIRTIO_CONSOLE_PORT_MAX - 1.
//
// Input: the interrupt moves bytes into a ring of the port, and what does not fit waits on the
// host. Output: what fits is handed over; nothing waits but for virtio_console_wait().
// Context: the main thread, but for the two functions of virtio_console_set_handlers(). A device
// that breaks the rules is stopped, and everything gives -EIO from then on.

#ifndef IMPORTOS_VIRTIO_CONSOLE_H
#define IMPORTOS_VIRTIO_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VIRTIO_CONSOLE_PORT_MAX 4
#define VIRTIO_CONSOLE_NAME_MAX 63 // bytes

// True if there is a device. Looks for it on first call.
bool virtio_console_exists(void);

// Bytes of page-aligned memory that virtio_console_start() needs.
size_t virtio_console_memory_size(void);

// Start the device and learn its ports, within 100 ms; (memory) is the device's for ever.
int virtio_console_start(void *memory);

// (filter)(port, byte) sees every byte first, and returns true to swallow it; (ready)() is called
// when something may have changed. Both in interrupt context.
void virtio_console_set_handlers(bool (*filter)(unsigned port, uint8_t byte), void (*ready)(void));

bool virtio_console_has_port(unsigned port);
const char *virtio_console_name(unsigned port); // "" if it has none
bool virtio_console_connected(unsigned port); // somebody is at the host's end

// The terminal's size at the host's end; false if the host does not tell.
bool virtio_console_size(uint16_t *columns, uint16_t *rows);

// Tell the host that somebody is at this end, or is not any more.
int virtio_console_open(unsigned port);
void virtio_console_close(unsigned port);

// What is there, 0 if nothing; what fits, 0 if nothing. -EIO, -ENODEV: it is gone.
int virtio_console_read(unsigned port, void *data, size_t size);
int virtio_console_write(unsigned port, const void *data, size_t size);
size_t virtio_console_readable(unsigned port);
size_t virtio_console_writable(unsigned port);

// Wait until there is more room to write than now, at most (limit_ns); false: there is not. The
// CPU halts, and interrupt handlers run, but nothing of Python does.
bool virtio_console_wait(unsigned port, uint64_t limit_ns);
bool virtio_console_drained(unsigned port); // the host has taken all that was written

#endif // IMPORTOS_VIRTIO_CONSOLE_H
