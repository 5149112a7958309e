# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# ssl for the unix port as the other side of the network's tests. Debian's build is without it, and
# that of ImportOS (frozen/ssl.py) wants what only the tls of ImportOS has.

import tls
from tls import *  # noqa: F403 - the names of ssl
from tls import CERT_NONE, PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER


def _load(source):
    if isinstance(source, str):
        with open(source, "rb") as file:  # noqa: PTH123 - MicroPython has no pathlib
            return file.read()
    return source


class SSLContext:
    def __init__(self, protocol):
        self._context = tls.SSLContext(protocol)

    def __getattr__(self, name):
        return getattr(self._context, name)

    def _set_verify_mode(self, mode):
        self._context.verify_mode = mode

    def _set_verify_callback(self, callback):
        self._context.verify_callback = callback

    verify_mode = property(lambda self: self._context.verify_mode, _set_verify_mode)
    verify_callback = property(lambda self: self._context.verify_callback, _set_verify_callback)

    def load_cert_chain(self, certfile, keyfile):
        self._context.load_cert_chain(_load(certfile), _load(keyfile))

    def load_verify_locations(self, cafile=None, cadata=None):
        self._context.load_verify_locations(_load(cafile) if cadata is None else cadata)


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
