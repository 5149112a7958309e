# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# webrepl: the prompt, and files, over a websocket (RFC 6455), for the clients that MicroPython's
# WebREPL has. Off until start(); one client at a time. While an app runs its output is seen, Ctrl-C
# interrupts it, and files are moved between two bytecodes; a prompt there is when it has ended.

import binascii
import hashlib
import io
import os
import time

import _net
import _webrepl
from micropython import const
from websocket import websocket

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_REQUEST_MAX = const(4096)
_POLL, _CLOSE = const(3), const(4)
_PAUSE_MS = const(1000)  # between two clients: so many passwords cannot be tried

_server = None
_client = None
_ended_ms = time.ticks_add(time.ticks_ms(), -_PAUSE_MS)


class _Client(io.IOBase):
    def __init__(self, connection):
        self.connection = connection
        self.data = b""
        self.terminal = None
        connection.on_data(self.received)
        connection.on_close(self.closed)
        connection.timeout("20s")  # of the handshake

    def received(self, data):
        self.data += data
        if self.terminal is None:
            if b"\r\n\r\n" in self.data:
                self.connection.pause()
                wait = _PAUSE_MS - time.ticks_diff(time.ticks_ms(), _ended_ms)
                os.after(max(wait, 0), self.handshake).unref()
            elif len(self.data) > _REQUEST_MAX:
                self.connection.abort()
        else:
            os.dupterm_notify(None)

    def handshake(self, event):
        if not self.connection.is_open:
            return
        request, self.data = self.data.split(b"\r\n\r\n", 1)
        key = None
        for line in request.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"sec-websocket-key":
                key = value.strip()
        if key is None:
            self.connection.end(b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n\r\n")
            return
        accept = binascii.b2a_base64(hashlib.sha1(key + _MAGIC).digest()).strip()
        self.connection.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self.connection.timeout(None)
        self.connection.resume()
        self.terminal = _webrepl._webrepl(websocket(self))
        os.dupterm(self.terminal)
        os.dupterm_notify(None)

    def closed(self, error):
        global _client, _ended_ms
        _client, _ended_ms = None, time.ticks_ms()
        if self.terminal is not None:
            os.dupterm(None)

    # --- The stream under the websocket ---

    def readinto(self, buffer):
        count = min(len(buffer), len(self.data))
        if not count:
            return None if self.connection.is_open else 0
        buffer[:count] = self.data[:count]
        self.data = self.data[count:]
        return count

    def write(self, data):
        try:
            self.connection.write(data)
        except OSError as error:
            return -error.errno
        return len(data)

    def ioctl(self, request, argument):
        if request == _CLOSE:
            self.connection.end()
        return argument if request == _POLL else 0


def _accept(connection):
    global _client
    if _client is not None:
        connection.abort()
        return
    _client = _Client(connection.unref())


def start(port=8266, password=None):
    global _server
    stop()
    if password is None:
        try:
            from webrepl_cfg import PASS as password
        except ImportError:
            raise ValueError("webrepl.start(password=...), or PASS in webrepl_cfg.py")
    if not 4 <= len(password) <= 9:
        raise ValueError("the password has 4 to 9 characters")
    _webrepl.password(password)
    _server = _net.listen(port, _accept).unref()
    print("WebREPL on port", port)


def stop():
    global _server
    if _server is not None:
        _server.close()
        _server = None
    if _client is not None:
        _client.connection.abort()
