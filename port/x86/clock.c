// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The monotonic clock is the TSC times a rate (Intel SDM volume 3, 17.17). The rate is told by the
// hypervisor where it does (CPUID 0x40000010; kvmclock, MSR 0x4b564d01) or by CPUID 0x15; else it
// is measured once against a timer of known rate. No time is spent waiting for that if the boot
// itself takes longer than the measurement needs: it begins in clock_init() and ends at the first
// clock_ns().

#include "clock.h"

#include <stdbool.h>
#include <stddef.h>

#include "acpi.h"
#include "cpu.h"
#include "lapic.h"
#include "memory.h"

#define LEAF_TSC_RATIO 0x15
#define LEAF_HYPERVISOR 0x40000000u
#define LEAF_KVM_FEATURES 0x40000001u
#define LEAF_FREQUENCIES 0x40000010u
#define CPUID1_ECX_HYPERVISOR (1u << 31)
#define KVM_FEATURE_CLOCKSOURCE2 (1u << 3)
#define MSR_KVM_SYSTEM_TIME 0x4b564d01u

#define VIRTUAL_LAPIC_HZ 1000000000ull // what QEMU and KVM give every guest

#define PM_TIMER_HZ 3579545ull // ACPI 6.5, 4.8.2.1
#define PIT_HZ 1193182ull
#define PIT_COMMAND 0x43
#define PIT_CHANNEL0 0x40
#define PIT_RATE_GENERATOR 0x34 // channel 0, low then high byte, mode 2
#define PIT_ONE_SHOT 0x30 // the same, mode 0: it stands until a count is written
#define PIT_PERIOD 65536u

#define HPET_CAPABILITIES 0x00
#define HPET_CONFIGURATION 0x10
#define HPET_COUNTER 0xf0
#define FS_PER_S 1000000000000000ull

// The least time over which the rate is measured; a reading is good to well under a microsecond.
#define MEASURE_NS (2 * NS_PER_MS)
#define BRACKET_TRIES 8
// The local APIC's timer counts meanwhile; running out, after 100 ms where it is fast and 4 s
// where it is slow, it interrupts, which ends the measurement before any reference but the PIT
// wraps.
#define MEASURE_LAPIC_CYCLES 100000000u
#define MASK_MIN 0xffffffu // of a reference that wraps no sooner

struct sample {
    uint64_t tsc;
    uint32_t reference;
    uint32_t lapic;
};

// A timer of known rate that counts up (mask) + 1 steps around.
struct reference {
    const char *name;
    uint64_t hz;
    uint32_t mask;
    uint32_t (*read)(void);
};

static struct reference reference;
static struct sample first;
static bool settled;

static uint64_t tsc_hz, lapic_hz;
static uint64_t start_tsc;
static uint64_t ns_per_tick_q32;
static const char *source;
static uintptr_t hpet;

static uint64_t (*wall_source)(void);
static uint64_t wall_offset_ns;
static bool wall_known;

static uint32_t read_hpet(void) {
    return mmio_read32(hpet + HPET_COUNTER);
}

static uint32_t read_pm_timer(void) {
    return inl(acpi_info.pm_timer);
}

static uint32_t read_pit(void) {
    outb(PIT_COMMAND, 0); // latch channel 0
    uint32_t low = inb(PIT_CHANNEL0);
    uint32_t count = low | (uint32_t)inb(PIT_CHANNEL0) << 8;
    return PIT_PERIOD - count; // it counts down
}

static uint32_t read_lapic(void) {
    return UINT32_MAX - lapic_timer_read();
}

static bool find_hpet(void) {
    if (acpi_info.hpet == 0) {
        return false;
    }
    hpet = memory_map_device(acpi_info.hpet, PAGE_SIZE);
    uint32_t period_fs = mmio_read32(hpet + HPET_CAPABILITIES + 4);
    if (hpet == 0 || period_fs == 0 || period_fs > FS_PER_S / PIT_HZ) {
        return false;
    }
    mmio_write32(hpet + HPET_CONFIGURATION, mmio_read32(hpet + HPET_CONFIGURATION) | 1);
    reference = (struct reference) { "hpet", FS_PER_S / period_fs, UINT32_MAX, read_hpet };
    return true;
}

