// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// PCI and PCI Express configuration (PCI Local Bus 3.0, sections 3.2.2.3.2, 6.1, 6.2.5, 6.8.2;
// PCI Express Base 3.0, section 7.2.2). Addresses that firmware assigned are used, never changed;
// memory BARs on bus 0 that it left (qboot leaves all) get theirs from the host bridge's window,
// if ACPI tells one.

#include "pci.h"

#include <errno.h>
#include <stddef.h>

#include "acpi.h"
#include "cpu.h"
#include "log.h"
#include "memory.h"

#define PORT_ADDRESS 0xcf8
#define PORT_DATA 0xcfc
#define ADDRESS_ENABLE 0x80000000u

#define REG_ID 0x00
#define REG_COMMAND 0x04
#define REG_STATUS 0x06
#define REG_CLASS 0x08
#define REG_HEADER 0x0e
#define REG_BAR 0x10
#define REG_SECONDARY_BUS 0x19
#define REG_SUBSYSTEM 0x2c
#define REG_CAPABILITIES 0x34
#define REG_INTERRUPT 0x3c

#define COMMAND_IO 0x1
#define COMMAND_MEMORY 0x2
#define COMMAND_MASTER 0x4
#define COMMAND_INTX_OFF 0x400
#define STATUS_CAPABILITIES 0x10
#define HEADER_MULTI 0x80
#define HEADER_BRIDGE 1

#define MSIX_CONTROL 2
#define MSIX_TABLE 4
#define MSIX_ENABLE 0x8000
#define MSIX_FUNCTION_MASK 0x4000
#define MSIX_ENTRY_SIZE 16
#define MSIX_ENTRY_CONTROL 12

#define BRIDGE_WINDOW_SIZE 0x100000u
#define BUS_COUNT 256
#define BUS_SIZE 0x100000u // bytes of memory-mapped configuration space of one bus
#define NO_DEVICE 0xffffffffu

static struct pci_device devices[PCI_DEVICE_MAX];
static unsigned device_count;
static bool scanned, has_ports, table_full;
static uintptr_t bus_window[BUS_COUNT]; // mapped memory configuration space, 0: not (yet)

static void scan_bus(unsigned bus, unsigned depth);
static void read_function(unsigned bus, unsigned slot, unsigned function, uint32_t id);
static void read_bars(struct pci_device *device);
static void place_bars(void);
static void read_interrupts(struct pci_device *device);
static uintptr_t config_window(unsigned bus);

unsigned pci_scan(void) {
    if (!scanned) {
        scanned = true;
        outl(PORT_ADDRESS, ADDRESS_ENABLE);
        has_ports = inl(PORT_ADDRESS) == ADDRESS_ENABLE;
        if (!has_ports && acpi_info.ecam == 0) {
            acpi_scan_dsdt(); // microvm,pcie=on
        }
        if (has_ports || acpi_info.ecam != 0) {
            scan_bus(0, 0);
            place_bars();
        }
        if (table_full) {
            kprintf("pci: more than %d functions, the rest is not seen\n", PCI_DEVICE_MAX);
        }
    }
    return device_count;
}

struct pci_device *pci_get(unsigned n) {
    return n < pci_scan() ? &devices[n] : NULL;
}

// --- configuration space -------------------------------------------------------------------

// Memory-mapped access where the ports do not reach: extended space, or a machine without ports.
static uintptr_t config_address(const struct pci_device *device, unsigned offset) {
    if (has_ports && offset < 256) {
        return 0;
    }
    uintptr_t window = config_window(device->bus);
    if (window == 0) {
        return 0;
    }
    return window + ((unsigned)device->slot << 15 | (unsigned)device->function << 12 | offset);
}

static bool select_port(const struct pci_device *device, unsigned offset) {
    if (!has_ports || offset >= 256) {
        return false;
    }
    outl(PORT_ADDRESS, ADDRESS_ENABLE | (uint32_t)device->bus << 16 |
                (uint32_t)device->slot << 11 | (uint32_t)device->function << 8 | (offset & 0xfc));
    return true;
}

uint32_t pci_read32(const struct pci_device *device, unsigned offset) {
    offset &= 0xffc;
    uintptr_t address = config_address(device, offset);
    if (address != 0) {
        return mmio_read32(address);
    }
    // The address port and the data port are one register to an interrupt handler.
    uint64_t state = irq_save();
    uint32_t value = select_port(device, offset) ? inl(PORT_DATA) : NO_DEVICE;
    irq_restore(state);
    return value;
}

uint16_t pci_read16(const struct pci_device *device, unsigned offset) {
    return (uint16_t)(pci_read32(device, offset) >> (offset & 2) * 8);
}

