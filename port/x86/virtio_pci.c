// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Virtio over PCI, modern interface (virtio 1.1, section 4.1): capability windows, MSI-X with INTx
// as the fallback. The legacy interface (4.1.4.8) is not supported: every QEMU since 2.4 offers
// the modern one, and a device without it is named in the log.

#include "virtio.h"

#include <errno.h>

#include "cpu.h"
#include "log.h"
#include "pci.h"

#define PCI_VENDOR_VIRTIO 0x1af4
#define PCI_DEVICE_TRANSITIONAL 0x1000
#define PCI_DEVICE_MODERN 0x1040
#define PCI_DEVICE_LAST 0x107f

#define CAP_COMMON 1
#define CAP_NOTIFY 2
#define CAP_ISR 3
#define CAP_DEVICE 4
#define CAP_SIZE 16 // bytes of a capability; the notify one has 4 more

#define COMMON_DEVICE_FEATURE_SELECT 0
#define COMMON_DEVICE_FEATURE 4
#define COMMON_DRIVER_FEATURE_SELECT 8
#define COMMON_DRIVER_FEATURE 12
#define COMMON_MSIX_CONFIG 16
#define COMMON_STATUS 20
#define COMMON_GENERATION 21
#define COMMON_QUEUE_SELECT 22
#define COMMON_QUEUE_SIZE 24
#define COMMON_QUEUE_MSIX 26
#define COMMON_QUEUE_ENABLE 28
#define COMMON_QUEUE_NOTIFY_OFFSET 30
#define COMMON_QUEUE_DESC 32
#define COMMON_QUEUE_DRIVER 40
#define COMMON_QUEUE_DEVICE 48
#define COMMON_LENGTH 56

#define MSIX_NONE 0xffff
#define MSIX_CONFIG 0
#define MSIX_QUEUES 1

static uint64_t read_features(struct virtio_device *device) {
    mmio_write32(device->common + COMMON_DEVICE_FEATURE_SELECT, 0);
    uint64_t low = mmio_read32(device->common + COMMON_DEVICE_FEATURE);
    mmio_write32(device->common + COMMON_DEVICE_FEATURE_SELECT, 1);
    return low | (uint64_t)mmio_read32(device->common + COMMON_DEVICE_FEATURE) << 32;
}

static void write_features(struct virtio_device *device, uint64_t features) {
    mmio_write32(device->common + COMMON_DRIVER_FEATURE_SELECT, 0);
    mmio_write32(device->common + COMMON_DRIVER_FEATURE, (uint32_t)features);
    mmio_write32(device->common + COMMON_DRIVER_FEATURE_SELECT, 1);
    mmio_write32(device->common + COMMON_DRIVER_FEATURE, (uint32_t)(features >> 32));
}

static uint8_t read_status(struct virtio_device *device) {
    return mmio_read8(device->common + COMMON_STATUS);
}

static void write_status(struct virtio_device *device, uint8_t status) {
    if ((status & VIRTIO_STATUS_DRIVER_OK) && device->irq_messages) {
        // A reset forgets it.
        mmio_write16(device->common + COMMON_MSIX_CONFIG, MSIX_CONFIG);
    }
    mmio_write8(device->common + COMMON_STATUS, status);
}

static uint8_t read_config(struct virtio_device *device, unsigned offset) {
    return offset < device->config_size ? mmio_read8(device->config + offset) : 0;
}

static void write_config(struct virtio_device *device, unsigned offset, uint32_t value) {
    if (offset + 4 <= device->config_size) {
        mmio_write32(device->config + offset, value);
    }
}

static uint32_t config_generation(struct virtio_device *device) {
    return mmio_read8(device->common + COMMON_GENERATION);
}

static unsigned queue_size(struct virtio_device *device, unsigned index) {
    mmio_write16(device->common + COMMON_QUEUE_SELECT, (uint16_t)index);
    return mmio_read16(device->common + COMMON_QUEUE_SIZE);
}

