// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// QEMU's firmware configuration device (QEMU docs/specs/fw_cfg.rst): what the user gave QEMU as
// -fw_cfg name=opt/importos/KEY,string=VALUE or file=PATH. By its DMA interface only, which QEMU
// has had since 2.9; on other hosts there is nothing.
//
// Context: any; the device answers at once.

#ifndef IMPORTOS_FW_CFG_H
#define IMPORTOS_FW_CFG_H

#include <stddef.h>
#include <stdint.h>

#define FW_CFG_PREFIX "opt/importos/"
#define FW_CFG_ITEM_MAX 32 // items of the user that are looked at

// Find out what items there are. Boot time, once.
void fw_cfg_init(void);

// Value of the item FW_CFG_PREFIX (key): writes at most (size) bytes to (value), which is in RAM,
// and returns the value's full length; -1: there is no such item.
int fw_cfg_get(const char *key, void *value, size_t size);

#endif // IMPORTOS_FW_CFG_H