uint8_t pci_read8(const struct pci_device *device, unsigned offset) {
    return (uint8_t)(pci_read32(device, offset) >> (offset & 3) * 8);
}

void pci_write32(const struct pci_device *device, unsigned offset, uint32_t value) {
    offset &= 0xffc;
    uintptr_t address = config_address(device, offset);
    if (address != 0) {
        mmio_write32(address, value);
        return;
    }
    uint64_t state = irq_save();
    if (select_port(device, offset)) {
        outl(PORT_DATA, value);
    }
    irq_restore(state);
}

void pci_write16(const struct pci_device *device, unsigned offset, uint16_t value) {
    offset &= 0xffe;
    uintptr_t address = config_address(device, offset);
    if (address != 0) {
        mmio_write16(address, value);
        return;
    }
    uint64_t state = irq_save();
    if (select_port(device, offset)) {
        outw((uint16_t)(PORT_DATA + (offset & 2)), value);
    }
    irq_restore(state);
}

void pci_write8(const struct pci_device *device, unsigned offset, uint8_t value) {
    offset &= 0xfff;
    uintptr_t address = config_address(device, offset);
    if (address != 0) {
        mmio_write8(address, value);
        return;
    }
    uint64_t state = irq_save();
    if (select_port(device, offset)) {
        outb((uint16_t)(PORT_DATA + (offset & 3)), value);
    }
    irq_restore(state);
}

bool pci_present(const struct pci_device *device) {
    return pci_read16(device, REG_ID) == device->vendor;
}

static uintptr_t config_window(unsigned bus) {
    if (acpi_info.ecam == 0 || bus < acpi_info.ecam_bus_first || bus > acpi_info.ecam_bus_last) {
        return 0;
    }
    if (bus_window[bus] == 0) {
        bus_window[bus] = memory_map_device(acpi_info.ecam + (uint64_t)bus * BUS_SIZE, BUS_SIZE);
    }
    return bus_window[bus];
}

// --- enumeration ----------------------------------------------------------------------------

// (depth) ends a loop of bridges that point at each other; a sane one leads to a higher bus.
static void scan_bus(unsigned bus, unsigned depth) {
    for (unsigned slot = 0; slot < 32; slot++) {
        struct pci_device probe = { .bus = (uint8_t)bus, .slot = (uint8_t)slot };
        unsigned function_count = 1;
        for (unsigned function = 0; function < function_count; function++) {
            probe.function = (uint8_t)function;
            uint32_t id = pci_read32(&probe, REG_ID);
            if (id == NO_DEVICE || id == 0) {
                continue;
            }
            uint8_t header = pci_read8(&probe, REG_HEADER);
            if (function == 0 && (header & HEADER_MULTI)) {
                function_count = 8;
            }
            read_function(bus, slot, function, id);
            if ((header & 0x7f) == HEADER_BRIDGE && depth < 8) {
                unsigned secondary = pci_read8(&probe, REG_SECONDARY_BUS);
                if (secondary > bus) {
                    scan_bus(secondary, depth + 1);
                }
            }
        }
    }
}

static void read_function(unsigned bus, unsigned slot, unsigned function, uint32_t id) {
    if (device_count == PCI_DEVICE_MAX) {
        table_full = true;
        return;
    }
    struct pci_device *device = &devices[device_count++];
    device->bus = (uint8_t)bus;
    device->slot = (uint8_t)slot;
    device->function = (uint8_t)function;
    device->vendor = (uint16_t)id;
    device->device = (uint16_t)(id >> 16);
    uint32_t class_word = pci_read32(device, REG_CLASS);
    device->class_code = (uint8_t)(class_word >> 24);
    device->subclass = (uint8_t)(class_word >> 16);
    device->interface = (uint8_t)(class_word >> 8);
    device->revision = (uint8_t)class_word;
    device->header_type = pci_read8(device, REG_HEADER) & 0x7f;
    if (device->header_type == 0) {
        uint32_t subsystem = pci_read32(device, REG_SUBSYSTEM);
        device->subsystem_vendor = (uint16_t)subsystem;
        device->subsystem = (uint16_t)(subsystem >> 16);
    }
    read_bars(device);
    read_interrupts(device);
}

