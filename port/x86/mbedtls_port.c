// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// What Mbed TLS asks of its platform: entropy and time.

#include "mbedtls_port.h"

#include "py/mpconfig.h"

#if MICROPY_SSL_MBEDTLS

#include "mbedtls/entropy.h"
#include "mbedtls/platform_time.h"
#include "mbedtls/platform_util.h"
#include "psa/crypto.h"
#include "shared/timeutils/timeutils.h"

#include "clock.h"
#include "random.h"

int mbedtls_hardware_poll(void *data, unsigned char *output, size_t size, size_t *written);

int mbedtls_hardware_poll(void *data, unsigned char *output, size_t size, size_t *written) {
    (void)data;
    // Refuse rather than be weak: TLS then fails with "could not gather entropy".
    if (!random_ready()) {
        return MBEDTLS_ERR_ENTROPY_SOURCE_FAILED;
    }
    random_bytes(output, size);
    *written = size;
    return 0;
}

// TLS 1.3 takes its random numbers here.
psa_status_t mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t *context,
    uint8_t *output, size_t size, size_t *written) {
    (void)context;
    if (!random_ready()) {
        return PSA_ERROR_INSUFFICIENT_ENTROPY;
    }
    random_bytes(output, size);
    *written = size;
    return PSA_SUCCESS;
}

void mbedtls_soft_reset(void) {
    mbedtls_psa_crypto_free();
}

mbedtls_ms_time_t mbedtls_ms_time(void) {
    return clock_ns() / NS_PER_MS;
}

struct tm *mbedtls_platform_gmtime_r(const mbedtls_time_t *seconds, struct tm *tm) {
    timeutils_struct_time_t t;
    timeutils_seconds_since_epoch_to_struct_time(*seconds, &t);
    *tm = (struct tm) {
        .tm_sec = t.tm_sec, .tm_min = t.tm_min, .tm_hour = t.tm_hour,
        .tm_mday = t.tm_mday, .tm_mon = t.tm_mon - 1, .tm_year = t.tm_year - 1900,
        .tm_wday = (t.tm_wday + 1) % 7, .tm_yday = t.tm_yday - 1,
    };
    return tm;
}

#else

void mbedtls_soft_reset(void) {
}

#endif // MICROPY_SSL_MBEDTLS
