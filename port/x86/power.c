// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Ways out of the machine, tried from the best to the crudest. Each is a write that the machine
// which has the device does not return from, and that the others ignore.

#include "power.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "acpi.h"
#include "cpu.h"
#include "log.h"
#include "memory.h"

#define DEBUG_EXIT_PORT 0xf4 // QEMU -device isa-debug-exit,iobase=0xf4
#define STATUS_MASK 0x7f // what fits: QEMU leaves with status << 1 | 1

#define PM1_SLEEP_ENABLE (1u << 13) // ACPI 6.5, 4.8.3.2.1
#define PM1_SLEEP_TYPE_SHIFT 10
#define GED_SLEEP_ENABLE (1u << 5) // ACPI 6.5, 4.8.3.7
#define GED_SLEEP_TYPE_SHIFT 2
#define GED_S5 5 // QEMU's hardware-reduced machines

#define QEMU_PM1_CONTROL 0x604
#define BOCHS_PM1_CONTROL 0xb004
#define VIRTUALBOX_PM1_CONTROL 0x4004
#define VIRTUALBOX_S5 5
#define CLOUD_HYPERVISOR_SLEEP 0x600
#define RESET_CONTROL 0xcf9
#define RESET_CONTROL_HARD 6
#define KEYBOARD_CONTROLLER 0x64
#define KEYBOARD_PULSE_RESET 0xfe

// A write's effect may come a moment later: the time to wait before the next way is tried.
static void settle(void) {
    for (unsigned i = 0; i < 100000; i++) {
        cpu_relax();
    }
}

static void write_register(uint64_t address, bool mmio, uint8_t value) {
    if (address == 0) {
        return;
    }
    if (!mmio) {
        outb(address, value);
    } else {
        uintptr_t mapped = memory_map_device(address, 1);
        if (mapped != 0) {
            mmio_write8(mapped, value);
        }
    }
    settle();
}

static void triple_fault(void) {
    struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } nothing = { 0, 0 };
    __asm__ volatile ("lidt %0; int3" : : "m" (nothing));
}

static void (*on_leave)(void);

void power_on_leave(void (*fn)(void)) {
    on_leave = fn;
}

// Once, although power_exit() goes on to power_off(), and that to power_reset().
static void leave(void) {
    void (*fn)(void) = on_leave;
    on_leave = NULL;
    if (fn != NULL) {
        fn();
    }
    irq_disable();
}

void power_reset(void) {
    leave();
    write_register(acpi_info.reset_register, acpi_info.reset_mmio, acpi_info.reset_value);
    outb(KEYBOARD_CONTROLLER, KEYBOARD_PULSE_RESET); // also ends Firecracker
    settle();
    outb(RESET_CONTROL, RESET_CONTROL_HARD);
    settle();
    triple_fault();
    while (true) {
        __asm__ volatile ("hlt");
    }
}

void power_off(void) {
    leave();
    acpi_scan_dsdt();
    unsigned s5 = acpi_info.s5_type >= 0 ? (unsigned)acpi_info.s5_type : 0;
    if (acpi_info.sleep_control != 0) {
        unsigned type = acpi_info.s5_type >= 0 ? s5 : GED_S5;
        write_register(acpi_info.sleep_control, acpi_info.sleep_control_mmio,
            GED_SLEEP_ENABLE | type << GED_SLEEP_TYPE_SHIFT);
    }
    if (acpi_info.pm1a_control != 0) {
        outw(acpi_info.pm1a_control, PM1_SLEEP_ENABLE | s5 << PM1_SLEEP_TYPE_SHIFT);
        settle();
    }
    outw(QEMU_PM1_CONTROL, PM1_SLEEP_ENABLE);
    settle();
    outw(BOCHS_PM1_CONTROL, PM1_SLEEP_ENABLE);
    outw(VIRTUALBOX_PM1_CONTROL, PM1_SLEEP_ENABLE | VIRTUALBOX_S5 << PM1_SLEEP_TYPE_SHIFT);
    outb(CLOUD_HYPERVISOR_SLEEP, GED_SLEEP_ENABLE | GED_S5 << GED_SLEEP_TYPE_SHIFT);
    settle();
    power_reset();
}

void power_exit(int status) {
    leave();
    if (status != 0) {
        kprintf("importos: exit status %d\n", status & 0xff);
        outb(DEBUG_EXIT_PORT, status & STATUS_MASK);
        settle();
    }
    power_off();
}