// The size of a BAR is what reads back after writing ones; the function must not answer at the
// address that this makes for a moment, so decoding is off meanwhile (PCI 3.0, 6.2.5.1).
static void read_bars(struct pci_device *device) {
    unsigned bar_count = device->header_type == 0 ? PCI_BAR_MAX :
        device->header_type == HEADER_BRIDGE ? 2 : 0;
    uint16_t command = pci_read16(device, REG_COMMAND);
    pci_write16(device, REG_COMMAND, command & (uint16_t) ~(COMMAND_IO | COMMAND_MEMORY));
    for (unsigned n = 0; n < bar_count; n++) {
        struct pci_bar *bar = &device->bar[n];
        unsigned offset = REG_BAR + 4 * n;
        uint32_t low = pci_read32(device, offset);
        pci_write32(device, offset, 0xffffffff);
        uint32_t mask_low = pci_read32(device, offset);
        pci_write32(device, offset, low);
        bar->io = low & 1;
        if (bar->io) {
            bar->address = low & 0xfffc;
            bar->size = (uint32_t) ~(mask_low & 0xfffffffc) + 1u;
            bar->size &= 0xffff;
            continue;
        }
        uint64_t mask = 0xffffffff00000000 | (mask_low & 0xfffffff0);
        bar->address = low & 0xfffffff0;
        bar->prefetchable = low & 8;
        bar->wide = (low & 6) == 4 && n + 1 < bar_count;
        if (bar->wide) {
            uint32_t high = pci_read32(device, offset + 4);
            pci_write32(device, offset + 4, 0xffffffff);
            mask = (uint64_t)pci_read32(device, offset + 4) << 32 | (mask_low & 0xfffffff0);
            pci_write32(device, offset + 4, high);
            bar->address |= (uint64_t)high << 32;
            n++;
        }
        bar->size = (mask_low & 0xfffffff0) == 0 && !bar->wide ? 0 : ~mask + 1;
    }
    pci_write16(device, REG_COMMAND, command);
}

static bool is_unplaced(const struct pci_device *device, const struct pci_bar *bar) {
    return bar->size != 0 && bar->address == 0 && !bar->io && device->bus == 0;
}

// The end of what is free in the host bridge's window: below all that has an address, and below
// the windows of bridges, which are whole MiB. 0: nothing needs a place.
static uint64_t free_end(void) {
    uint64_t end = UINT32_MAX;
    bool wanted = false;
    for (unsigned n = 0; n < device_count * PCI_BAR_MAX; n++) {
        const struct pci_device *device = &devices[n / PCI_BAR_MAX];
        const struct pci_bar *bar = &device->bar[n % PCI_BAR_MAX];
        wanted = wanted || is_unplaced(device, bar);
        if (bar->address != 0 && !bar->io && bar->address < end) {
            end = bar->address & ~(uint64_t)(BRIDGE_WINDOW_SIZE - 1);
        }
    }
    return wanted ? end : 0;
}

// Below 4 GiB for all of them: a wide BAR's upper half is 0 already. The function is told of the
// place by pci_map_bar(): until then the BAR is 0, which is none, and the host need not map it.
static void place_bars(void) {
    uint64_t end = free_end();
    if (end == 0) {
        return;
    }
    acpi_scan_dsdt();
    uint64_t start = acpi_info.pci_window;
    if (end > start + acpi_info.pci_window_size) {
        end = start + acpi_info.pci_window_size;
    }
    for (unsigned n = 0; n < device_count * PCI_BAR_MAX; n++) {
        struct pci_device *device = &devices[n / PCI_BAR_MAX];
        struct pci_bar *bar = &device->bar[n % PCI_BAR_MAX];
        if (is_unplaced(device, bar) && bar->size <= end) {
            uint64_t at = (end - bar->size) & ~(bar->size - 1); // naturally aligned
            if (at >= start && start != 0) {
                end = bar->address = at;
                bar->unwritten = true;
            }
        }
    }
}

static void read_interrupts(struct pci_device *device) {
    uint16_t interrupt = pci_read16(device, REG_INTERRUPT);
    unsigned line = interrupt & 0xff;
    device->interrupt_pin = (uint8_t)(interrupt >> 8);
    device->irq = -1;
    if (device->interrupt_pin >= 1 && device->interrupt_pin <= 4) {
        if (line > 0 && line < 255) {
            // Firmware writes the line as the 8259s number it; I/O APIC input by the MADT.
            device->irq = (int)(line < 16 ? irq_isa(line) : line);
        } else if (device->bus == 0 && acpi_info.pci_line_count == ACPI_PCI_LINE_MAX) {
            // Pins go round with the slot (PCI 3.0, 2.2.6), as QEMU's _PRT says at more length.
            unsigned next = device->slot + device->interrupt_pin - 1u;
            device->irq = (int)acpi_info.pci_line[next % ACPI_PCI_LINE_MAX];
        }
    }
    device->msix_capability = (uint8_t)pci_capability_find(device, PCI_CAP_MSIX);
    if (device->msix_capability != 0) {
        uint16_t control = pci_read16(device, device->msix_capability + MSIX_CONTROL);
        device->msix_count = (control & 0x7ff) + 1;
    }
}

