// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The table of interrupt lines: attach, detach, mask, dispatch. Vector = 32 + irq for all of them,
// so there is no vector allocator and the number in a bug report means the same everywhere.

#include "irq.h"

#include <errno.h>
#include <stddef.h>

#include "acpi.h"
#include "cpu.h"
#include "ioapic.h"
#include "lapic.h"
#include "timer.h"

#define ISA_LINES 16

// MPS INTI flags of a MADT override (ACPI 6.5, table 5.26).
#define INTI_POLARITY(flags) ((flags) & 3)
#define INTI_TRIGGER(flags) ((flags) >> 2 & 3)
#define INTI_LOW 3
#define INTI_LEVEL 3

#define MSI_ADDRESS 0xfee00000u // SDM volume 3, 10.11.1
#define MSI_DESTINATION_SHIFT 12

struct irq_line {
    struct irq_action *actions;
    uint64_t count;
    uint16_t mask_depth;
    uint8_t flags;
    bool wired; // flags were set by the MADT or irq_set_wiring()
    bool allocated; // message-signalled: handed out
};

static struct irq_line lines[IRQ_COUNT];
static uint8_t isa_gsi[ISA_LINES];

// The action that irq_dispatch() calls next: irq_detach() moves it on, so that a handler may
// remove any action, itself included.
static struct irq_action *dispatch_next;
static bool in_handler;

void irq_init(void) {
    for (unsigned line = 0; line < ISA_LINES; line++) {
        isa_gsi[line] = line;
        lines[line].flags = IRQ_EDGE;
        lines[line].wired = true;
    }
    for (unsigned i = 0; i < acpi_info.override_count; i++) {
        const struct acpi_override *o = &acpi_info.override[i];
        if (o->isa_line >= ISA_LINES || o->gsi >= IRQ_GSI_MAX) {
            continue;
        }
        isa_gsi[o->isa_line] = o->gsi;
        lines[o->gsi].flags = (INTI_TRIGGER(o->flags) == INTI_LEVEL ? IRQ_LEVEL : IRQ_EDGE)
            | (INTI_POLARITY(o->flags) == INTI_LOW ? IRQ_ACTIVE_LOW : 0);
        lines[o->gsi].wired = true;
    }
    irq_enable();
}

static bool is_gsi(unsigned irq) {
    return irq < IRQ_GSI_MAX;
}

bool irq_exists(unsigned irq) {
    if (is_gsi(irq)) {
        return ioapic_has(irq);
    }
    return irq < IRQ_TIMER && lines[irq].allocated;
}

unsigned irq_isa(unsigned line) {
    return line < ISA_LINES ? isa_gsi[line] : line;
}

void irq_set_wiring(unsigned irq, unsigned flags) {
    if (is_gsi(irq)) {
        lines[irq].flags = flags;
        lines[irq].wired = true;
    }
}

static void open_line(unsigned irq) {
    struct irq_line *line = &lines[irq];
    if (!is_gsi(irq)) {
        return;
    }
    if (!line->wired) {
        irq_set_wiring(irq, IRQ_LEVEL | IRQ_ACTIVE_LOW);
    }
    ioapic_route(irq, IRQ_VECTOR_FIRST + irq, line->flags);
    line->mask_depth = 0;
    ioapic_unmask(irq);
}

int irq_attach(unsigned irq, struct irq_action *action) {
    if (!irq_exists(irq)) {
        return -EINVAL;
    }
    struct irq_line *line = &lines[irq];
    uint64_t state = irq_save();
    struct irq_action **link = &line->actions;
    for (; *link != NULL; link = &(*link)->next) {
        if (!(*link)->shared || !action->shared || *link == action) {
            irq_restore(state);
            return -EBUSY;
        }
    }
    bool first = line->actions == NULL;
    action->next = NULL;
    *link = action;
    if (first) {
        open_line(irq);
    }
    irq_restore(state);
    return 0;
}

void irq_detach(unsigned irq, struct irq_action *action) {
    if (irq >= IRQ_COUNT) {
        return;
    }
    struct irq_line *line = &lines[irq];
    uint64_t state = irq_save();
    struct irq_action **link = &line->actions;
    while (*link != NULL && *link != action) {
        link = &(*link)->next;
    }
    if (*link == action) {
        *link = action->next;
        if (dispatch_next == action) {
            dispatch_next = action->next;
        }
        if (line->actions == NULL && is_gsi(irq)) {
            ioapic_mask(irq);
        }
    }
    irq_restore(state);
}

void irq_mask(unsigned irq) {
    if (is_gsi(irq)) {
        uint64_t state = irq_save();
        if (lines[irq].mask_depth++ == 0) {
            ioapic_mask(irq);
        }
        irq_restore(state);
    }
}

void irq_unmask(unsigned irq) {
    if (is_gsi(irq)) {
        uint64_t state = irq_save();
        struct irq_line *line = &lines[irq];
        if (line->mask_depth != 0 && --line->mask_depth == 0 && line->actions != NULL) {
            ioapic_unmask(irq);
        }
        irq_restore(state);
    }
}

int irq_msi_alloc(struct irq_message *message) {
    uint64_t state = irq_save();
    int found = -ENOSPC;
    for (unsigned irq = IRQ_MSI_FIRST; irq < IRQ_TIMER; irq++) {
        if (!lines[irq].allocated) {
            lines[irq].allocated = true;
            lines[irq].count = 0;
            message->address = MSI_ADDRESS | (uint64_t)lapic_id() << MSI_DESTINATION_SHIFT;
            message->data = IRQ_VECTOR_FIRST + irq; // fixed delivery, edge
            found = irq;
            break;
        }
    }
    irq_restore(state);
    return found;
}

void irq_msi_free(unsigned irq) {
    if (irq >= IRQ_MSI_FIRST && irq < IRQ_TIMER) {
        lines[irq].allocated = false;
    }
}

const char *irq_owner(unsigned irq) {
    return irq < IRQ_COUNT && lines[irq].actions != NULL ? lines[irq].actions->name : NULL;
}

bool irq_get_info(unsigned irq, struct irq_info *info) {
    if (irq >= IRQ_COUNT || (lines[irq].count == 0 && lines[irq].actions == NULL)) {
        return false;
    }
    const struct irq_line *line = &lines[irq];
    info->vector = IRQ_VECTOR_FIRST + irq;
    info->name = irq == IRQ_TIMER ? "timer" : irq_owner(irq);
    info->count = line->count;
    info->masked = is_gsi(irq) && (line->mask_depth != 0 || line->actions == NULL);
    info->level = is_gsi(irq) && line->flags & IRQ_LEVEL;
    return true;
}

bool irq_in_handler(void) {
    return in_handler;
}

void irq_dispatch(unsigned vector) {
    unsigned irq = vector - IRQ_VECTOR_FIRST;
    if (irq >= IRQ_COUNT) {
        if (vector != LAPIC_VECTOR_SPURIOUS) {
            lapic_eoi();
        }
        return; // spurious: no EOI (SDM volume 3, 10.9)
    }
    lines[irq].count++;
    in_handler = true;
    if (irq == IRQ_TIMER) {
        timer_interrupt();
    } else {
        dispatch_next = lines[irq].actions;
        while (dispatch_next != NULL) {
            struct irq_action *action = dispatch_next;
            dispatch_next = action->next;
            action->handler(action->arg);
        }
    }
    in_handler = false;
    lapic_eoi();
}
