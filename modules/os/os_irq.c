// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Events of interrupt lines: os.subscribe(). The line's handler only counts, masks and queues; the
// callback quiets the device. A level-triggered line of soft events is masked from the interrupt
// until the callback of the last of them has returned, so it cannot come again in between.

#include "os_irq.h"

#include <string.h>

#include "py/mperrno.h"
#include "py/mphal.h"

#include "clock.h"
#include "cpu.h"
#include "machine_pci.h"

#define ISA_LINES 16

// A hard handler that never quiets its level-triggered device would be entered again as soon as it
// has returned, for ever. So many interrupts in a row that left the program less than this time
// between them are taken for that: the event is cancelled.
#define STORM_COUNT 5000
#define STORM_GAP_NS (10 * NS_PER_US)
#define STORM_SETBACK 100 // by a longer gap: a busy host stretches one now and then

static const struct {
    const char *name;
    uint8_t isa_line;
} named_lines[] = {
    { "keyboard", 1 },
    { "com2", 3 },
    { "com1", 4 },
    { "com4", 3 },
    { "com3", 4 },
    { "rtc", 8 },
    { "mouse", 12 },
};

static void release(os_event_obj_t *event) {
    if (event->held) {
        event->held = false;
        irq_unmask(event->irq);
    }
}

static bool is_storm(os_event_obj_t *event) {
    if (clock_ns() - event->left_ns > STORM_GAP_NS) {
        event->storm_count -= MIN(event->storm_count, STORM_SETBACK);
    }
    return ++event->storm_count > STORM_COUNT;
}

// Interrupt context.
static void line_interrupt(void *arg) {
    os_event_obj_t *event = arg;
    if (event->level) {
        if (!event->hard || event->callback == mp_const_none) {
            if (!event->held) {
                event->held = true;
                irq_mask(event->irq);
            }
        } else if (is_storm(event)) {
            os_hard_storm(event);
            return;
        }
    }
    os_event_fire(event);
    event->left_ns = clock_ns();
}

static void line_stop(os_event_obj_t *event) {
    irq_detach(event->irq, &event->action);
    release(event);
    if (event->detail->device != MP_OBJ_NULL) {
        machine_pci_irq_close(event->detail->device);
    }
}

static void line_print_source(const mp_print_t *print, const os_event_obj_t *event) {
    if (event->irq >= IRQ_MSI_FIRST) {
        mp_printf(print, "msi %u", event->irq);
    } else {
        mp_printf(print, "irq %u", event->irq);
    }
}

static const os_source_t line_source = {
    .verb = "subscribe",
    .print = line_print_source,
    .stop = line_stop,
    .done = release,
};

// irq number of a line that the program named by number or name.
static unsigned find_line(mp_obj_t source) {
    if (mp_obj_is_str(source)) {
        const char *name = mp_obj_str_get_str(source);
        for (size_t i = 0; i < MP_ARRAY_SIZE(named_lines); i++) {
            if (strcmp(named_lines[i].name, name) == 0) {
                return irq_isa(named_lines[i].isa_line);
            }
        }
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("unknown source '%s'"), name);
    }
    if (!mp_obj_is_int(source)) {
        mp_raise_msg_varg(&mp_type_TypeError,
            MP_ERROR_TEXT("a source is a line number, a name or a device's interrupt, not %s"),
            mp_obj_get_type_str(source));
    }
    mp_int_t line = mp_obj_get_int(source);
    if (line < 0 || line >= IRQ_GSI_MAX || !irq_exists(line < ISA_LINES ? irq_isa(line) : line)) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("no interrupt line %d"), (int)line);
    }
    return line < ISA_LINES ? irq_isa(line) : (unsigned)line;
}

