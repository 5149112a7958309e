// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Virtio over MMIO, version 2 (virtio 1.1, section 4.2): QEMU's microvm and Firecracker. Devices
// are named on the command line as virtio_mmio.device=<size>@<address>:<irq>, or by ACPI. QEMU
// needs "-global virtio-mmio.force-legacy=false"; a version 1 device is named in the log.

#include "virtio.h"

#include <errno.h>
#include <string.h>

#include "acpi.h"
#include "boot_info.h"
#include "cpu.h"
#include "log.h"
#include "memory.h"

#define REG_MAGIC 0x000
#define REG_VERSION 0x004
#define REG_DEVICE_ID 0x008
#define REG_DEVICE_FEATURES 0x010
#define REG_DEVICE_FEATURES_SELECT 0x014
#define REG_DRIVER_FEATURES 0x020
#define REG_DRIVER_FEATURES_SELECT 0x024
#define REG_QUEUE_SELECT 0x030
#define REG_QUEUE_SIZE_MAX 0x034
#define REG_QUEUE_SIZE 0x038
#define REG_QUEUE_READY 0x044
#define REG_QUEUE_NOTIFY 0x050
#define REG_INTERRUPT_STATUS 0x060
#define REG_INTERRUPT_ACK 0x064
#define REG_STATUS 0x070
#define REG_QUEUE_DESC 0x080
#define REG_QUEUE_DRIVER 0x090
#define REG_QUEUE_DEVICE 0x0a0
#define REG_CONFIG_GENERATION 0x0fc
#define REG_CONFIG 0x100
#define REGION_SIZE 0x200
#define MAGIC 0x74726976 // "virt"

#define OPTION "virtio_mmio.device="

static uint64_t read_features(struct virtio_device *device) {
    mmio_write32(device->mmio + REG_DEVICE_FEATURES_SELECT, 0);
    uint64_t low = mmio_read32(device->mmio + REG_DEVICE_FEATURES);
    mmio_write32(device->mmio + REG_DEVICE_FEATURES_SELECT, 1);
    return low | (uint64_t)mmio_read32(device->mmio + REG_DEVICE_FEATURES) << 32;
}

static void write_features(struct virtio_device *device, uint64_t features) {
    mmio_write32(device->mmio + REG_DRIVER_FEATURES_SELECT, 0);
    mmio_write32(device->mmio + REG_DRIVER_FEATURES, (uint32_t)features);
    mmio_write32(device->mmio + REG_DRIVER_FEATURES_SELECT, 1);
    mmio_write32(device->mmio + REG_DRIVER_FEATURES, (uint32_t)(features >> 32));
}

static uint8_t read_status(struct virtio_device *device) {
    return (uint8_t)mmio_read32(device->mmio + REG_STATUS);
}

static void write_status(struct virtio_device *device, uint8_t status) {
    mmio_write32(device->mmio + REG_STATUS, status);
}

static uint8_t read_config(struct virtio_device *device, unsigned offset) {
    return offset < REGION_SIZE - REG_CONFIG ? mmio_read8(device->mmio + REG_CONFIG + offset) : 0;
}

static void write_config(struct virtio_device *device, unsigned offset, uint32_t value) {
    if (offset + 4 <= REGION_SIZE - REG_CONFIG) {
        mmio_write32(device->mmio + REG_CONFIG + offset, value);
    }
}

static uint32_t config_generation(struct virtio_device *device) {
    return mmio_read32(device->mmio + REG_CONFIG_GENERATION);
}

static unsigned queue_size(struct virtio_device *device, unsigned index) {
    mmio_write32(device->mmio + REG_QUEUE_SELECT, index);
    return mmio_read32(device->mmio + REG_QUEUE_SIZE_MAX);
}

static void write_address(uintptr_t reg, uint64_t address) {
    mmio_write32(reg, (uint32_t)address);
    mmio_write32(reg + 4, (uint32_t)(address >> 32));
}

static int queue_start(struct virtio_device *device, struct virtqueue *queue) {
    uintptr_t mmio = device->mmio;
    mmio_write32(mmio + REG_QUEUE_SELECT, queue->index);
    if (mmio_read32(mmio + REG_QUEUE_READY) != 0) {
        return -EBUSY;
    }
    mmio_write32(mmio + REG_QUEUE_SIZE, queue->size);
    write_address(mmio + REG_QUEUE_DESC, (uintptr_t)queue->desc);
    write_address(mmio + REG_QUEUE_DRIVER, (uintptr_t)queue->avail);
    write_address(mmio + REG_QUEUE_DEVICE, (uintptr_t)queue->used_header);
    queue->notify_address = mmio + REG_QUEUE_NOTIFY;
    queue->notify_value = (uint16_t)queue->index;
    mmio_write32(mmio + REG_QUEUE_READY, 1);
    return 0;
}

