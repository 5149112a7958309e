// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Choices for Mbed TLS, on top of MicroPython's common ones (extmod/mbedtls).

#ifndef IMPORTOS_MBEDTLS_CONFIG_PORT_H
#define IMPORTOS_MBEDTLS_CONFIG_PORT_H

#define MICROPY_MBEDTLS_CONFIG_BARE_METAL (1)

#define MBEDTLS_NO_UDBL_DIVISION // a call of libgcc
#define MBEDTLS_ECP_NIST_OPTIM
#define MBEDTLS_PEM_PARSE_C // certificates and keys as openssl writes them
#define MBEDTLS_BASE64_C
#define MBEDTLS_CIPHER_MODE_CTR // cryptolib's mode CTR
#define MBEDTLS_PLATFORM_MS_TIME_ALT // these two: mbedtls_port.c
#define MBEDTLS_PLATFORM_GMTIME_R_ALT

#include "extmod/mbedtls/mbedtls_config_common.h"

// TLS 1.3 beside 1.2: ECDHE with certificates, no tickets and no PSK. It needs the PSA interface,
// cut down to what the handshake calls (psa_config_port.h), and PSS because its RSA is that.
#define MBEDTLS_SSL_PROTO_TLS1_3
#define MBEDTLS_SSL_TLS1_3_COMPATIBILITY_MODE
#define MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ENABLED
#define MBEDTLS_SSL_KEEP_PEER_CERTIFICATE // also for getpeercert()
#define MBEDTLS_PSA_CRYPTO_C
#define MBEDTLS_PSA_CRYPTO_CONFIG
#define MBEDTLS_PSA_CRYPTO_CONFIG_FILE "psa_config_port.h"
#define MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG // mbedtls_port.c
#define MBEDTLS_PSA_KEY_STORE_DYNAMIC // no limit to handshakes at once
#define MBEDTLS_PKCS1_V21
#define MBEDTLS_X509_RSASSA_PSS_SUPPORT

// Curves that no server offers alone any more (RFC 8422 dropped them).
#undef MBEDTLS_ECP_DP_SECP192R1_ENABLED
#undef MBEDTLS_ECP_DP_SECP192K1_ENABLED
#undef MBEDTLS_ECP_DP_SECP224R1_ENABLED
#undef MBEDTLS_ECP_DP_SECP224K1_ENABLED
#undef MBEDTLS_ECP_DP_SECP256K1_ENABLED
#define MBEDTLS_ECP_DP_CURVE25519_ENABLED
#define MBEDTLS_AES_FEWER_TABLES
#define MBEDTLS_SHA512_SMALLER
#undef MBEDTLS_DEBUG_C // trace messages of the library itself

#endif // IMPORTOS_MBEDTLS_CONFIG_PORT_H
