// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The ACPI tables that matter to a kernel without an AML interpreter (ACPI 6.5, 5.2): MADT, FADT,
// HPET, MCFG. What only AML tells (how to power off, and where microvm's power button, virtio
// devices and PCI bus are) is found by byte patterns in the DSDT, and not before somebody asks.

#include "acpi.h"

#include <stddef.h>

#include "boot_info.h"
#include "cpu.h"
#include "log.h"
#include "memory.h"

#define BIOS_AREA_START 0xe0000u
#define BIOS_AREA_END 0x100000u
#define EBDA_SEARCH_SIZE 1024u

#define TABLES_MAX 64
#define TABLE_SIZE_MAX (1u << 20)

#define SIGNATURE(a, b, c, d) \
    ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)
#define RSDP_SIGNATURE 0x2052545020445352ull // "RSD PTR "

struct table {
    uint32_t signature;
    uint32_t length;
    uint8_t revision, checksum;
    char oem[26];
};
_Static_assert(sizeof(struct table) == 36, "ACPI 6.5, table 5.4");

// Byte offsets into the FADT (ACPI 6.5, table 5.9).
enum {
    FADT_DSDT = 40, FADT_SCI = 46, FADT_SMI_COMMAND = 48, FADT_ACPI_ENABLE = 52,
    FADT_PM1A_EVENT = 56, FADT_PM1A_CONTROL = 64, FADT_PM_TIMER = 76, FADT_GPE0 = 80,
    FADT_GPE0_SIZE = 92, FADT_FLAGS = 112, FADT_RESET_REGISTER = 116, FADT_RESET_VALUE = 128,
    FADT_X_DSDT = 140, FADT_SLEEP_CONTROL = 244,
};
#define FADT_FLAG_TIMER_32BIT (1u << 8)
#define FADT_FLAG_RESET (1u << 10)
#define FADT_FLAG_HW_REDUCED (1u << 20)

#define GAS_SYSTEM_MEMORY 0
#define GAS_ADDRESS 4

enum { MADT_LAPIC_ADDRESS = 36, MADT_ENTRIES = 44 };
enum { MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_LAPIC_OVERRIDE = 5 };
enum { HPET_ADDRESS = 44 };
enum { MCFG_ENTRIES = 44 };

#define AML_BYTE_PREFIX 0x0a
#define AML_DWORD_PREFIX 0x0c
#define AML_PACKAGE 0x12
#define AML_OPERATION_REGION 0x805b // two bytes
#define AML_NOTIFY 0x86
#define AML_RETURN 0xa4
// Large resource items (ACPI 6.5, 6.4.3): tag, and the length behind it.
#define ITEM_MEMORY32_FIXED 0x86, 9
#define ITEM_INTERRUPT 0x89, 6 // with one interrupt
#define ITEM_DWORD_MEMORY 0x00001787 // tag 0x87, 23 bytes long, of memory
#define ITEM_SEARCH_SIZE 96 // a device's _CRS follows its _HID

struct acpi_info acpi_info = { .s5_type = -1 };
static bool dsdt_scanned;

static uint16_t get16(const uint8_t *p) {
    return p[0] | (uint16_t)(p[1] << 8);
}