static void notify(struct virtqueue *queue) {
    mmio_write32(queue->notify_address, queue->notify_value);
}

// The line stays up while any bit is set, so on an edge-triggered input all must be cleared, or
// there is never an edge again.
static uint32_t acknowledge(struct virtio_device *device) {
    uint32_t seen = 0;
    for (unsigned i = 0; i < 4; i++) {
        uint32_t status = mmio_read32(device->mmio + REG_INTERRUPT_STATUS);
        if (status == 0) {
            break;
        }
        mmio_write32(device->mmio + REG_INTERRUPT_ACK, status);
        seen |= status;
    }
    return seen;
}

static int irq_open(struct virtio_device *device) {
    if (!irq_exists(device->mmio_irq)) {
        return -ENODEV;
    }
    device->irq_messages = false;
    device->queue_irq = (int)device->mmio_irq;
    if (irq_owner(device->mmio_irq) == NULL) {
        irq_set_wiring(device->mmio_irq, device->mmio_wiring);
    }
    return 0;
}

static void irq_close(struct virtio_device *device) {
    (void)device;
}

static const struct virtio_transport transport_mmio = {
    .name = "mmio",
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

static void probe_at(uint64_t address, uint32_t irq, unsigned wiring,
    void (*found)(const struct virtio_device *device)) {
    uintptr_t mmio = memory_map_device(address, REGION_SIZE);
    if (mmio == 0 || mmio_read32(mmio + REG_MAGIC) != MAGIC) {
        return;
    }
    uint32_t id = mmio_read32(mmio + REG_DEVICE_ID);
    if (id == 0) {
        return; // an empty slot (4.2.2.2)
    }
    if (mmio_read32(mmio + REG_VERSION) != 2) {
        kprintf("virtio: mmio %lx: legacy device %u "
            "(-global virtio-mmio.force-legacy=false?)\n", (unsigned long)address, id);
        return;
    }
    struct virtio_device device = {
        .transport = &transport_mmio, .id = (uint16_t)id, .mmio = mmio, .mmio_irq = irq,
        .mmio_wiring = wiring,
    };
    found(&device);
}

// Read a number (decimal, or hexadecimal behind 0x) and move (*text) behind it.
static uint64_t parse_number(const char **text) {
    const char *p = *text;
    unsigned base = 10;
    if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X')) {
        base = 16;
        p += 2;
    }
    uint64_t value = 0;
    for (;; p++) {
        unsigned digit;
        if (*p >= '0' && *p <= '9') {
            digit = (unsigned)(*p - '0');
        } else if (base == 16 && (*p | 0x20) >= 'a' && (*p | 0x20) <= 'f') {
            digit = (unsigned)((*p | 0x20) - 'a' + 10);
        } else {
            break;
        }
        value = value * base + digit;
    }
    *text = p;
    return value;
}

// <size>[KMG]@<address>:<irq>, as Linux takes it.
static void probe_option(const char *text, void (*found)(const struct virtio_device *device)) {
    parse_number(&text);
    if (*text != '@') {
        text++;
    }
    if (*text++ != '@') {
        return;
    }
    uint64_t address = parse_number(&text);
    if (*text++ != ':') {
        return;
    }
    uint64_t irq = parse_number(&text);
    if (irq < IRQ_GSI_MAX) {
        // Firecracker, which announces its devices this way, sends edges.
        probe_at(address, (uint32_t)irq, IRQ_EDGE, found);
    }
}

void virtio_mmio_probe(void (*found)(const struct virtio_device *device)) {
    bool any = false;
    const char *text = boot_info.cmdline;
    while ((text = strstr(text, OPTION)) != NULL) {
        bool word = text == boot_info.cmdline || text[-1] == ' ';
        text += sizeof(OPTION) - 1;
        if (word) {
            probe_option(text, found);
            any = true;
        }
    }
    // Where both are there they name the same devices.
    if (!any) {
        acpi_scan_dsdt();
    }
    for (unsigned i = 0; !any && i < acpi_info.virtio_mmio_count; i++) {
        const struct acpi_virtio_mmio *entry = &acpi_info.virtio_mmio[i];
        probe_at(entry->address, entry->gsi, IRQ_LEVEL, found);
    }
}
