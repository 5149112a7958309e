// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Virtio devices: finding and claiming them, negotiation, interrupts (virtio 1.1, sections 2.1 to
// 2.5 and 3.1). The rings are in virtq.c, the registers in virtio_pci.c and virtio_mmio.c.

#include "virtio.h"

#include <errno.h>

#include "clock.h"
#include "cpu.h"
#include "log.h"
#include "pci.h"

#define RESET_LIMIT_NS (100 * NS_PER_MS)
#define CONFIG_TRIES 8

static struct virtio_device devices[VIRTIO_DEVICE_MAX];
static unsigned device_count;
static bool probed;

static void add_device(const struct virtio_device *device) {
    if (device_count < VIRTIO_DEVICE_MAX) {
        devices[device_count] = *device;
        devices[device_count].queue_irq = devices[device_count].config_irq = -1;
        device_count++;
    }
}

struct virtio_device *virtio_claim(uint16_t id) {
    if (!probed) {
        probed = true;
        virtio_pci_probe(add_device);
        virtio_mmio_probe(add_device);
    }
    for (unsigned i = 0; i < device_count; i++) {
        if (devices[i].id == id && !devices[i].claimed) {
            devices[i].claimed = true;
            if (devices[i].pci != NULL) {
                devices[i].pci->owner = "the virtio driver has it";
            }
            return &devices[i];
        }
    }
    return NULL;
}

int virtio_reset(struct virtio_device *device) {
    const struct virtio_transport *transport = device->transport;
    transport->write_status(device, 0);
    if (transport->read_status(device) == 0) {
        return 0; // as most do, before the clock need be known (clock_is_known())
    }
    uint64_t limit = clock_ns() + RESET_LIMIT_NS;
    while (transport->read_status(device) != 0) {
        if (clock_ns() > limit) {
            return -EIO;
        }
        cpu_relax();
    }
    return 0;
}

int virtio_negotiate(struct virtio_device *device, uint64_t wanted) {
    const struct virtio_transport *transport = device->transport;
    int ret = virtio_reset(device);
    if (ret < 0) {
        return ret;
    }
    transport->write_status(device, VIRTIO_STATUS_ACKNOWLEDGE);
    transport->write_status(device, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
    uint64_t offered = transport->read_features(device);
    if (!(offered & VIRTIO_F_VERSION_1)) {
        virtio_fail(device);
        return -ENOTSUP;
    }
    device->features = offered & (wanted | VIRTIO_F_VERSION_1);
    transport->write_features(device, device->features);
    uint8_t status = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER |
        VIRTIO_STATUS_FEATURES_OK;
    transport->write_status(device, status);
    if (!(transport->read_status(device) & VIRTIO_STATUS_FEATURES_OK)) {
        virtio_fail(device);
        return -EIO;
    }
    return 0;
}

void virtio_start(struct virtio_device *device) {
    device->transport->write_status(device, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER |
        VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK);
}

void virtio_fail(struct virtio_device *device) {
    device->transport->write_status(device, VIRTIO_STATUS_FAILED);
}

void virtio_config_read(struct virtio_device *device, unsigned offset, void *data, size_t size) {
    const struct virtio_transport *transport = device->transport;
    uint8_t *bytes = data;
    for (unsigned i = 0; i < CONFIG_TRIES; i++) {
        uint32_t before = transport->config_generation(device);
        for (size_t n = 0; n < size; n++) {
            bytes[n] = transport->read_config(device, offset + (unsigned)n);
        }
        if (transport->config_generation(device) == before) {
            return;
        }
    }
}

// --- interrupts -----------------------------------------------------------------------------

// One line for both: the device says which, and saying it quiets the line (2.3, 4.1.4.5).
static void handle_line(void *arg) {
    struct virtio_device *device = arg;
    uint32_t status = device->transport->acknowledge(device);
    if (status & 1) {
        device->on_queue(device->arg);
    }
    if ((status & 2) && device->on_config != NULL) {
        device->on_config(device->arg);
    }
}

static void handle_queue(void *arg) {
    struct virtio_device *device = arg;
    device->on_queue(device->arg);
}

static void handle_config(void *arg) {
    struct virtio_device *device = arg;
    if (device->on_config != NULL) {
        device->on_config(device->arg);
    }
}

int virtio_irq_open(struct virtio_device *device, const char *name, void (*on_queue)(void *arg),
    void (*on_config)(void *arg), void *arg) {
    device->name = name;
    device->on_queue = on_queue;
    device->on_config = on_config;
    device->arg = arg;
    device->queue_irq = device->config_irq = -1;
    int ret = device->transport->irq_open(device);
    if (ret < 0) {
        device->queue_irq = device->config_irq = -1;
        return ret;
    }
    bool messages = device->irq_messages;
    device->queue_action = (struct irq_action) {
        .handler = messages ? handle_queue : handle_line, .arg = device, .name = name,
        .shared = !messages,
    };
    ret = irq_attach((unsigned)device->queue_irq, &device->queue_action);
    if (ret < 0) {
        goto err_queue;
    }
    if (messages) {
        device->config_action = (struct irq_action) {
            .handler = handle_config, .arg = device, .name = name,
        };
        ret = irq_attach((unsigned)device->config_irq, &device->config_action);
        if (ret < 0) {
            goto err_config;
        }
    }
    return 0;

err_config:
    irq_detach((unsigned)device->queue_irq, &device->queue_action);
err_queue:
    device->transport->irq_close(device);
    device->queue_irq = device->config_irq = -1;
    return ret;
}

void virtio_irq_close(struct virtio_device *device) {
    if (device->queue_irq >= 0) {
        irq_detach((unsigned)device->queue_irq, &device->queue_action);
        if (device->irq_messages) {
            irq_detach((unsigned)device->config_irq, &device->config_action);
        }
        device->transport->irq_close(device);
        device->queue_irq = device->config_irq = -1;
    }
}
