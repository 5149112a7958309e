# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# ssl: the names of CPython's module for the TLS of the built-in module tls. What it adds are
# certificates and keys from files, and wrap_socket() as a function.

import tls
from tls import *


def _load(source):
    # The bytes of a certificate or key: (source) itself, or those of the file named so.
    if isinstance(source, str):
        with open(source, "rb") as file:
            return file.read()
    return source


def _forwarded(name):
    # A property that is the context's own attribute (name).
    def get(self):
        return getattr(self._context, name)

    def put(self, value):
        setattr(self._context, name, value)

    return property(get, put)


class TLSVersion:
    MINIMUM_SUPPORTED = -2
    MAXIMUM_SUPPORTED = -1
    TLSv1_2 = 0x0303
    TLSv1_3 = 0x0304


HAS_TLSv1_2 = HAS_TLSv1_3 = HAS_SNI = True


class SSLContext:
    minimum_version = _forwarded("minimum_version")
    maximum_version = _forwarded("maximum_version")
    verify_mode = _forwarded("verify_mode")
    verify_callback = _forwarded("verify_callback")
    ecdsa_sign_callback = _forwarded("ecdsa_sign_callback")

    def __init__(self, protocol):
        self._context = tls.SSLContext(protocol)

    def __getattr__(self, name):
        return getattr(self._context, name)

    def load_cert_chain(self, certfile, keyfile=None):
        certificate = _load(certfile)
        self._context.load_cert_chain(
            certificate, certificate if keyfile is None else _load(keyfile)
        )

    def load_verify_locations(self, cafile=None, cadata=None):
        self._context.load_verify_locations(_load(cafile) if cadata is None else cadata)

    def wrap_socket(
        self,
        sock,
        server_side=False,
        do_handshake_on_connect=True,
        server_hostname=None,
        suppress_ragged_eofs=True,  # False: OSError for an end without close_notify
        **options,
    ):
        self._context.suppress_ragged_eofs = suppress_ragged_eofs
        return self._context.wrap_socket(
            sock,
            server_side=server_side,
            do_handshake_on_connect=do_handshake_on_connect,
            server_hostname=server_hostname,
            **options,
        )


def wrap_socket(
    sock,
    server_side=False,
    key=None,
    cert=None,
    cert_reqs=CERT_NONE,
    cadata=None,
    server_hostname=None,
    do_handshake=True,
):
    context = SSLContext(PROTOCOL_TLS_SERVER if server_side else PROTOCOL_TLS_CLIENT)
    context.verify_mode = cert_reqs
    if cert is not None or key is not None:
        context.load_cert_chain(cert, key)
    if cadata is not None:
        context.load_verify_locations(cadata=cadata)
    return context.wrap_socket(
        sock,
        server_side=server_side,
        do_handshake_on_connect=do_handshake,
        server_hostname=server_hostname,
    )
