// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// machine.pci(): a thin view of pci.h. Drivers in Python find their device here, map its registers
// for machine.mem32, and subscribe to its interrupts with os.subscribe(device.msix(0), ...).

#include "machine_pci.h"

#include "py/mperrno.h"
#include "py/runtime.h"

#include "cpu.h"
#include "irq.h"
#include "pci.h"

#define CONFIG_SIZE 4096 // bytes, with PCI Express

struct pci_object {
    mp_obj_base_t base;
    struct pci_device *device;
};

struct pci_config {
    mp_obj_base_t base;
    struct pci_device *device;
    unsigned size; // bytes of one access
};

// One for each MSI-X vector in use, found again by (device, vector), so that subscribers can
// share.
struct pci_irq {
    mp_obj_base_t base;
    struct pci_device *device;
    int vector; // of MSI-X, or -1: INTx
    uint16_t irq; // while opened
    uint16_t users;
};

static const mp_obj_type_t pci_device_type;
static const mp_obj_type_t pci_config_type;

// --- Interrupts ---------------------------------------------------------------------------------

static mp_obj_t irq_object(struct pci_device *device, int vector) {
    mp_obj_t list = MP_STATE_VM(machine_pci_irqs);
    if (list == MP_OBJ_NULL) {
        list = MP_STATE_VM(machine_pci_irqs) = mp_obj_new_list(0, NULL);
    }
    size_t count;
    mp_obj_t *items;
    mp_obj_get_array(list, &count, &items);
    for (size_t i = 0; i < count; i++) {
        struct pci_irq *irq = MP_OBJ_TO_PTR(items[i]);
        if (irq->device == device && irq->vector == vector) {
            return items[i];
        }
    }
    struct pci_irq *irq = mp_obj_malloc(struct pci_irq, &machine_pci_irq_type);
    irq->device = device;
    irq->vector = vector;
    irq->users = 0;
    mp_obj_list_append(list, MP_OBJ_FROM_PTR(irq));
    return MP_OBJ_FROM_PTR(irq);
}

static void check(int result) {
    if (result < 0) {
        mp_raise_OSError(-result);
    }
}

static void open_intx(struct pci_irq *self) {
    if (self->device->irq < 0) {
        mp_raise_OSError(MP_ENODEV);
    }
    pci_intx(self->device, true);
    self->irq = self->device->irq;
}

static void open_msix(struct pci_irq *self) {
    if (self->device->owner != NULL) { // its vectors are in use
        mp_obj_t args[] = {
            MP_OBJ_NEW_SMALL_INT(MP_EBUSY), mp_obj_new_str_from_cstr(self->device->owner),
        };
        nlr_raise(mp_obj_new_exception_args(&mp_type_OSError, MP_ARRAY_SIZE(args), args));
    }
    check(pci_msix_open(self->device));
    struct irq_message message;
    int irq = irq_msi_alloc(&message);
    check(irq);
    int result = pci_msix_set(self->device, self->vector, &message);
    if (result < 0) {
        irq_msi_free(irq);
        check(result);
    }
    self->irq = irq;
}

unsigned machine_pci_irq_open(mp_obj_t source) {
    struct pci_irq *self = MP_OBJ_TO_PTR(source);
    if (self->users == 0) {
        pci_enable(self->device);
        if (self->vector < 0) {
            open_intx(self);
        } else {
            open_msix(self);
        }
    }
    self->users++;
    return self->irq;
}

void machine_pci_irq_close(mp_obj_t source) {
    struct pci_irq *self = MP_OBJ_TO_PTR(source);
    if (self->users == 0 || --self->users != 0 || self->vector < 0) {
        return;
    }
    pci_msix_mask(self->device, self->vector);
    irq_msi_free(self->irq);
}

static void print_place(const mp_print_t *print, const struct pci_device *device) {
    mp_printf(print, "%02x:%02x.%u", device->bus, device->slot, device->function);
}

static void irq_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    struct pci_irq *self = MP_OBJ_TO_PTR(self_in);
    mp_print_str(print, "<PCI ");
    print_place(print, self->device);
    if (self->vector < 0) {
        mp_printf(print, " INT%c irq %d>", 'A' - 1 + self->device->interrupt_pin,
            self->device->irq);
    } else {
        mp_printf(print, " MSI-X %d>", self->vector);
    }
}

