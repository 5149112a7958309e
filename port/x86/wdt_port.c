// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// machine.WDT; extmod/machine_wdt.c includes this file. The watchdog is the Intel 6300ESB's
// (QEMU's i6300esb; datasheet 300641, section 16), which resets a machine whatever state that is
// in. Without one a kernel timer does it, as long as the processor still takes interrupts. Neither
// can be stopped, and both go on over a soft reset.

#include "clock.h"
#include "cpu.h"
#include "pci.h"
#include "power.h"
#include "timer.h"

#define ESB_VENDOR 0x8086
#define ESB_DEVICE 0x25ab
#define ESB_CONFIG 0x60 // in configuration space: no interrupt, milliseconds, reset output on
#define ESB_CONFIG_INTERRUPT_OFF 3
#define ESB_LOCK 0x68
#define ESB_LOCK_ENABLE 2
#define ESB_TIMER1 0x00 // in BAR 0. Stage 1 runs out, then stage 2, then the machine is reset.
#define ESB_TIMER2 0x04
#define ESB_RELOAD 0x0c
#define ESB_UNLOCK1 0x80
#define ESB_UNLOCK2 0x86
#define ESB_RELOAD_NOW 0x100
#define ESB_STAGE_MAX 0xfffff

struct _machine_wdt_obj_t {
    mp_obj_base_t base;
};

static const machine_wdt_obj_t wdt_object = {{ &machine_wdt_type }};
static uintptr_t esb_registers;
static uint64_t wdt_timeout_ns;
static struct timer wdt_timer;

// Every write to another register needs the two to this one before it.
static void esb_unlock(void) {
    mmio_write16(esb_registers + ESB_RELOAD, ESB_UNLOCK1);
    mmio_write16(esb_registers + ESB_RELOAD, ESB_UNLOCK2);
}

static void esb_set_stage(unsigned reg, uint32_t ms) {
    esb_unlock();
    mmio_write32(esb_registers + reg, MIN(ms, ESB_STAGE_MAX));
}

static void esb_reload(void) {
    esb_unlock();
    mmio_write16(esb_registers + ESB_RELOAD, ESB_RELOAD_NOW);
}

static struct pci_device *esb_find(void) {
    struct pci_device *device;
    for (unsigned i = 0; (device = pci_get(i)) != NULL; i++) {
        if (device->vendor == ESB_VENDOR && device->device == ESB_DEVICE) {
            return device;
        }
    }
    return NULL;
}

static bool esb_start(mp_int_t timeout_ms) {
    struct pci_device *device = esb_find();
    if (device == NULL) {
        return false;
    }
    device->owner = "machine.WDT has it";
    pci_enable(device);
    esb_registers = pci_map_bar(device, 0, 0, 16);
    if (esb_registers == 0) {
        return false;
    }
    pci_write16(device, ESB_CONFIG, ESB_CONFIG_INTERRUPT_OFF);
    esb_set_stage(ESB_TIMER1, (timeout_ms + 1) / 2);
    esb_set_stage(ESB_TIMER2, (timeout_ms + 1) / 2);
    pci_write8(device, ESB_LOCK, ESB_LOCK_ENABLE);
    esb_reload();
    return true;
}

// Interrupt context.
static void wdt_expired(struct timer *timer) {
    (void)timer;
    power_reset();
}

static machine_wdt_obj_t *mp_machine_wdt_make_new_instance(mp_int_t id, mp_int_t timeout_ms) {
    if (id != 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("WDT doesn't exist"));
    }
    if (timeout_ms <= 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("timeout must be positive"));
    }
    if (!esb_start(timeout_ms)) {
        wdt_timeout_ns = timeout_ms * NS_PER_MS;
        wdt_timer.fire = wdt_expired;
        timer_start(&wdt_timer, clock_ns() + wdt_timeout_ns);
    }
    return (machine_wdt_obj_t *)&wdt_object;
}

static void mp_machine_wdt_feed(machine_wdt_obj_t *self) {
    (void)self;
    if (esb_registers != 0) {
        esb_reload();
    } else {
        timer_start(&wdt_timer, clock_ns() + wdt_timeout_ns);
    }
}
