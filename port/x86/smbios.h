// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What the firmware says about the machine in its SMBIOS tables (DMTF DSP0134). Main thread only.

#ifndef IMPORTOS_SMBIOS_H
#define IMPORTOS_SMBIOS_H

#include <stdbool.h>
#include <stdint.h>

#define SMBIOS_UUID_SIZE 16

// The machine's UUID as the firmware stores it. False if there is none.
bool smbios_uuid(uint8_t uuid[SMBIOS_UUID_SIZE]);

#endif // IMPORTOS_SMBIOS_H