// --- capabilities and BARs ------------------------------------------------------------------

unsigned pci_capability_next(const struct pci_device *device, unsigned previous, unsigned *steps) {
    if (previous == 0 && !(pci_read16(device, REG_STATUS) & STATUS_CAPABILITIES)) {
        return 0;
    }
    unsigned offset = pci_read8(device, previous == 0 ? REG_CAPABILITIES : previous + 1) & 0xfc;
    if (offset < 0x40 || (*steps)++ >= PCI_CAPABILITY_MAX) {
        return 0;
    }
    return offset;
}

unsigned pci_capability_find(const struct pci_device *device, uint8_t id) {
    unsigned steps = 0;
    unsigned offset = 0;
    do {
        offset = pci_capability_next(device, offset, &steps);
    } while (offset != 0 && pci_read8(device, offset) != id);
    return offset;
}

void pci_enable(const struct pci_device *device) {
    uint16_t command = pci_read16(device, REG_COMMAND);
    pci_write16(device, REG_COMMAND, command | COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER);
}

void pci_intx(const struct pci_device *device, bool on) {
    uint16_t command = pci_read16(device, REG_COMMAND) & (uint16_t) ~COMMAND_INTX_OFF;
    pci_write16(device, REG_COMMAND, on ? command : command | COMMAND_INTX_OFF);
}

uintptr_t pci_map_bar(struct pci_device *device, unsigned n, uint64_t offset,
    uint64_t size) {
    if (n >= PCI_BAR_MAX || size == 0) {
        return 0;
    }
    struct pci_bar *bar = &device->bar[n];
    if (bar->io || bar->address == 0 || offset > bar->size || size > bar->size - offset) {
        return 0;
    }
    if (bar->unwritten) {
        bar->unwritten = false;
        pci_write32(device, REG_BAR + 4 * n, (uint32_t)bar->address);
    }
    return memory_map_device(bar->address + offset, size);
}

// --- MSI-X (PCI 3.0, section 6.8.2) ---------------------------------------------------------

int pci_msix_open(struct pci_device *device) {
    if (device->msix_count == 0) {
        return -ENODEV;
    }
    unsigned control_offset = device->msix_capability + MSIX_CONTROL;
    if (device->msix_table == 0) {
        uint32_t where = pci_read32(device, device->msix_capability + MSIX_TABLE);
        device->msix_table = pci_map_bar(device, where & 7, where & ~7u,
            (uint64_t)device->msix_count * MSIX_ENTRY_SIZE);
        if (device->msix_table == 0) {
            return -EIO;
        }
    }
    uint16_t command = pci_read16(device, REG_COMMAND);
    pci_write16(device, REG_COMMAND, command | COMMAND_MEMORY | COMMAND_INTX_OFF);
    uint16_t control = pci_read16(device, control_offset) & (uint16_t) ~MSIX_FUNCTION_MASK;
    if (control & MSIX_ENABLE) {
        return 0; // opened before: vectors that are in use stay as they are
    }
    pci_write16(device, control_offset, control | MSIX_ENABLE);
    for (unsigned n = 0; n < device->msix_count; n++) {
        pci_msix_mask(device, n);
    }
    return 0;
}

int pci_msix_set(struct pci_device *device, unsigned n, const struct irq_message *message) {
    if (device->msix_table == 0 || n >= device->msix_count) {
        return -EINVAL;
    }
    uintptr_t entry = device->msix_table + n * MSIX_ENTRY_SIZE;
    mmio_write32(entry + MSIX_ENTRY_CONTROL, 1);
    mmio_write32(entry, (uint32_t)message->address);
    mmio_write32(entry + 4, (uint32_t)(message->address >> 32));
    mmio_write32(entry + 8, message->data);
    mmio_write32(entry + MSIX_ENTRY_CONTROL, 0);
    return 0;
}

void pci_msix_mask(struct pci_device *device, unsigned n) {
    if (device->msix_table != 0 && n < device->msix_count) {
        mmio_write32(device->msix_table + n * MSIX_ENTRY_SIZE + MSIX_ENTRY_CONTROL, 1);
    }
}

void pci_msix_close(struct pci_device *device) {
    if (device->msix_table == 0) {
        return;
    }
    unsigned control_offset = device->msix_capability + MSIX_CONTROL;
    uint16_t control = pci_read16(device, control_offset);
    pci_write16(device, control_offset, control & (uint16_t) ~MSIX_ENABLE);
    pci_intx(device, true);
}