MP_DEFINE_CONST_OBJ_TYPE(
    machine_pci_irq_type,
    MP_QSTR_PCIInterrupt,
    MP_TYPE_FLAG_NONE,
    print, irq_print
    );

// --- Configuration space ------------------------------------------------------------------------

static mp_obj_t config_new(struct pci_device *device, unsigned size) {
    struct pci_config *config = mp_obj_malloc(struct pci_config, &pci_config_type);
    config->device = device;
    config->size = size;
    return MP_OBJ_FROM_PTR(config);
}

static mp_obj_t config_subscr(mp_obj_t self_in, mp_obj_t index, mp_obj_t value) {
    struct pci_config *self = MP_OBJ_TO_PTR(self_in);
    if (value == MP_OBJ_NULL) {
        return MP_OBJ_NULL; // registers cannot be deleted
    }
    mp_int_t offset = mp_obj_get_int(index);
    if (offset < 0 || offset >= CONFIG_SIZE || offset % self->size != 0) {
        mp_raise_msg(&mp_type_IndexError, MP_ERROR_TEXT("no such register"));
    }
    if (value == MP_OBJ_SENTINEL) {
        uint32_t read = self->size == 1 ? pci_read8(self->device, offset)
            : self->size == 2 ? pci_read16(self->device, offset)
            : pci_read32(self->device, offset);
        return MP_OBJ_NEW_SMALL_INT(read);
    }
    uint32_t bits = mp_obj_get_int_truncated(value);
    if (self->size == 1) {
        pci_write8(self->device, offset, bits);
    } else if (self->size == 2) {
        pci_write16(self->device, offset, bits);
    } else {
        pci_write32(self->device, offset, bits);
    }
    return mp_const_none;
}

static MP_DEFINE_CONST_OBJ_TYPE(
    pci_config_type,
    MP_QSTR_PCIConfig,
    MP_TYPE_FLAG_NONE,
    subscr, config_subscr
    );

// --- Devices ------------------------------------------------------------------------------------

static void device_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    struct pci_device *device = ((struct pci_object *)MP_OBJ_TO_PTR(self_in))->device;
    mp_print_str(print, "<PCI ");
    print_place(print, device);
    mp_printf(print, " %04x:%04x class %02x%02x%02x>", device->vendor, device->device,
        device->class_code, device->subclass, device->interface);
}

// A tuple of (address, size, is_io) for each BAR, None for what is not there.
static mp_obj_t device_bars(const struct pci_device *device) {
    static const qstr fields[] = { MP_QSTR_address, MP_QSTR_size, MP_QSTR_io };
    mp_obj_t bars[PCI_BAR_MAX];
    for (size_t i = 0; i < PCI_BAR_MAX; i++) {
        const struct pci_bar *bar = &device->bar[i];
        if (bar->size == 0) {
            bars[i] = mp_const_none;
            continue;
        }
        mp_obj_t values[] = {
            mp_obj_new_int_from_ull(bar->address),
            mp_obj_new_int_from_ull(bar->size),
            mp_obj_new_bool(bar->io),
        };
        bars[i] = mp_obj_new_attrtuple(fields, MP_ARRAY_SIZE(fields), values);
    }
    return mp_obj_new_tuple(PCI_BAR_MAX, bars);
}

// {id: offset} of the capability list.
static mp_obj_t device_capabilities(const struct pci_device *device) {
    mp_obj_t capabilities = mp_obj_new_dict(0);
    unsigned steps = 0;
    unsigned offset = pci_capability_next(device, 0, &steps);
    while (offset != 0) {
        mp_obj_t id = MP_OBJ_NEW_SMALL_INT(pci_read8(device, offset));
        if (!mp_map_lookup(mp_obj_dict_get_map(capabilities), id, MP_MAP_LOOKUP)) {
            mp_obj_dict_store(capabilities, id, MP_OBJ_NEW_SMALL_INT(offset));
        }
        offset = pci_capability_next(device, offset, &steps);
    }
    return capabilities;
}