// Does this hypervisor's local APIC timer run at VIRTUAL_LAPIC_HZ by definition?
static bool lapic_rate_known(uint32_t signature) {
    return signature == 0x54474354 // "TCGT": QEMU's own translator
           || signature == 0x4b4d564b; // "KVMK"
}

static uint64_t tsc_hz_from_kvmclock(void) {
    // struct pvclock_vcpu_time_info, Linux Documentation/virt/kvm/x86/msr.rst.
    static struct __attribute__((aligned(64))) {
        uint32_t version, pad;
        uint64_t tsc, time;
        uint32_t multiplier;
        int8_t shift;
        uint8_t flags[3];
    } pvclock;
    wrmsr(MSR_KVM_SYSTEM_TIME, (uintptr_t)&pvclock | 1);
    // Read through a volatile: the hypervisor wrote it.
    uint32_t multiplier = *(volatile uint32_t *)&pvclock.multiplier;
    int shift = *(volatile int8_t *)&pvclock.shift;
    wrmsr(MSR_KVM_SYSTEM_TIME, 0);
    if (multiplier == 0) {
        return 0;
    }
    uint64_t hz = (NS_PER_S << 32) / multiplier;
    return shift < 0 ? hz << -shift : hz >> shift;
}

// Ask the machine. Fills tsc_hz and lapic_hz with what it tells, and returns the hypervisor's
// name.
static uint32_t ask_cpuid(void) {
    uint32_t signature = 0;
    if (cpuid(1, 0).ecx & CPUID1_ECX_HYPERVISOR) {
        struct cpuid id = cpuid(LEAF_HYPERVISOR, 0);
        signature = id.ebx;
        if (id.eax >= LEAF_FREQUENCIES && id.eax < LEAF_FREQUENCIES + 0x100) {
            struct cpuid khz = cpuid(LEAF_FREQUENCIES, 0);
            tsc_hz = khz.eax * 1000ull;
            lapic_hz = khz.ebx * 1000ull;
            source = "cpuid";
        }
        if (tsc_hz == 0 && signature == 0x4b4d564b
            && cpuid(LEAF_KVM_FEATURES, 0).eax & KVM_FEATURE_CLOCKSOURCE2) {
            tsc_hz = tsc_hz_from_kvmclock();
            source = "kvmclock";
        }
    }
    if (tsc_hz == 0 && cpuid(0, 0).eax >= LEAF_TSC_RATIO) {
        struct cpuid ratio = cpuid(LEAF_TSC_RATIO, 0);
        if (ratio.eax != 0 && ratio.ebx != 0 && ratio.ecx != 0) {
            tsc_hz = (uint64_t)ratio.ecx * ratio.ebx / ratio.eax;
            source = "cpuid";
        }
    }
    if (lapic_hz == 0 && lapic_rate_known(signature)) {
        lapic_hz = VIRTUAL_LAPIC_HZ;
    }
    return signature;
}

static void choose_reference(void) {
    if (find_hpet()) {
        return;
    }
    if (acpi_info.pm_timer != 0) {
        uint32_t mask = acpi_info.pm_timer_32bit ? UINT32_MAX : 0xffffff;
        reference = (struct reference) { "pm-timer", PM_TIMER_HZ, mask, read_pm_timer };
    } else if (lapic_hz != 0) {
        reference = (struct reference) { "lapic", lapic_hz, UINT32_MAX, read_lapic };
    } else {
        outb(PIT_COMMAND, PIT_RATE_GENERATOR);
        outb(PIT_CHANNEL0, 0);
        outb(PIT_CHANNEL0, 0);
        reference = (struct reference) { "pit", PIT_HZ, PIT_PERIOD - 1, read_pit };
    }
}

