// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// From the entry code to Python: bring up the machine, then run the interpreter again and again,
// one soft reset after the other. What an app's end means is in program.c.

#include <string.h>

#include "py/compile.h"
#include "py/cstack.h"
#include "py/gc.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "shared/readline/readline.h"
#include "shared/runtime/pyexec.h"

#include "acpi.h"
#include "balloon.h"
#include "boot_info.h"
#include "clock.h"
#include "drive.h"
#include "events.h"
#include "heap.h"
#include "ioapic.h"
#include "irq.h"
#include "lapic.h"
#include "log.h"
#include "machine_console.h"
#include "machine_x86.h"
#include "mbedtls_port.h"
#include "memory.h"
#if IMPORTOS_NET
#include "netif_virtio.h"
#endif
#include "options.h"
#include "panic.h"
#include "pic.h"
#include "power.h"
#include "program.h"
#include "ramdisk.h"
#include "romfs.h"
#include "share.h"
#include "rtc.h"
#include "timer.h"
#include "traceback.h"
#include "trap.h"
#include "uart.h"

// Of the main stack Python may use this much; the rest is for what C functions need below the last
// check. Much more would let Python recurse past what its own tests take for endless.
#define PYTHON_STACK_SIZE (80u << 10)
#define STACK_MARGIN (8u << 10)

#define FILES_PART 16 // of the RAM, for files, on an image without an app
#define FILES_MIN (32u << 10)
#define FILES_MAX (4u << 20)
#define ROMFS_PART 8 // of the RAM, for `mpremote romfs deploy`, likewise
#define ROMFS_MAX (16u << 20)

// Entered by boot.S, once, on the main stack with interrupts off.
void kmain(uint32_t magic, uintptr_t info);

static void log_to_uart(const char *text, size_t size) {
    uart_put_polled(0, text, size);
}

static void machine_start(uint32_t magic, uintptr_t info) {
    log_set_sink(log_to_uart);
    boot_info_init(magic, info); // copy what the loader left, before anything overwrites it
    trap_init(); // from here a fault says what it was
    memory_init(); // carve the RAM, protect the kernel
    options_init(); // the image's payload and the command line
    acpi_init(boot_info.rsdp); // where the interrupt controllers and the power switch are
    pic_disable(); // the 8259s would deliver into the exceptions
    lapic_init(); // this CPU's interrupt controller and timer
    ioapic_init(); // the devices' interrupt controllers, every input masked
    irq_init(); // handlers by line
    clock_init(); // monotonic time
    clock_set_wall_source(rtc_read); // asked when somebody wants the date
    irq_enable();
}

#if IMPORTOS_DISKS
static void sync_disks(void) {
    drive_sync_all(); // nobody is left to hear of an error
}
#endif

static void python_memory(void) {
    heap_boot(option_size("heap", memory_total(), 0));
    #if IMPORTOS_DISKS
    drive_boot();
    share_boot();
    machine_console_boot();
    balloon_boot();
    power_on_leave(sync_disks);
    romfs_reserve(MIN(heap_total() / ROMFS_PART, ROMFS_MAX));
    size_t romfs_size;
    if (options_romfs(&romfs_size) == NULL) {
        ramdisk_reserve(MIN(MAX(heap_total() / FILES_PART, FILES_MIN), FILES_MAX));
    }
    #endif
    size_t stack_size = main_stack_top - main_stack_bottom;
    mp_cstack_init_with_top(main_stack_top, MIN(stack_size - STACK_MARGIN, PYTHON_STACK_SIZE));
}

static void python_start(void) {
    heap_start();
    mp_init();
    // They are in the heap of the program before.
    MP_STATE_VM(environment) = MP_OBJ_NULL;
    MP_STATE_VM(machine_pci_irqs) = MP_OBJ_NULL;
    readline_init0();
    #if IMPORTOS_DISKS
    balloon_resume();
    pyexec_frozen_module("_boot.py", false);
    #endif
    program_arguments();
}

static void python_end(void) {
    program_atexit();
    mp_printf(&mp_plat_print, "MPY: soft reboot\n");
    #if IMPORTOS_NET
    net_soft_reset();
    #endif
    #if IMPORTOS_TLS
    mbedtls_soft_reset();
    #endif
    os_events_reset();
    gc_sweep_all();
    mp_deinit();
    exec_reset();
    #if IMPORTOS_DISKS
    balloon_soft_reset();
    #endif
    machine_soft_reset_count += 1;
}

#if IMPORTOS_COMPILER

// The prompt in a protected call: an exception that a callback sends to the main program may come
// while that is a line being typed. Returns true if it asks for a soft reset.
static bool python_prompt(void) {
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        int result = pyexec_mode_kind == PYEXEC_MODE_RAW_REPL ? pyexec_raw_repl()
            : pyexec_friendly_repl();
        nlr_pop();
        return result != 0;
    }
    mp_obj_t exception = MP_OBJ_FROM_PTR(nlr.ret_val);
    mp_hal_stdout_tx_strn("\r\n", 2);
    if (mp_obj_is_subclass_fast(MP_OBJ_FROM_PTR(mp_obj_get_type(exception)),
        MP_OBJ_FROM_PTR(&mp_type_SystemExit))) {
        return true;
    }
    mp_obj_print_exception(&mp_plat_print, exception);
    return false;
}

// Serve the prompt until a soft reset is asked for.
static void python_repl(void) {
    while (!python_prompt()) {
    }
}

#else

// Without a compiler there is no prompt: nothing is left to do.
static void python_repl(void) {
    mp_printf(&mp_plat_print, "no prompt: the kernel is the flavour '" IMPORTOS_FLAVOUR "'\n");
    console_flush(1000);
    power_exit(1);
}

#endif

void kmain(uint32_t magic, uintptr_t info) {
    machine_start(magic, info);
    char baud[12];
    console_open(option_get("baud", baud, sizeof(baud)) > 0 ? option_size("baud", 0, 0) : 0);
    python_memory();
    panic_set_describe(traceback_describe);
    for (;;) {
        python_start();
        if (program_run() == PROGRAM_REPL) {
            python_repl();
        }
        python_end();
    }
}

void nlr_jump_fail(void *exception) {
    (void)exception;
    panic("exception outside of any handler");
}
