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
    platform_util poly1305 psa_crypto psa_crypto_client psa_crypto_driver_wrappers_no_static \
    psa_crypto_ecp psa_crypto_hash psa_crypto_mac psa_crypto_slot_management psa_util rsa \
    rsa_alt_helpers sha1 sha256 sha512 ssl_cache ssl_ciphersuites ssl_client ssl_cookie \
    ssl_debug_helpers_generated ssl_msg ssl_ticket ssl_tls ssl_tls12_client ssl_tls12_server \
    ssl_tls13_client ssl_tls13_generic ssl_tls13_keys ssl_tls13_server timing x509 x509_crt

MBEDTLS_OBJ := $(patsubst %,$(BUILD)/mbedtls/%.o,$(MBEDTLS_SRC))
OBJ += $(MBEDTLS_OBJ) $(BUILD)/lib/mbedtls_errors/mp_mbedtls_errors.o

MBEDTLS_PATCHED := $(patsubst patches/mbedtls/%.c.patch,%,$(wildcard patches/mbedtls/*.patch))
MBEDTLS_PATCHED_OBJ := $(MBEDTLS_PATCHED:%=$(BUILD)/mbedtls/%.o)
$(BUILD)/patched/mbedtls/%.c: $(MBEDTLS_DIR)/library/%.c patches/mbedtls/%.c.patch
	$(apply_patch)
$(MBEDTLS_PATCHED_OBJ): $(BUILD)/mbedtls/%.o: $(BUILD)/patched/mbedtls/%.c
	$(call compile_c)
$(MBEDTLS_PATCHED_OBJ): CFLAGS += -I$(MBEDTLS_DIR)/library
$(filter-out $(MBEDTLS_PATCHED_OBJ),$(MBEDTLS_OBJ)): $(BUILD)/mbedtls/%.o: $(MBEDTLS_DIR)/library/%.c
	$(call compile_c)
$(MBEDTLS_OBJ): mbedtls_config_port.h psa_config_port.h

# They decide which names modtls_mbedtls.c has.
QSTR_GLOBAL_DEPENDENCIES += mbedtls_config_port.h psa_config_port.h

# The handshake is rare and the library large.
$(MBEDTLS_OBJ): CFLAGS += -Os