static uint32_t get32(const uint8_t *p) {
    return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint64_t get64(const uint8_t *p) {
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

// A table as mapped bytes, or NULL if the length or the checksum is wrong.
static const struct table *open_table(uint64_t address) {
    if (address == 0 || memory_map_device(address, sizeof(struct table)) == 0) {
        return NULL;
    }
    const struct table *table = (const void *)(uintptr_t)address;
    if (table->length < sizeof(struct table) || table->length > TABLE_SIZE_MAX
        || memory_map_device(address, table->length) == 0) {
        return NULL;
    }
    return table;
}

static bool checksum_ok(const struct table *table) {
    const uint8_t *p = (const uint8_t *)table;
    uint8_t sum = 0;
    for (uint32_t i = 0; i < table->length; i++) {
        sum += p[i];
    }
    return sum == 0;
}

static void read_madt_entry(const uint8_t *e, unsigned length) {
    struct acpi_info *a = &acpi_info;
    if (e[0] == MADT_IOAPIC && length >= 12 && a->ioapic_count < ACPI_IOAPIC_MAX) {
        a->ioapic[a->ioapic_count++] = (struct acpi_ioapic) { get32(e + 4), get32(e + 8) };
    } else if (e[0] == MADT_OVERRIDE && length >= 10 && a->override_count < ACPI_OVERRIDE_MAX) {
        a->override[a->override_count++] =
            (struct acpi_override) { e[3], get32(e + 4), get16(e + 8) };
    } else if (e[0] == MADT_LAPIC_OVERRIDE && length >= 12) {
        a->lapic_address = get64(e + 4);
    }
}

static void read_madt(const uint8_t *t, uint32_t size) {
    acpi_info.lapic_address = get32(t + MADT_LAPIC_ADDRESS);
    uint32_t at = MADT_ENTRIES;
    while (at + 2 <= size && t[at + 1] >= 2 && at + t[at + 1] <= size) {
        read_madt_entry(t + at, t[at + 1]);
        at += t[at + 1];
    }
}

static void read_fadt(const uint8_t *t, uint32_t size) {
    struct acpi_info *a = &acpi_info;
    if (size < FADT_RESET_REGISTER) {
        return;
    }
    uint32_t flags = get32(t + FADT_FLAGS);
    a->dsdt = get32(t + FADT_DSDT);
    a->sci_irq = get16(t + FADT_SCI);
    a->smi_command = get32(t + FADT_SMI_COMMAND);
    a->acpi_enable = t[FADT_ACPI_ENABLE];
    a->pm1a_event = get32(t + FADT_PM1A_EVENT);
    a->pm1a_control = get32(t + FADT_PM1A_CONTROL);
    a->pm_timer = get32(t + FADT_PM_TIMER);
    a->gpe0 = get32(t + FADT_GPE0);
    a->gpe0_size = t[FADT_GPE0_SIZE];
    a->pm_timer_32bit = flags & FADT_FLAG_TIMER_32BIT;
    a->hw_reduced = flags & FADT_FLAG_HW_REDUCED;
    if (size > FADT_RESET_VALUE && flags & FADT_FLAG_RESET) {
        a->reset_register = get64(t + FADT_RESET_REGISTER + GAS_ADDRESS);
        a->reset_mmio = t[FADT_RESET_REGISTER] == GAS_SYSTEM_MEMORY;
        a->reset_value = t[FADT_RESET_VALUE];
    }
    if (size >= FADT_X_DSDT + 8 && get64(t + FADT_X_DSDT) != 0) {
        a->dsdt = get64(t + FADT_X_DSDT);
    }
    if (size >= FADT_SLEEP_CONTROL + 12) {
        a->sleep_control = get64(t + FADT_SLEEP_CONTROL + GAS_ADDRESS);
        a->sleep_control_mmio = t[FADT_SLEEP_CONTROL] == GAS_SYSTEM_MEMORY;
    }
}

static void read_table(uint64_t address) {
    const struct table *table = open_table(address);
    if (table == NULL) {
        return;
    }
    const uint8_t *t = (const uint8_t *)table;
    uint32_t size = table->length;
    switch (table->signature) {
        case SIGNATURE('A', 'P', 'I', 'C'):
            if (checksum_ok(table)) {
                read_madt(t, size);
            }
            break;
        case SIGNATURE('F', 'A', 'C', 'P'):
            if (checksum_ok(table)) {
                read_fadt(t, size);
            }
            break;
        case SIGNATURE('H', 'P', 'E', 'T'):
            if (size >= HPET_ADDRESS + 8) {
                acpi_info.hpet = get64(t + HPET_ADDRESS);
            }
            break;
        case SIGNATURE('M', 'C', 'F', 'G'):
            if (size >= MCFG_ENTRIES + 16 && get16(t + MCFG_ENTRIES + 8) == 0) {
                acpi_info.ecam = get64(t + MCFG_ENTRIES);
                acpi_info.ecam_bus_first = t[MCFG_ENTRIES + 10];
                acpi_info.ecam_bus_last = t[MCFG_ENTRIES + 11];
            }
            break;
    }
}

static uint64_t search_rsdp(uint64_t start, uint64_t end) {
    for (uint64_t at = start; at + 20 <= end; at += 16) {
        if (*(const uint64_t *)(uintptr_t)at == RSDP_SIGNATURE) {
            return at;
        }
    }
    return 0;
}

void acpi_init(uint64_t rsdp) {
    if (rsdp == 0) {
        rsdp = search_rsdp(BIOS_AREA_START, BIOS_AREA_END);
    }
    if (rsdp == 0 && boot_info.ebda >= PAGE_SIZE && boot_info.ebda < BIOS_AREA_START) {
        rsdp = search_rsdp(boot_info.ebda, boot_info.ebda + EBDA_SEARCH_SIZE);
    }
    if (rsdp == 0 || memory_map_device(rsdp, 36) == 0) {
        return; // microvm,acpi=off: lapic.c and ioapic.c know the PC's own addresses
    }
    const uint8_t *r = (const uint8_t *)(uintptr_t)rsdp;
    bool extended = r[15] >= 2 && get64(r + 24) != 0;
    const struct table *root = open_table(extended ? get64(r + 24) : get32(r + 16));
    if (root == NULL) {
        kprintf("acpi: root table unreadable\n");
        return;
    }
    acpi_info.present = true;
    const uint8_t *t = (const uint8_t *)root;
    unsigned step = extended ? 8 : 4;
    unsigned count = (root->length - sizeof(struct table)) / step;
    for (unsigned i = 0; i < count && i < TABLES_MAX; i++) {
        const uint8_t *entry = t + sizeof(struct table) + i * step;
        read_table(extended ? get64(entry) : get32(entry));
    }
}

// "_S5_" followed by Package { SLP_TYPa, ... }: each element a byte, with or without its prefix.
static void scan_s5(const uint8_t *p, const uint8_t *end) {
    if (end - p < 9 || p[4] != AML_PACKAGE) {
        return;
    }
    p += 5;
    p += 1 + (*p >> 6); // package length: its top bits say how many bytes follow
    p++; // number of elements
    if (p + 1 < end) {
        acpi_info.s5_type = *p == AML_BYTE_PREFIX ? p[1] : *p;
    }
}

// The first resource item of this kind that lies whole in the next bytes; NULL: none does.
static const uint8_t *find_item(const uint8_t *p, const uint8_t *end, uint8_t tag,
    uint16_t length) {
    if (end - p > ITEM_SEARCH_SIZE) {
        end = p + ITEM_SEARCH_SIZE;
    }
    for (; end - p >= 3 + length; p++) {
        if (p[0] == tag && get16(p + 1) == length) {
            return p;
        }
    }
    return NULL;
}

static void scan_virtio_mmio(const uint8_t *p, const uint8_t *end) {
    struct acpi_info *a = &acpi_info;
    const uint8_t *memory = find_item(p, end, ITEM_MEMORY32_FIXED);
    const uint8_t *line = memory == NULL ? NULL : find_item(memory, end, ITEM_INTERRUPT);
    if (line != NULL && a->virtio_mmio_count < ACPI_VIRTIO_MMIO_MAX) {
        a->virtio_mmio[a->virtio_mmio_count++] =
            (struct acpi_virtio_mmio) { get32(memory + 4), get32(line + 5) };
    }
}

// The event device (5.6.9): an interrupt, an operation region in memory that holds the selector,
// and in _EVT a test of its bits: And(.., bit), Notify(PWRB, ..).
static void scan_ged(const uint8_t *p, const uint8_t *end) {
    const uint8_t *line = find_item(p, end, ITEM_INTERRUPT);
    uint32_t address = 0;
    if (line == NULL) {
        return;
    }
    for (p = line; end - p >= 12 && p - line < ITEM_SEARCH_SIZE; p++) {
        if (get16(p) == AML_OPERATION_REGION && p[6] == 0 && p[7] == AML_DWORD_PREFIX) {
            address = get32(p + 8);
        } else if (p[0] == AML_BYTE_PREFIX && p[2] == AML_NOTIFY &&
                   get32(p + 3) == SIGNATURE('P', 'W', 'R', 'B')) {
            acpi_info.ged_address = address;
            acpi_info.ged_gsi = get32(line + 5);
            acpi_info.ged_power_button = p[1];
            return;
        }
    }
}

// Method _CBA { Return (base) } of a host bridge (PCI Firmware 3.2, 4.1.3).
static void scan_host_bridge(const uint8_t *p, const uint8_t *end) {
    struct acpi_info *a = &acpi_info;
    if (a->ecam != 0 || end - p < 11 || p[5] != AML_RETURN || p[6] != AML_DWORD_PREFIX) {
        return;
    }
    a->ecam = get32(p + 7);
    a->ecam_bus_last = 255;
}

// An address space of a host bridge (6.4.3.5.2): the largest one is where BARs go.
static void scan_window(const uint8_t *p, const uint8_t *end) {
    struct acpi_info *a = &acpi_info;
    if (end - p < 26) {
        return;
    }
    uint32_t start = get32(p + 10), size = get32(p + 22);
    if (size > a->pci_window_size && start + (size - 1) > start) {
        a->pci_window = start;
        a->pci_window_size = size;
    }
}

// A link device: the I/O APIC input of the bridge's next line.
static void scan_pci_line(const uint8_t *p, const uint8_t *end) {
    const uint8_t *line = find_item(p, end, ITEM_INTERRUPT);
    if (line != NULL && acpi_info.pci_line_count < ACPI_PCI_LINE_MAX) {
        acpi_info.pci_line[acpi_info.pci_line_count++] = get32(line + 5);
    }
}

void acpi_scan_dsdt(void) {
    const struct table *dsdt = dsdt_scanned ? NULL : open_table(acpi_info.dsdt);
    dsdt_scanned = true;
    if (dsdt == NULL) {
        return;
    }
    const uint8_t *p = (const uint8_t *)dsdt;
    const uint8_t *end = p + dsdt->length;
    for (; end - p >= 8; p++) {
        uint32_t next = get32(p + 4);
        switch (get32(p)) {
            case SIGNATURE('_', 'S', '5', '_'):
                scan_s5(p, end);
                break;
            case SIGNATURE('_', 'C', 'B', 'A'):
                scan_host_bridge(p, end);
                break;
            case ITEM_DWORD_MEMORY:
                scan_window(p, end);
                break;
            case SIGNATURE('L', 'N', 'R', 'O'):
                if (next == SIGNATURE('0', '0', '0', '5')) {
                    scan_virtio_mmio(p, end);
                }
                break;
            case SIGNATURE('A', 'C', 'P', 'I'):
                if (next == SIGNATURE('0', '0', '1', '3')) {
                    scan_ged(p, end);
                }
                break;
            case SIGNATURE('P', 'N', 'P', '0'):
                if (next == SIGNATURE('C', '0', 'F', 0)) {
                    scan_pci_line(p, end);
                }
                break;
        }
    }
}
