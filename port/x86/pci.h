// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// PCI and PCI Express (PCI Local Bus 3.0, chapter 6; PCI Express Base 3.0, section 7.2): finding
// the functions, their BARs, capabilities and interrupts. Nothing is scanned before somebody asks.
//
// Context: the main thread, but for the pci_read and pci_write functions, which any context may
// call. The table of devices is filled once and never changes; pointers into it stay valid.

#ifndef IMPORTOS_PCI_H
#define IMPORTOS_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "irq.h"

#define PCI_DEVICE_MAX 64
#define PCI_BAR_MAX 6
#define PCI_CAPABILITY_MAX 48 // steps of a capability list: more is a loop

#define PCI_CAP_MSI 0x05
#define PCI_CAP_VENDOR 0x09
#define PCI_CAP_MSIX 0x11

struct pci_bar {
    uint64_t address; // physical address or I/O port; 0: not assigned
    uint64_t size; // bytes, 0: no such BAR
    bool io;
    bool prefetchable;
    bool wide; // 64 bits: takes the next BAR's place too
    bool unwritten; // (address) is reserved; pci_map_bar() tells the function
};

struct pci_device {
    uint8_t bus, slot, function;
    uint8_t class_code, subclass, interface, revision;
    uint16_t vendor, device;
    uint16_t subsystem_vendor, subsystem;
    uint8_t header_type; // without the multi-function bit
    uint8_t interrupt_pin; // 1 to 4 for INTA to INTD, 0: none
    int irq; // irq number (irq.h) of the INTx line, level; -1: none
    struct pci_bar bar[PCI_BAR_MAX];
    uint8_t msix_capability; // its offset, 0: none
    uint16_t msix_count; // vectors, 0: none
    uintptr_t msix_table; // mapped by pci_msix_open(), 0 before
    const char *owner; // the kernel's driver that uses it, NULL: none
};

// Scan the buses, once; later calls only return the number of functions found.
unsigned pci_scan(void);

// The (n)th function in order of bus, slot, function; NULL past the last. Scans if need be.
struct pci_device *pci_get(unsigned n);

// Configuration space; (offset) 0 to 255, to 4095 on PCI Express. All ones for what is not there;
// writes there are lost. (offset) is rounded down to the access's size.
uint8_t pci_read8(const struct pci_device *device, unsigned offset);
uint16_t pci_read16(const struct pci_device *device, unsigned offset);
uint32_t pci_read32(const struct pci_device *device, unsigned offset);
void pci_write8(const struct pci_device *device, unsigned offset, uint8_t value);
void pci_write16(const struct pci_device *device, unsigned offset, uint16_t value);
void pci_write32(const struct pci_device *device, unsigned offset, uint32_t value);

// False once the function is not in its slot any more: the host took it out.
bool pci_present(const struct pci_device *device);

// Offset of the capability behind (previous), 0 for the first; returns 0 at the end. (steps)
// starts at 0 and bounds the walk.
unsigned pci_capability_next(const struct pci_device *device, unsigned previous, unsigned *steps);

// Offset of the first capability (id), or 0.
unsigned pci_capability_find(const struct pci_device *device, uint8_t id);

// Let the function answer at its BARs and read and write memory by itself.
void pci_enable(const struct pci_device *device);
// Whether it may pull its INTx line. Off while nobody handles it: the line may be shared.
void pci_intx(const struct pci_device *device, bool on);

// Map (size) bytes at (offset) of memory BAR (n), uncached. Returns the address, or 0: no such
// BAR, out of its bounds, not assigned, or no page table left.
uintptr_t pci_map_bar(struct pci_device *device, unsigned n, uint64_t offset, uint64_t size);

// Map the MSI-X table, mask every vector, and turn MSI-X on and INTx off. Idempotent.
// -ENODEV: the function has none; -EIO: the table does not lie in a memory BAR.
int pci_msix_open(struct pci_device *device);
// Vector (n) raises (message) from now on. Needs pci_msix_open(). -EINVAL: no such vector.
int pci_msix_set(struct pci_device *device, unsigned n, const struct irq_message *message);
void pci_msix_mask(struct pci_device *device, unsigned n);
// MSI-X off, INTx on again.
void pci_msix_close(struct pci_device *device);

#endif // IMPORTOS_PCI_H
