// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The port's part of the machine module; extmod/modmachine.c includes this file.

#include "py/mphal.h"

#include "clock.h"
#include "balloon.h"
#include "machine_console.h"
#include "machine_disk.h"
#include "machine_pci.h"
#include "machine_share.h"
#include "machine_x86.h"
#include "power.h"
#include "ramdisk.h"
#include "smbios.h"

#if IMPORTOS_DISKS
#define MACHINE_DISKS \
    { MP_ROM_QSTR(MP_QSTR_balloon), MP_ROM_PTR(&machine_balloon_obj) }, \
    { MP_ROM_QSTR(MP_QSTR_Console), MP_ROM_PTR(&machine_console_type) }, \
    { MP_ROM_QSTR(MP_QSTR_Disk), MP_ROM_PTR(&machine_disk_type) }, \
    { MP_ROM_QSTR(MP_QSTR_Share), MP_ROM_PTR(&machine_share_type) }, \
    { MP_ROM_QSTR(MP_QSTR__mount_disks), MP_ROM_PTR(&machine_disk_mount_all_obj) }, \
    { MP_ROM_QSTR(MP_QSTR__ramdisk), MP_ROM_PTR(&ramdisk_get_obj) },
#else
#define MACHINE_DISKS
#endif

// machine.soft_reset() would be sys.exit(), which ends an app and the machine with it.
#define mp_sys_exit_obj machine_soft_reset_obj

#define MICROPY_PY_MACHINE_EXTRA_GLOBALS \
    MACHINE_DISKS \
    { MP_ROM_QSTR(MP_QSTR_RTC), MP_ROM_PTR(&machine_rtc_type) }, \
    { MP_ROM_QSTR(MP_QSTR_Timer), MP_ROM_PTR(&machine_timer_type) }, \
    { MP_ROM_QSTR(MP_QSTR_pci), MP_ROM_PTR(&machine_pci_obj) }, \
    { MP_ROM_QSTR(MP_QSTR_port8), MP_ROM_PTR(&machine_port8_obj) }, \
    { MP_ROM_QSTR(MP_QSTR_port16), MP_ROM_PTR(&machine_port16_obj) }, \
    { MP_ROM_QSTR(MP_QSTR_port32), MP_ROM_PTR(&machine_port32_obj) }, \
    { MP_ROM_QSTR(MP_QSTR_PWRON_RESET), MP_ROM_INT(MACHINE_PWRON_RESET) }, \
    { MP_ROM_QSTR(MP_QSTR_SOFT_RESET), MP_ROM_INT(MACHINE_SOFT_RESET) },

static void mp_machine_idle(void) {
    mp_event_wait_ms(1);
}

MP_NORETURN static void mp_machine_reset(void) {
    console_flush(1000);
    power_reset();
}

static mp_int_t mp_machine_reset_cause(void) {
    return machine_soft_reset_count > 0 ? MACHINE_SOFT_RESET : MACHINE_PWRON_RESET;
}

MP_NORETURN void mp_machine_bootloader(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    (void)args;
    mp_raise_msg(&mp_type_NotImplementedError,
        MP_ERROR_TEXT("no boot loader to enter: start the machine with another image"));
}

static mp_obj_t mp_machine_unique_id(void) {
    uint8_t id[SMBIOS_UUID_SIZE];
    if (!smbios_uuid(id)) {
        return mp_const_empty_bytes; // nothing tells this machine from others
    }
    return mp_obj_new_bytes(id, sizeof(id));
}

static mp_obj_t mp_machine_get_freq(void) {
    return mp_obj_new_int_from_ull(clock_tsc_hz());
}

static void mp_machine_set_freq(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    (void)args;
    mp_raise_msg(&mp_type_NotImplementedError, MP_ERROR_TEXT("the host sets the frequency"));
}

// The CPU halts as it does in any wait; nothing else can be switched off.
static void mp_machine_lightsleep(size_t n_args, const mp_obj_t *args) {
    if (n_args == 1) {
        mp_hal_delay_ms(mp_obj_get_int(args[0]));
    } else {
        mp_event_wait_indefinite();
    }
}

// Wakes by a reset, as on every port.
MP_NORETURN static void mp_machine_deepsleep(size_t n_args, const mp_obj_t *args) {
    if (n_args == 1) {
        mp_hal_delay_ms(mp_obj_get_int(args[0]));
        mp_machine_reset();
    }
    console_flush(1000);
    power_off();
}