static void write_address(uintptr_t reg, uint64_t address) {
    // As two halves: 64-bit fields need not take a 64-bit access (4.1.3.1).
    mmio_write32(reg, (uint32_t)address);
    mmio_write32(reg + 4, (uint32_t)(address >> 32));
}

static int queue_start(struct virtio_device *device, struct virtqueue *queue) {
    uintptr_t common = device->common;
    mmio_write16(common + COMMON_QUEUE_SELECT, (uint16_t)queue->index);
    uint64_t offset = (uint64_t)mmio_read16(common + COMMON_QUEUE_NOTIFY_OFFSET) *
        device->notify_multiplier;
    if (offset + 2 > device->notify_size) {
        return -EIO;
    }
    queue->notify_address = device->notify_base + offset;
    queue->notify_value = (uint16_t)queue->index;
    mmio_write16(common + COMMON_QUEUE_SIZE, queue->size);
    write_address(common + COMMON_QUEUE_DESC, (uintptr_t)queue->desc);
    write_address(common + COMMON_QUEUE_DRIVER, (uintptr_t)queue->avail);
    write_address(common + COMMON_QUEUE_DEVICE, (uintptr_t)queue->used_header);
    if (device->irq_messages) {
        mmio_write16(common + COMMON_QUEUE_MSIX, MSIX_QUEUES);
        if (mmio_read16(common + COMMON_QUEUE_MSIX) != MSIX_QUEUES) {
            return -ENOSPC;
        }
    }
    mmio_write16(common + COMMON_QUEUE_ENABLE, 1);
    return 0;
}

static void notify(struct virtqueue *queue) {
    mmio_write16(queue->notify_address, queue->notify_value);
}

static uint32_t acknowledge(struct virtio_device *device) {
    return mmio_read8(device->isr);
}

// --- interrupts -----------------------------------------------------------------------------

static int open_messages(struct virtio_device *device) {
    if (device->pci->msix_count < 2 || pci_msix_open(device->pci) < 0) {
        return -ENODEV;
    }
    struct irq_message config, queues;
    device->config_irq = irq_msi_alloc(&config);
    device->queue_irq = irq_msi_alloc(&queues);
    if (device->config_irq < 0 || device->queue_irq < 0) {
        goto err;
    }
    pci_msix_set(device->pci, MSIX_CONFIG, &config);
    pci_msix_set(device->pci, MSIX_QUEUES, &queues);
    mmio_write16(device->common + COMMON_MSIX_CONFIG, MSIX_CONFIG);
    if (mmio_read16(device->common + COMMON_MSIX_CONFIG) != MSIX_CONFIG) {
        goto err;
    }
    device->irq_messages = true;
    return 0;

err:
    if (device->config_irq >= 0) {
        irq_msi_free((unsigned)device->config_irq);
    }
    if (device->queue_irq >= 0) {
        irq_msi_free((unsigned)device->queue_irq);
    }
    pci_msix_close(device->pci);
    return -ENOSPC;
}

static int irq_open(struct virtio_device *device) {
    device->irq_messages = false;
    if (open_messages(device) == 0) {
        return 0;
    }
    device->config_irq = -1;
    device->queue_irq = device->pci->irq;
    if (device->queue_irq < 0 || !irq_exists((unsigned)device->queue_irq)) {
        return -ENODEV;
    }
    if (irq_owner((unsigned)device->queue_irq) == NULL) {
        irq_set_wiring((unsigned)device->queue_irq, IRQ_LEVEL);
    }
    pci_intx(device->pci, true);
    return 0;
}

static void irq_close(struct virtio_device *device) {
    if (device->irq_messages) {
        pci_msix_mask(device->pci, MSIX_CONFIG);
        pci_msix_mask(device->pci, MSIX_QUEUES);
        irq_msi_free((unsigned)device->config_irq);
        irq_msi_free((unsigned)device->queue_irq);
        pci_msix_close(device->pci);
        device->irq_messages = false;
    }
}

