// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The end of Mbed TLS at a soft reset.

#ifndef IMPORTOS_MBEDTLS_PORT_H
#define IMPORTOS_MBEDTLS_PORT_H

// Free the keys that handshakes hold, while Python's heap, where they are, still exists. The next
// SSLContext starts anew. Main thread.
void mbedtls_soft_reset(void);

#endif // IMPORTOS_MBEDTLS_PORT_H
