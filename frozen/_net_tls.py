# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# TLS for net.listen() and net.connect(): a Connection in front of net's own. on_connect is called
# when the handshake is over, so the peer is known by then; what is written before waits for it.

import io
import os
from micropython import const

import _net

_CHUNK = const(4096)
_FULL = const(65536)
_MAX = const(262144)
_POLL = const(3)
_EAGAIN_ROOM = const(20000)  # of a record with its overhead, below _MAX
_HANDSHAKE = "10s"  # that a client may take


class _Pipe(io.IOBase):
    # The stream under the TLS session: what came over the wire, and what goes out.
    def __init__(self, raw):
        self.raw = raw
        self.data = b""
        self.start = 0
        self.ended = False

    def feed(self, data):
        self.data = self.data[self.start :] + data
        self.start = 0

    def unread(self):
        return len(self.data) - self.start

    def readinto(self, buffer):
        count = min(len(buffer), self.unread())
        if not count:
            return 0 if self.ended else None
        buffer[:count] = memoryview(self.data)[self.start : self.start + count]
        self.start += count
        return count

    def write(self, data):
        if self.raw.unsent > _MAX - _EAGAIN_ROOM:
            return None
        try:
            self.raw.write(data)
        except OSError as error:
            return -error.errno
        return len(data)

    def ioctl(self, request, argument):
        return argument if request == _POLL else 0


# In front of an object of net's, _raw; what is not here is its.
class _Front:
    def __getattr__(self, name):
        if name[0] == "_":
            raise AttributeError(name)
        return getattr(self._raw, name)

    def ref(self):
        self._raw.ref()
        return self

    def unref(self):
        self._raw.unref()
        return self