static const struct virtio_transport transport_pci = {
    .name = "pci",
    .read_features = read_features,
    .write_features = write_features,
    .read_status = read_status,
    .write_status = write_status,
    .read_config = read_config,
    .write_config = write_config,
    .config_generation = config_generation,
    .queue_size = queue_size,
    .queue_start = queue_start,
    .notify = notify,
    .acknowledge = acknowledge,
    .irq_open = irq_open,
    .irq_close = irq_close,
};

// --- probe ----------------------------------------------------------------------------------

static void read_notify(struct virtio_device *device, unsigned capability, unsigned bar,
    uint32_t offset, uint32_t length) {
    struct pci_device *pci = device->pci;
    if (device->notify_base != 0 || length < 2 ||
        pci_read8(pci, capability + 2) < CAP_SIZE + 4) {
        return;
    }
    device->notify_size = length < 0x10000 ? length : 0x10000;
    device->notify_multiplier = pci_read32(pci, capability + CAP_SIZE);
    device->notify_base = pci_map_bar(pci, bar, offset, device->notify_size);
}

// Take over one vendor capability; the first of each type that can be mapped counts (4.1.4.1).
static void read_capability(struct virtio_device *device, unsigned capability) {
    struct pci_device *pci = device->pci;
    if (pci_read8(pci, capability + 2) < CAP_SIZE) {
        return;
    }
    unsigned type = pci_read8(pci, capability + 3);
    unsigned bar = pci_read8(pci, capability + 4);
    uint32_t offset = pci_read32(pci, capability + 8);
    uint32_t length = pci_read32(pci, capability + 12);
    if (type == CAP_COMMON && device->common == 0 && length >= COMMON_LENGTH) {
        device->common = pci_map_bar(pci, bar, offset, COMMON_LENGTH);
    } else if (type == CAP_ISR && device->isr == 0) {
        device->isr = pci_map_bar(pci, bar, offset, 1);
    } else if (type == CAP_DEVICE && device->config == 0) {
        device->config_size = length < 4096 ? length : 4096;
        device->config = pci_map_bar(pci, bar, offset, device->config_size);
    } else if (type == CAP_NOTIFY) {
        read_notify(device, capability, bar, offset, length);
    }
}

static bool read_device(struct virtio_device *device, struct pci_device *pci) {
    *device = (struct virtio_device) { .transport = &transport_pci, .pci = pci };
    device->id = pci->device >= PCI_DEVICE_MODERN ?
        (uint16_t)(pci->device - PCI_DEVICE_MODERN) : pci->subsystem;
    pci_enable(pci);
    pci_intx(pci, false);
    unsigned steps = 0;
    unsigned capability = 0;
    while ((capability = pci_capability_next(pci, capability, &steps)) != 0) {
        if (pci_read8(pci, capability) == PCI_CAP_VENDOR) {
            read_capability(device, capability);
        }
    }
    if (device->config == 0) {
        device->config_size = 0;
    }
    return device->common != 0 && device->isr != 0 && device->notify_base != 0;
}

void virtio_pci_probe(void (*found)(const struct virtio_device *device)) {
    unsigned count = pci_scan();
    for (unsigned n = 0; n < count; n++) {
        struct pci_device *pci = pci_get(n);
        if (pci->vendor != PCI_VENDOR_VIRTIO || pci->device < PCI_DEVICE_TRANSITIONAL ||
            pci->device > PCI_DEVICE_LAST) {
            continue;
        }
        struct virtio_device device;
        if (read_device(&device, pci)) {
            found(&device);
        } else {
            kprintf("virtio: pci %02x:%02x.%u: no modern interface (disable-modern=off?)\n",
                pci->bus, pci->slot, pci->function);
        }
    }
}
