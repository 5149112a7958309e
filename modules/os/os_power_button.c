// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Events of the power button: a status bit of the PM1 event block, which raises the system control
// interrupt (ACPI 6.5, sections 4.8.2.2.1 and 4.8.3.1), or, on hardware-reduced machines such as
// microvm, a bit of the event device's selector (5.6.9; reading clears it, as QEMU's
// docs/specs/acpi_hw_reduced_hotplug says). The handler clears the bit, so the line needs no
// masking, and tells every listener.

#include "os_irq.h"

#include <stddef.h>

#include "py/mphal.h"
#include "py/mperrno.h"

#include "acpi.h"
#include "clock.h"
#include "cpu.h"
#include "memory.h"

#define PM1_ENABLE 2 // offset of the enable register in a block of 4 bytes
#define PM1_POWER_BUTTON (1u << 8)
#define PM1_SCI_ENABLE 1u // in the control register: events go to us, not to the firmware
#define ISA_LINES 16
#define TAKE_OVER_NS (3 * NS_PER_S / 10) // how long the firmware may take to let go of them

static void button_interrupt(void *arg);

static os_event_obj_t *listeners;
static bool listeners_shared;
static struct irq_action action = {
    .handler = button_interrupt,
    .name = "power button",
    .shared = true,
};

static unsigned button_irq(void) {
    if (acpi_info.pm1a_event == 0) {
        return acpi_info.ged_gsi;
    }
    return acpi_info.sci_irq < ISA_LINES ? irq_isa(acpi_info.sci_irq) : acpi_info.sci_irq;
}

// Events raise the system control interrupt once the firmware has handed them over.
static void take_over(void) {
    if (acpi_info.smi_command == 0 || acpi_info.pm1a_control == 0) {
        return;
    }
    uint64_t deadline_ns = clock_ns() + TAKE_OVER_NS;
    if (!(inw(acpi_info.pm1a_control) & PM1_SCI_ENABLE)) {
        outb(acpi_info.smi_command, acpi_info.acpi_enable);
    }
    while (!(inw(acpi_info.pm1a_control) & PM1_SCI_ENABLE) && clock_ns() < deadline_ns) {
        cpu_relax();
    }
}

// Whether it was pressed since the last call.
static bool button_take(void) {
    if (acpi_info.pm1a_event == 0) {
        return mmio_read32(acpi_info.ged_address) & acpi_info.ged_power_button;
    }
    bool pressed = inw(acpi_info.pm1a_event) & PM1_POWER_BUTTON;
    if (pressed) {
        outw(acpi_info.pm1a_event, PM1_POWER_BUTTON);
    }
    return pressed;
}

static void button_enable(bool enable) {
    button_take(); // what was pressed before is gone
    if (acpi_info.pm1a_event != 0) {
        uint16_t port = acpi_info.pm1a_event + PM1_ENABLE;
        uint16_t events = inw(port);
        outw(port, enable ? events | PM1_POWER_BUTTON : events & ~PM1_POWER_BUTTON);
    }
}

// Interrupt context.
static void button_interrupt(void *arg) {
    (void)arg;
    if (!button_take()) {
        return; // another event of the same line
    }
    os_event_obj_t *next;
    for (os_event_obj_t *event = listeners; event != NULL; event = next) {
        next = event->next_listener;
        os_event_fire(event);
    }
}

static void button_stop(os_event_obj_t *event) {
    os_event_obj_t **link = &listeners;
    while (*link != NULL && *link != event) {
        link = &(*link)->next_listener;
    }
    if (*link == event) {
        *link = event->next_listener;
    }
    if (listeners == NULL) {
        button_enable(false);
        irq_detach(button_irq(), &action);
    }
}

static void button_print_source(const mp_print_t *print, const os_event_obj_t *event) {
    (void)event;
    mp_print_str(print, "power-button");
}

const os_source_t os_power_button_source = {
    .verb = "subscribe",
    .print = button_print_source,
    .stop = button_stop,
};

static bool button_exists(void) {
    if (acpi_info.pm1a_event != 0) {
        return true;
    }
    acpi_scan_dsdt();
    return acpi_info.ged_address != 0 && memory_map_device(acpi_info.ged_address, 4) != 0;
}

void os_power_button_start(os_event_obj_t *event, bool shared) {
    if (!button_exists()) {
        mp_raise_OSError(MP_ENODEV);
    }
    if (listeners != NULL && (!shared || !listeners_shared)) {
        os_irq_raise_busy(button_irq(), "a listener to the power button");
    }
    if (listeners == NULL) {
        if (acpi_info.pm1a_event == 0 && irq_owner(button_irq()) == NULL) {
            irq_set_wiring(button_irq(), IRQ_EDGE);
        }
        if (irq_attach(button_irq(), &action) < 0) {
            os_irq_raise_busy(button_irq(), irq_owner(button_irq()));
        }
        take_over();
        button_enable(true);
    }
    listeners_shared = shared;
    os_event_start(event);
    uint64_t state = irq_save();
    os_event_obj_t **link = &listeners;
    while (*link != NULL) {
        link = &(*link)->next_listener;
    }
    event->next_listener = NULL;
    *link = event;
    irq_restore(state);
}
