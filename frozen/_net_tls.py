# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# TLS for net.listen() and net.connect(): a Connection in front of net's own. What is written
# before the handshake is over waits for it, so nothing leaves before the peer is known.

import io
from micropython import const  # noqa: F401

import _net

_CHUNK = const(4096)
_FULL = const(65536)
_MAX = const(262144)
_POLL = const(3)
_EAGAIN_ROOM = const(20000)  # of a record with its overhead, below _MAX


class _Pipe(io.IOBase):
    # The stream under the TLS session: what came over the wire, and what goes out.
    def __init__(self, raw):
        self.raw = raw
        self.data = b""
        self.ended = False

    def readinto(self, buffer):
        count = min(len(buffer), len(self.data))
        if not count:
            return 0 if self.ended else None
        buffer[:count] = self.data[:count]
        self.data = self.data[count:]
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


class Connection:
    def __init__(self, raw, context, server_side, hostname):
        self._raw = raw
        self._pipe = _Pipe(raw)
        self._session = context.wrap_socket(
            self._pipe,
            server_side=server_side,
            do_handshake_on_connect=False,
            server_hostname=hostname,
        )
        self._out = b""
        self._in = []
        self._error = None
        self._on_data = self._on_end = self._on_drain = self._on_close = None
        self._paused = self._ending = self._full = self._peer_ended = False
        self.data = None
        raw.on_data(self._received)
        raw.on_end(self._end_of_stream)
        raw.on_drain(self._pump)
        raw.on_close(self._closed)

    def __getattr__(self, name):
        # remote, local, is_open, bytes_in, bytes_out (on the wire), timeout, ref, unref
        if name[0] == "_":
            raise AttributeError(name)
        return getattr(self._raw, name)

    @property
    def unsent(self):
        return len(self._out) + self._raw.unsent

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
        self._raw.pause()

    def resume(self):
        self._paused = False
        self._raw.resume()
        self._pump()

    def _received(self, data):
        self._pipe.data += data
        self._pump()

    def _end_of_stream(self):
        self._pipe.ended = True
        self._pump()

    def _fail(self, error):
        self._error = error
        self._raw.abort()

    def _pump(self):
        if self._error is not None:
            return
        try:
            self._read()
            while self._out:
                count = self._session.write(self._out)
                if not count:
                    break
                self._out = self._out[count:]
        except ValueError as error:  # the certificate is not what it should be
            self._fail(OSError(71, str(error).strip()))  # EPROTO
            return
        except OSError as error:
            # Once everything is said, a peer that minds how we leave is none of our worry.
            if not self._ending or self._out:
                self._fail(error)
                return
        if self._full and not self.unsent:
            self._full = False
            if self._on_drain:
                self._on_drain()
        if self._ending and not self._out:
            self._raw.end()

    def _read(self):
        # Without on_data what was read waits here, and the handshake goes on all the same.
        while not self._paused and not self._peer_ended and sum(map(len, self._in)) < _FULL:
            data = self._session.read(_CHUNK)
            if data is None:
                break
            if data:
                self._in.append(data)
            else:
                self._peer_ended = True
            if self._on_data:
                self._deliver()
        self._deliver()

    def _deliver(self):
        while self._in and self._on_data and not self._paused:
            self._on_data(self._in.pop(0))
        if self._peer_ended and not self._in and self._on_data:
            self._on_end, callback = None, self._on_end
            if callback:
                callback()
            else:
                self._ending = True

    def _closed(self, error):
        callback, self._on_close = self._on_close, None
        self._on_data = self._on_end = self._on_drain = None
        self._session.close()
        if callback:
            callback(self._error or error)


def listen(port, on_connect, host, backlog, context):
    def accept(raw):
        on_connect(Connection(raw, context, True, None))

    return _net.listen(port, accept, host=host, backlog=backlog)


# (context) may be a pair: the context and the name that the certificate must have.
def connect(host, port, on_connect, timeout, context):
    name = host
    if isinstance(context, tuple):
        context, name = context

    def connected(raw):
        connection._start()

    raw = _net.connect(host, port, connected, timeout=timeout)
    connection = _Client(raw, context, name, on_connect)
    return connection


class _Client(Connection):
    def __init__(self, raw, context, host, on_connect):
        self._connected = on_connect
        super().__init__(raw, context, False, host)

    def _start(self):
        if self._connected:
            self._connected(self)
        self._pump()

    def _pump(self):
        # Not before there is a wire.
        if self._raw.is_open or self._pipe.data or self._pipe.ended:
            super()._pump()
