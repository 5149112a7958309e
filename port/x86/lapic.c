// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The local APIC through its memory-mapped registers (Intel SDM volume 3, 10.4 to 10.9). x2APIC
// mode is not used: one CPU gains nothing by it, and not every hypervisor has it.

#include "lapic.h"

#include "acpi.h"
#include "cpu.h"
#include "memory.h"

#define APIC_BASE_ENABLE (1u << 11)
#define APIC_BASE_X2APIC (1u << 10)
#define APIC_BASE_MASK 0xffffff000ull

#define REG_ID 0x20
#define REG_TASK_PRIORITY 0x80
#define REG_EOI 0xb0
#define REG_SPURIOUS 0xf0
#define REG_ERROR_STATUS 0x280
#define REG_LVT_TIMER 0x320
#define REG_LVT_PERFORMANCE 0x340
#define REG_LVT_LINT0 0x350
#define REG_LVT_LINT1 0x360
#define REG_LVT_ERROR 0x370
#define REG_TIMER_INITIAL 0x380
#define REG_TIMER_CURRENT 0x390
#define REG_TIMER_DIVIDE 0x3e0

#define SPURIOUS_ENABLE (1u << 8)
#define LVT_MASKED (1u << 16)
#define LVT_NMI (4u << 8)
#define DIVIDE_BY_1 0xb
#define ID_SHIFT 24

static uintptr_t registers;

static uint32_t lapic_read(unsigned reg) {
    return mmio_read32(registers + reg);
}

static void lapic_write(unsigned reg, uint32_t value) {
    mmio_write32(registers + reg, value);
}

void lapic_init(void) {
    uint64_t base = rdmsr(MSR_APIC_BASE);
    uint64_t address = acpi_info.lapic_address != 0 ? acpi_info.lapic_address
        : base & APIC_BASE_MASK;
    registers = memory_map_device(address, PAGE_SIZE);
    wrmsr(MSR_APIC_BASE, (base & ~(uint64_t)APIC_BASE_X2APIC) | APIC_BASE_ENABLE);
    lapic_write(REG_TASK_PRIORITY, 0);
    lapic_write(REG_SPURIOUS, SPURIOUS_ENABLE | LAPIC_VECTOR_SPURIOUS);
    lapic_write(REG_LVT_PERFORMANCE, LVT_MASKED);
    lapic_write(REG_LVT_LINT0, LVT_MASKED); // the 8259's way in
    lapic_write(REG_LVT_LINT1, LVT_NMI);
    lapic_write(REG_LVT_ERROR, LAPIC_VECTOR_ERROR);
    lapic_write(REG_ERROR_STATUS, 0);
    lapic_write(REG_TIMER_DIVIDE, DIVIDE_BY_1);
    lapic_write(REG_LVT_TIMER, LAPIC_VECTOR_TIMER); // one-shot
    lapic_write(REG_TIMER_INITIAL, 0);
}

void lapic_eoi(void) {
    lapic_write(REG_EOI, 0);
}

uint32_t lapic_id(void) {
    return lapic_read(REG_ID) >> ID_SHIFT;
}

void lapic_timer_arm(uint32_t count) {
    lapic_write(REG_TIMER_INITIAL, count);
}

uint32_t lapic_timer_read(void) {
    return lapic_read(REG_TIMER_CURRENT);
}

uint64_t lapic_address(void) {
    return registers;
}
