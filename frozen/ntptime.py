# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# ntptime: the time of day from an SNTP server (RFC 4330), by MicroPython's names.

import socket
import struct

host = "pool.ntp.org"
timeout = 1  # seconds

_UNIX_EPOCH = 2208988800  # in the protocol's seconds, which begin in 1900
_ERA = 1 << 32


def _query():
    # Seconds since 1970 as an integer, and the fraction in 1/2**32.
    request = bytearray(48)
    request[0] = 0x23  # version 4, client
    cookie = struct.pack("!Q", id(request) << 16)
    request[40:48] = cookie  # comes back, so that a stray packet is not taken for the answer
    address = socket.getaddrinfo(host, 123)[0][-1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(timeout)
        client.sendto(request, address)
        answer = client.recv(100)
    if len(answer) < 48 or answer[24:32] != cookie or answer[0] & 7 != 4:
        raise OSError(71, "not an answer")
    if answer[0] >> 6 == 3 or not 0 < answer[1] < 16:
        raise OSError(71, "the server does not know the time")
    seconds, fraction = struct.unpack("!II", answer[40:48])
    if seconds < _UNIX_EPOCH:
        seconds += _ERA  # from February 2036 on
    return seconds - _UNIX_EPOCH, fraction


def time():
    return _query()[0]


def settime():
    from time import gmtime

    from machine import RTC

    seconds, fraction = _query()
    t = gmtime(seconds)
    RTC().datetime((t[0], t[1], t[2], t[6], t[3], t[4], t[5], fraction * 1000000 >> 32))
