// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// machine.pci(): the PCI functions of the machine as Python objects, and their interrupts as
// sources for os.subscribe().

#ifndef IMPORTOS_MACHINE_PCI_H
#define IMPORTOS_MACHINE_PCI_H

#include "py/obj.h"

// pci() -> list of devices
MP_DECLARE_CONST_FUN_OBJ_0(machine_pci_obj);

// What device.irq and device.msix(n) are.
extern const mp_obj_type_t machine_pci_irq_type;

// Make the interrupt (source) usable and return its irq number (irq.h). Every open needs its
// close; the last close of an MSI-X vector masks it and gives the number back. OSError: ENODEV,
// ENOSPC. Main thread.
unsigned machine_pci_irq_open(mp_obj_t source);

// Any context.
void machine_pci_irq_close(mp_obj_t source);

#endif // IMPORTOS_MACHINE_PCI_H