static void device_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    if (dest[0] != MP_OBJ_NULL) {
        return; // nothing can be stored
    }
    struct pci_device *device = ((struct pci_object *)MP_OBJ_TO_PTR(self_in))->device;
    switch (attr) {
        case MP_QSTR_vendor:
            dest[0] = MP_OBJ_NEW_SMALL_INT(device->vendor);
            break;
        case MP_QSTR_device:
            dest[0] = MP_OBJ_NEW_SMALL_INT(device->device);
            break;
        case MP_QSTR_class_code:
            dest[0] = MP_OBJ_NEW_SMALL_INT(device->class_code << 16 | device->subclass << 8
                    | device->interface);
            break;
        case MP_QSTR_bars:
            dest[0] = device_bars(device);
            break;
        case MP_QSTR_capabilities:
            dest[0] = device_capabilities(device);
            break;
        case MP_QSTR_irq:
            dest[0] = device->irq < 0 ? mp_const_none : irq_object(device, -1);
            break;
        case MP_QSTR_vectors:
            dest[0] = MP_OBJ_NEW_SMALL_INT(device->msix_count);
            break;
        case MP_QSTR_config:
            dest[0] = config_new(device, 1);
            break;
        case MP_QSTR_config16:
            dest[0] = config_new(device, 2);
            break;
        case MP_QSTR_config32:
            dest[0] = config_new(device, 4);
            break;
        default:
            dest[1] = MP_OBJ_SENTINEL; // a method
    }
}

// msix(n): vector n as a source for os.subscribe(). IndexError if the device has no such vector.
static mp_obj_t device_msix(mp_obj_t self_in, mp_obj_t vector_in) {
    struct pci_device *device = ((struct pci_object *)MP_OBJ_TO_PTR(self_in))->device;
    mp_int_t vector = mp_obj_get_int(vector_in);
    if (vector < 0 || vector >= device->msix_count) {
        mp_raise_msg_varg(&mp_type_IndexError, MP_ERROR_TEXT("the device has %u MSI-X vectors"),
            device->msix_count);
    }
    return irq_object(device, vector);
}
static MP_DEFINE_CONST_FUN_OBJ_2(device_msix_obj, device_msix);

// map(n): turn the device on and return the address of memory BAR n, for machine.mem32.
static mp_obj_t device_map(mp_obj_t self_in, mp_obj_t n_in) {
    struct pci_device *device = ((struct pci_object *)MP_OBJ_TO_PTR(self_in))->device;
    mp_int_t n = mp_obj_get_int(n_in);
    if (n < 0 || n >= PCI_BAR_MAX || device->bar[n].size == 0 || device->bar[n].io) {
        mp_raise_msg(&mp_type_IndexError, MP_ERROR_TEXT("no such memory BAR"));
    }
    pci_enable(device);
    uintptr_t address = pci_map_bar(device, n, 0, device->bar[n].size);
    if (address == 0) {
        mp_raise_OSError(MP_ENOMEM);
    }
    return mp_obj_new_int_from_uint(address);
}
static MP_DEFINE_CONST_FUN_OBJ_2(device_map_obj, device_map);

static const mp_rom_map_elem_t device_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_msix), MP_ROM_PTR(&device_msix_obj) },
    { MP_ROM_QSTR(MP_QSTR_map), MP_ROM_PTR(&device_map_obj) },
};
static MP_DEFINE_CONST_DICT(device_locals, device_locals_table);

static MP_DEFINE_CONST_OBJ_TYPE(
    pci_device_type,
    MP_QSTR_PCIDevice,
    MP_TYPE_FLAG_NONE,
    print, device_print,
    attr, device_attr,
    locals_dict, &device_locals
    );

static mp_obj_t machine_pci(void) {
    mp_obj_t list = mp_obj_new_list(0, NULL);
    unsigned count = pci_scan();
    for (unsigned i = 0; i < count; i++) {
        struct pci_object *object = mp_obj_malloc(struct pci_object, &pci_device_type);
        object->device = pci_get(i);
        mp_obj_list_append(list, MP_OBJ_FROM_PTR(object));
    }
    return list;
}
MP_DEFINE_CONST_FUN_OBJ_0(machine_pci_obj, machine_pci);

MP_REGISTER_ROOT_POINTER(mp_obj_t machine_pci_irqs);
