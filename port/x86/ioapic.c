// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The I/O APICs (Intel 82093AA datasheet, section 3). A machine may have several, each with a
// range of global system interrupts; microvm with ACPI has two.

#include "ioapic.h"

#include <stddef.h>

#include "acpi.h"
#include "cpu.h"
#include "irq.h"
#include "lapic.h"
#include "log.h"
#include "memory.h"

#define PC_IOAPIC_ADDRESS 0xfec00000u // where it is on every PC whose firmware says nothing

#define SELECT 0x00
#define WINDOW 0x10

#define REG_VERSION 1
#define REG_TABLE 0x10

#define ENTRY_MASKED (1u << 16)
#define ENTRY_LEVEL (1u << 15)
#define ENTRY_ACTIVE_LOW (1u << 13)
#define DESTINATION_SHIFT 24

struct ioapic {
    uintptr_t registers;
    unsigned gsi_base, count;
};

static struct ioapic ioapics[ACPI_IOAPIC_MAX];
static unsigned ioapic_count;

static uint32_t ioapic_read(const struct ioapic *io, unsigned reg) {
    mmio_write32(io->registers + SELECT, reg);
    return mmio_read32(io->registers + WINDOW);
}

static void ioapic_write(const struct ioapic *io, unsigned reg, uint32_t value) {
    mmio_write32(io->registers + SELECT, reg);
    mmio_write32(io->registers + WINDOW, value);
}

static const struct ioapic *find(unsigned gsi) {
    for (unsigned i = 0; i < ioapic_count; i++) {
        if (gsi - ioapics[i].gsi_base < ioapics[i].count) {
            return &ioapics[i];
        }
    }
    return NULL;
}

static void add(uint64_t address, unsigned gsi_base) {
    struct ioapic *io = &ioapics[ioapic_count];
    io->registers = memory_map_device(address, PAGE_SIZE);
    io->gsi_base = gsi_base;
    uint32_t version = ioapic_read(io, REG_VERSION);
    if (version == 0xffffffff || version == 0) {
        kprintf("ioapic: nothing answers at 0x%lx\n", (unsigned long)address);
        return;
    }
    io->count = (version >> 16 & 0xff) + 1;
    for (unsigned i = 0; i < io->count; i++) {
        ioapic_write(io, REG_TABLE + 2 * i, ENTRY_MASKED);
    }
    ioapic_count++;
}

void ioapic_init(void) {
    for (unsigned i = 0; i < acpi_info.ioapic_count; i++) {
        add(acpi_info.ioapic[i].address, acpi_info.ioapic[i].gsi_base);
    }
    if (acpi_info.ioapic_count == 0) {
        add(PC_IOAPIC_ADDRESS, 0);
    }
}

bool ioapic_has(unsigned gsi) {
    return find(gsi) != NULL;
}

void ioapic_route(unsigned gsi, unsigned vector, unsigned flags) {
    const struct ioapic *io = find(gsi);
    if (io == NULL) {
        return;
    }
    uint32_t entry = vector | ENTRY_MASKED;
    if (flags & IRQ_LEVEL) {
        entry |= ENTRY_LEVEL;
    }
    if (flags & IRQ_ACTIVE_LOW) {
        entry |= ENTRY_ACTIVE_LOW;
    }
    unsigned reg = REG_TABLE + 2 * (gsi - io->gsi_base);
    ioapic_write(io, reg, ENTRY_MASKED);
    ioapic_write(io, reg + 1, lapic_id() << DESTINATION_SHIFT);
    ioapic_write(io, reg, entry);
}

static void set_masked(unsigned gsi, uint32_t mask) {
    const struct ioapic *io = find(gsi);
    if (io != NULL) {
        unsigned reg = REG_TABLE + 2 * (gsi - io->gsi_base);
        ioapic_write(io, reg, (ioapic_read(io, reg) & ~ENTRY_MASKED) | mask);
    }
}

void ioapic_mask(unsigned gsi) {
    set_masked(gsi, ENTRY_MASKED);
}

void ioapic_unmask(unsigned gsi) {
    set_masked(gsi, 0);
}
