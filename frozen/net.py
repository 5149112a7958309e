# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# net: TCP and UDP with callbacks; uses C code from _net. See modules/net/README.md.

import _net as _c
from _net import *


# net.eth0, net.eth1 ...: the cards, looked up when somebody asks.
def __getattr__(name):
    if name[:3] == "eth" and name[3:].isdigit():
        cards = _c.interfaces()
        number = int(name[3:])
        if number < len(cards):
            return cards[number]
    raise AttributeError(name)


def listen(port, on_connect=None, *, host="", backlog=16, tls=None):
    if on_connect is None:
        return lambda callback: listen(port, callback, host=host, backlog=backlog, tls=tls)
    if tls is not None:
        from _net_tls import listen as listen_tls

        return listen_tls(port, on_connect, host, backlog, tls)
    return _c.listen(port, on_connect, host=host, backlog=backlog)


def connect(host, port, on_connect=None, *, timeout="10s", tls=None):
    if tls is not None:
        from _net_tls import connect as connect_tls

        return connect_tls(host, port, on_connect, timeout, tls)
    return _c.connect(host, port, on_connect, timeout=timeout)


def udp(port=0, on_packet=None, *, host=""):
    return _c.udp(port, on_packet, host=host)


def resolve(name, callback=None, *, timeout="5s"):
    if callback is None:
        return lambda function: _c.resolve(name, function, timeout=timeout)
    return _c.resolve(name, callback, timeout=timeout)