MP_NORETURN void os_irq_raise_busy(unsigned irq, const char *owner) {
    mp_obj_t args[2] = {
        MP_OBJ_NEW_SMALL_INT(MP_EBUSY),
        mp_obj_new_str_from_cstr(""),
    };
    vstr_t text;
    mp_print_t print;
    vstr_init_print(&text, 32, &print);
    mp_printf(&print, "irq %u belongs to %s", irq, owner != NULL ? owner : "another subscriber");
    args[1] = mp_obj_new_str_from_vstr(&text);
    nlr_raise(mp_obj_new_exception_args(&mp_type_OSError, 2, args));
}

static void line_start(os_event_obj_t *event, bool shared) {
    event->action.handler = line_interrupt;
    event->action.arg = event;
    event->action.name = event->callback == mp_const_none ? "python"
        : os_callback_name(event->callback);
    event->action.shared = shared;
    os_event_start(event);
    uint64_t state = irq_save();
    int result = irq_attach(event->irq, &event->action);
    struct irq_info info;
    if (result == 0 && irq_get_info(event->irq, &info)) {
        event->level = info.level;
    }
    irq_restore(state);
    if (result < 0) {
        os_event_finish(event);
        if (event->detail->device != MP_OBJ_NULL) {
            machine_pci_irq_close(event->detail->device);
        }
        if (result == -MP_EBUSY) {
            os_irq_raise_busy(event->irq, irq_owner(event->irq));
        }
        mp_raise_OSError(-result);
    }
}

// subscribe(source, callback=None, *, hard=False, shared=False)
static mp_obj_t os_subscribe(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_source, ARG_callback, ARG_hard, ARG_shared };
    static const mp_arg_t allowed_args[] = {
        { MP_QSTR_source, MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_obj = MP_OBJ_NULL } },
        { MP_QSTR_callback, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_hard, MP_ARG_KW_ONLY | MP_ARG_BOOL, { .u_bool = false } },
        { MP_QSTR_shared, MP_ARG_KW_ONLY | MP_ARG_BOOL, { .u_bool = false } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    mp_obj_t source = args[ARG_source].u_obj;
    bool is_button = mp_obj_is_str(source)
        && strcmp(mp_obj_str_get_str(source), "power-button") == 0;
    os_event_obj_t *event = os_event_new(&os_event_type,
        is_button ? &os_power_button_source : &line_source, source, args[ARG_callback].u_obj,
        args[ARG_hard].u_bool);
    if (is_button) {
        os_power_button_start(event, args[ARG_shared].u_bool);
        return MP_OBJ_FROM_PTR(event);
    }
    if (mp_obj_is_type(source, &machine_pci_irq_type)) {
        event->irq = machine_pci_irq_open(source);
        event->detail->device = source;
    } else {
        event->irq = find_line(source);
    }
    line_start(event, args[ARG_shared].u_bool);
    return MP_OBJ_FROM_PTR(event);
}
MP_DEFINE_CONST_FUN_OBJ_KW(os_subscribe_obj, 0, os_subscribe);

// interrupts(): a list of (irq, vector, name, count, masked, level) of the lines in use.
static mp_obj_t os_interrupts(void) {
    static const qstr fields[] = {
        MP_QSTR_irq, MP_QSTR_vector, MP_QSTR_name, MP_QSTR_count, MP_QSTR_masked, MP_QSTR_level,
    };
    mp_obj_t list = mp_obj_new_list(0, NULL);
    for (unsigned irq = 0; irq < IRQ_COUNT; irq++) {
        struct irq_info info;
        if (!irq_get_info(irq, &info)) {
            continue;
        }
        mp_obj_t values[] = {
            MP_OBJ_NEW_SMALL_INT(irq),
            MP_OBJ_NEW_SMALL_INT(info.vector),
            info.name != NULL ? mp_obj_new_str_from_cstr(info.name) : mp_const_none,
            mp_obj_new_int_from_ull(info.count),
            mp_obj_new_bool(info.masked),
            mp_obj_new_bool(info.level),
        };
        mp_obj_list_append(list, mp_obj_new_attrtuple(fields, MP_ARRAY_SIZE(fields), values));
    }
    return list;
}
MP_DEFINE_CONST_FUN_OBJ_0(os_interrupts_obj, os_interrupts);