class Connection(_Front):
    def __init__(self, raw, context, server_side, hostname, on_connect, on_refused):
        self._raw = raw
        self._pipe = _Pipe(raw)
        self._session = context.wrap_socket(
            self._pipe,
            server_side=server_side,
            do_handshake_on_connect=False,
            server_hostname=hostname,
            suppress_ragged_eofs=False,
        )
        self._connected = on_connect
        self._refused = on_refused
        self._late = None  # the event that ends a handshake which takes too long
        self._out = b""
        self._in = []
        self._error = None
        self._on_data = self._on_end = self._on_drain = self._on_close = None
        self._secure = self._paused = self._ending = self._full = False
        self._peer_ended = self._end_told = self._busy = False
        self.data = None
        raw.on_data(self._received)
        raw.on_end(self._end_of_stream)
        raw.on_drain(self._pump)
        raw.on_close(self._closed)

    @property
    def unsent(self):
        return len(self._out) + self._raw.unsent

    # Of the handshake: as ssl's sockets have them, None before it is over.
    def version(self):
        return self._session.version()

    def cipher(self):
        return self._session.cipher() if self._secure else None

    def getpeercert(self, binary_form=False):
        return self._session.getpeercert(binary_form)

    def on_data(self, callback):
        self._on_data = callback
        self._pump()
        return callback

    def on_end(self, callback):
        self._on_end = callback
        return callback

    def on_drain(self, callback):
        self._on_drain = callback
        return callback

    def on_close(self, callback):
        self._on_close = callback
        return callback

    def write(self, data):
        if self._ending or not self._raw.is_open:
            raise OSError(107)  # ENOTCONN
        if isinstance(data, str):
            data = data.encode()
        if self.unsent and self.unsent + len(data) > _MAX:
            raise OSError(105)  # ENOBUFS
        self._out += data
        self._pump()
        room = self.unsent <= _FULL
        self._full = self._full or not room
        return room

    def end(self, data=b""):
        if data:
            self.write(data)
        self._ending = True
        self._pump()

    def abort(self):
        self._raw.abort()

    def pause(self):
        self._paused = True
        if self._secure:
            self._raw.pause()

    def resume(self):
        self._paused = False
        self._raw.resume()
        self._pump()

    def timeout(self, idle, callback=None):
        self._raw.timeout(idle, callback and (lambda raw: callback(self)))

    # --- The handshake ---

    def _start(self, limit):
        self._late = os.after(limit, self._too_late).unref()
        self._pump()

    def _too_late(self, event):
        self._fail(OSError(110))  # ETIMEDOUT

    def _established(self):
        self._secure = True
        self._late.cancel()
        if self._paused:
            self._raw.pause()
        if self._connected:
            self._connected(self)

    def _fail(self, error):
        self._error = error
        if not self._secure and self._refused:
            self._refused(error)
        self._raw.abort()

    # --- Both directions ---

    def _received(self, data):
        self._pipe.feed(data)
        self._pump()

    def _end_of_stream(self):
        self._pipe.ended = True
        self._pump()

    def _pump(self):
        # Not out of a callback of its own: what that wrote goes out when it has returned.
        if self._busy:
            return
        self._busy = True
        try:
            while self._read():
                self._deliver()
                self._flush()
            self._deliver()
            self._flush()
        finally:
            self._busy = False
        self._settle()

    def _call(self, function, argument):
        # One call of the session: None if it waits for the wire, or failed.
        if self._error is None:
            try:
                return function(argument)
            except ValueError as error:  # the certificate is not what it should be
                self._fail(OSError(71, str(error).strip()))  # EPROTO
            except OSError as error:
                # Once everything is said, a peer that minds how we leave is none of our worry.
                if not self._ending or self._out:
                    self._fail(error)

    def _read(self):
        # Without on_data what was read waits here, and the handshake goes on all the same.
        if self._peer_ended or self._secure and self._paused:
            return False
        if sum(map(len, self._in)) >= _FULL:
            return False
        before = self._pipe.unread()
        data = self._call(self._session.recv, _CHUNK)
        if not self._secure and self._error is None and self._session.version():
            self._established()
        if data:
            self._in.append(data)
        elif data is not None:
            self._peer_ended = True
        # A message of the protocol, such as a session ticket, is no data and may come before some.
        return data or data is None and 0 < self._pipe.unread() < before

    def _deliver(self):
        while self._in and self._on_data and not self._paused:
            self._on_data(self._in.pop(0))
        if self._peer_ended and not self._end_told and not self._in and self._on_data:
            self._end_told = True
            if self._on_end:
                self._on_end()
            else:
                self._ending = True

    def _flush(self):
        out = memoryview(self._out)
        sent = 0
        while sent < len(out):
            count = self._call(self._session.write, out[sent:])
            if not count:
                break
            sent += count
        self._out = self._out[sent:]

    def _settle(self):
        if self._full and not self.unsent:
            self._full = False
            if self._on_drain:
                self._on_drain()
        if self._ending and not self._out and self._error is None and self._raw.is_open:
            if self._secure:
                self._session.unwrap()  # the peer learns that this is all
            self._raw.end()

    def _closed(self, error):
        if self._late:
            self._late.cancel()
        if error and not self._secure and self._error is None and self._refused:
            self._refused(error)
        callback, self._on_close = self._on_close, None
        self._on_data = self._on_end = self._on_drain = None
        self._session.close()
        if callback:
            callback(self._error or error)


class Server(_Front):
    def __init__(self):
        self._on_error = None

    # Also for connections whose handshake failed: those never reach on_connect.
    def on_error(self, callback):
        self._on_error = callback
        self._raw.on_error(callback)
        return callback

    def _refused(self, error):
        if self._on_error:
            self._on_error(error)


def listen(port, on_connect, host, backlog, context):
    server = Server()

    def accept(raw):
        Connection(raw, context, True, None, on_connect, server._refused)._start(_HANDSHAKE)

    server._raw = _net.listen(port, accept, host=host, backlog=backlog)
    return server


# (context) may be a pair: the context and the name that the certificate must have.
def connect(host, port, on_connect, timeout, context):
    name = host
    if isinstance(context, tuple):
        context, name = context

    def connected(raw):
        connection._start(timeout)

    raw = _net.connect(host, port, connected, timeout=timeout)
    connection = _Client(raw, context, False, name, on_connect, None)
    return connection


class _Client(Connection):
    def _pump(self):
        # Not before there is a wire.
        if self._late:
            super()._pump()