// Read TSC and reference at the same moment: of several tries the one that took the least time,
// since the host may have taken the CPU away in the middle of any one of them.
static struct sample take_sample(void) {
    struct sample best = { 0 };
    uint64_t best_width = UINT64_MAX;
    for (unsigned i = 0; i < BRACKET_TRIES; i++) {
        uint64_t before = rdtsc();
        uint32_t value = reference.read();
        uint64_t after = rdtsc();
        uint32_t lapic = read_lapic();
        if (after - before < best_width) {
            best_width = after - before;
            best = (struct sample) { before + best_width / 2, value, lapic };
        }
    }
    return best;
}

static void set_rate(uint64_t hz) {
    tsc_hz = hz;
    ns_per_tick_q32 = (NS_PER_S << 32) / hz;
}

static void begin(void) {
    lapic_timer_arm(MEASURE_LAPIC_CYCLES); // until timer.c takes it
    first = take_sample();
}

static void settle(void);

// It counts from reset on: nobody takes its interrupt, but QEMU wakes 37 times a second for it.
static void stop_pit(void) {
    outb(PIT_COMMAND, PIT_ONE_SHOT);
}

void clock_init(void) {
    start_tsc = rdtsc();
    stop_pit();
    ask_cpuid();
    if (tsc_hz != 0 && lapic_hz != 0) {
        set_rate(tsc_hz);
        settled = true;
        return;
    }
    choose_reference();
    begin();
    if (reference.mask < MASK_MIN) {
        settle();
        stop_pit();
    }
}

// End the measurement that clock_init() began: wait for what is left of MEASURE_NS, if anything.
static void settle(void) {
    uint64_t state = irq_save();
    if (lapic_timer_read() == 0) {
        begin(); // it has run out, who knows when
    }
    uint32_t needed = reference.hz * MEASURE_NS / NS_PER_S;
    // Bounded: a reference that stands still ends the wait after as many readings as would take
    // far longer than the measurement on any machine.
    for (unsigned i = 0; i < 1000000; i++) {
        if (((reference.read() - first.reference) & reference.mask) >= needed) {
            break;
        }
    }
    struct sample last = take_sample();
    uint32_t ticks = (last.reference - first.reference) & reference.mask;
    if (ticks == 0) {
        ticks = 1;
    }
    if (tsc_hz == 0) {
        source = reference.name;
        tsc_hz = (last.tsc - first.tsc) * reference.hz / ticks;
    }
    set_rate(tsc_hz);
    if (lapic_hz == 0) {
        lapic_hz = (uint64_t)(last.lapic - first.lapic) * reference.hz / ticks;
    }
    settled = true;
    irq_restore(state);
}

bool clock_is_known(void) {
    return settled;
}

uint64_t clock_ns(void) {
    if (__builtin_expect(!settled, 0)) {
        settle();
    }
    return (unsigned __int128)(rdtsc() - start_tsc) * ns_per_tick_q32 >> 32;
}

void clock_spin_ns(uint64_t duration_ns) {
    uint64_t end_ns = clock_ns() + duration_ns;
    while (clock_ns() < end_ns) {
        cpu_relax();
    }
}

uint64_t clock_tsc_hz(void) {
    if (!settled) {
        settle();
    }
    return tsc_hz;
}

uint64_t clock_lapic_hz(void) {
    if (!settled) {
        settle();
    }
    return lapic_hz;
}

const char *clock_source(void) {
    return source != NULL ? source : reference.name;
}

void clock_set_wall_source(uint64_t (*fn)(void)) {
    wall_source = fn;
}

uint64_t clock_wall_ns(void) {
    if (!wall_known && wall_source != NULL) {
        wall_known = true;
        uint64_t seconds = wall_source();
        if (seconds != 0) {
            wall_offset_ns = seconds * NS_PER_S - clock_ns();
        }
    }
    return wall_offset_ns + clock_ns();
}

void clock_set_wall_ns(uint64_t wall_ns) {
    wall_known = true;
    wall_offset_ns = wall_ns - clock_ns();
}
