# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# Mbed TLS from MBEDTLS_DIR. Not through extmod.mk, because Debian's MicroPython has taken the list
# of files out of it, in favour of a shared library of the build host.

CFLAGS += -DMICROPY_PY_SSL=1 -DMICROPY_SSL_MBEDTLS=1 -I$(MBEDTLS_DIR)/include \
    -DMBEDTLS_CONFIG_FILE='"mbedtls_config_port.h"'

MBEDTLS_SRC := aes aesni asn1parse asn1write base64 bignum bignum_core bignum_mod bignum_mod_raw \
    chacha20 chachapoly cipher cipher_wrap constant_time ctr_drbg debug ecdh ecdsa ecp ecp_curves \
    entropy entropy_poll gcm md md5 oid pem pk pk_ecc pk_wrap pkcs5 pkparse platform \
    platform_util poly1305 rsa rsa_alt_helpers sha1 sha256 sha512 ssl_cache ssl_ciphersuites \
    ssl_client ssl_cookie ssl_debug_helpers_generated ssl_msg ssl_ticket ssl_tls \
    ssl_tls12_client ssl_tls12_server timing x509 x509_crt

MBEDTLS_OBJ := $(patsubst %,$(BUILD)/mbedtls/%.o,$(MBEDTLS_SRC))
OBJ += $(MBEDTLS_OBJ) $(BUILD)/lib/mbedtls_errors/mp_mbedtls_errors.o

$(MBEDTLS_OBJ): $(BUILD)/mbedtls/%.o: $(MBEDTLS_DIR)/library/%.c mbedtls_config_port.h
	$(call compile_c)

# The handshake is rare and the library large.
$(MBEDTLS_OBJ): CFLAGS += -Os
