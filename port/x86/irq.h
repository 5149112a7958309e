// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Interrupt lines: who handles which, how often it came, and whether it is masked. An irq number
// is a GSI (an I/O APIC input, 0 to IRQ_GSI_MAX - 1; the 16 ISA lines are mapped by irq_isa()) or
// a message-signalled interrupt (IRQ_MSI_FIRST and up). Vector = 32 + irq, always.
//
// Context: everything here may be called from the main thread and from interrupt handlers.
// Handlers run in interrupt context with interrupts off, and do as little as possible: acknowledge
// the device, note it, return. They never allocate, print, or call Python.

#ifndef IMPORTOS_IRQ_H
#define IMPORTOS_IRQ_H

#include <stdbool.h>
#include <stdint.h>

#define IRQ_GSI_MAX 160
#define IRQ_MSI_FIRST 160
#define IRQ_MSI_MAX 48
#define IRQ_TIMER (IRQ_MSI_FIRST + IRQ_MSI_MAX) // the local APIC's timer
#define IRQ_COUNT (IRQ_TIMER + 1)
#define IRQ_VECTOR_FIRST 32

// How an I/O APIC input is wired. Message-signalled interrupts are always edges.
#define IRQ_EDGE 0u
#define IRQ_LEVEL 1u
#define IRQ_ACTIVE_LOW 2u

// One handler on one line. The caller owns the memory and keeps it until irq_detach() returned.
struct irq_action {
    void (*handler)(void *arg);
    void *arg;
    const char *name; // shown by irq_info(); must outlive the action
    bool shared; // every action on a shared line must say so
    struct irq_action *next; // owned by irq.c
};

// What the device must write, and where, to raise a message-signalled interrupt.
struct irq_message {
    uint64_t address;
    uint32_t data;
};

struct irq_info {
    unsigned vector;
    const char *name; // of the first action, or NULL
    uint64_t count; // times it was taken
    bool masked;
    bool level;
};

void irq_init(void);

// Add (action) to line (irq) and unmask the line if it is the first. Handlers are called in the
// order they were attached. -EINVAL: no such line; -EBUSY: taken, and one of the two is not
// shared.
int irq_attach(unsigned irq, struct irq_action *action);

// Remove (action); the last one leaves the line masked. No effect if it is not attached.
// Safe inside a handler of the same line.
void irq_detach(unsigned irq, struct irq_action *action);

// Mask and unmask count: a line is delivered only when every irq_mask() has met its irq_unmask().
// No effect on the wire for message-signalled interrupts: their handlers are still called.
void irq_mask(unsigned irq);
void irq_unmask(unsigned irq);

// Set how a GSI is wired (IRQ_LEVEL | IRQ_ACTIVE_LOW), before the first irq_attach(). Without it
// ISA lines follow the MADT, and the rest are level, active low (the PCI rule).
void irq_set_wiring(unsigned irq, unsigned flags);

// GSI of ISA line (line), 0 to 15: identity, but for the MADT's overrides (line 0 is often GSI 2).
unsigned irq_isa(unsigned line);

// True if (irq) has an I/O APIC input behind it, or is an allocated message-signalled one.
bool irq_exists(unsigned irq);

// Reserve a message-signalled interrupt. Returns its irq number and fills (message), or -ENOSPC.
int irq_msi_alloc(struct irq_message *message);
void irq_msi_free(unsigned irq);

// Name of whoever holds (irq), for an EBUSY message; NULL if it is free.
const char *irq_owner(unsigned irq);
bool irq_get_info(unsigned irq, struct irq_info *info); // false: no such line or never used

// From trap_dispatch(): count, call the actions, acknowledge at the local APIC.
void irq_dispatch(unsigned vector);

// True while an interrupt handler runs.
bool irq_in_handler(void);

#endif // IMPORTOS_IRQ_H
