// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// ACPI tables in, plain facts out: no AML is interpreted (ACPI 6.5, section 5.2). A machine
// without ACPI (microvm,acpi=off) yields the PC/AT defaults with .present false.

#ifndef IMPORTOS_ACPI_H
#define IMPORTOS_ACPI_H

#include <stdbool.h>
#include <stdint.h>

#define ACPI_IOAPIC_MAX 8
#define ACPI_OVERRIDE_MAX 24
#define ACPI_VIRTIO_MMIO_MAX 32
#define ACPI_PCI_LINE_MAX 4

struct acpi_ioapic {
    uint32_t address;
    uint32_t gsi_base;
};

struct acpi_override {
    uint8_t isa_line;
    uint32_t gsi;
    uint16_t flags; // MPS INTI flags
};

struct acpi_virtio_mmio {
    uint64_t address;
    uint32_t gsi;
};

struct acpi_info {
    bool present;
    uint64_t lapic_address; // 0: not told
    unsigned ioapic_count;
    struct acpi_ioapic ioapic[ACPI_IOAPIC_MAX];
    unsigned override_count;
    struct acpi_override override[ACPI_OVERRIDE_MAX];
    uint16_t sci_irq; // ISA line or GSI of the system control interrupt
    uint16_t pm1a_event, pm1a_control; // I/O ports, 0: absent
    uint16_t pm_timer; // I/O port of the 3.579545 MHz timer, 0: absent
    uint16_t gpe0; // I/O port of the general-purpose event block
    uint8_t gpe0_size;
    bool pm_timer_32bit;
    bool hw_reduced;
    uint64_t sleep_control; // hardware-reduced sleep control register (address), 0: absent
    bool sleep_control_mmio;
    uint64_t reset_register; // 0: absent
    bool reset_mmio;
    uint8_t reset_value;
    uint16_t smi_command; // I/O port, 0: absent; writing acpi_enable to it hands the events over
    uint8_t acpi_enable;
    uint64_t dsdt; // physical address, 0: absent
    uint64_t hpet; // physical address, 0: absent
    uint64_t ecam; // PCI Express configuration space of segment 0, 0: absent
    uint8_t ecam_bus_first, ecam_bus_last;
    // Filled by acpi_scan_dsdt(), by byte patterns: SLP_TYP for S5 out of the \_S5 package (-1:
    // not found); the Generic Event Device (_HID "ACPI0013"), its event selector and the bit that
    // is the power button; (ecam) of a host bridge that no MCFG names (_CBA); the largest window
    // for memory BARs; the inputs of the PCI lines; the virtio-mmio devices ("LNRO0005").
    int s5_type;
    uint32_t ged_address, ged_gsi; // address 0: absent
    uint8_t ged_power_button;
    uint32_t pci_window, pci_window_size; // bytes, 0: not told
    unsigned pci_line_count;
    uint32_t pci_line[ACPI_PCI_LINE_MAX]; // GSIs
    unsigned virtio_mmio_count;
    struct acpi_virtio_mmio virtio_mmio[ACPI_VIRTIO_MMIO_MAX];
};

extern struct acpi_info acpi_info;

// (rsdp) 0: search the BIOS areas. Needs the tables mapped. Boot time only.
void acpi_init(uint64_t rsdp);

// Search the DSDT for what only AML tells; done once, on the first call. Main thread, or a panic.
void acpi_scan_dsdt(void);

#endif // IMPORTOS_ACPI_H
