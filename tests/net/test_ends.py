# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""How connections end, told as it happened: a reset after data, a client's alert, close_notify."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading

from test_tls import certificate

RESET = """
import errno, os, select, socket
port = int(os.getenv("PORT"))
s = socket.socket()
s.setblocking(False)
try:
    s.connect(("10.0.2.2", port))
    print("connected at once")
except OSError as error:
    print("connect:", errno.errorcode[error.errno])
poll = select.poll()
poll.register(s, select.POLLOUT)
print("writable:", poll.poll(5000)[0][1] == select.POLLOUT)
s.write(b"go")
poll.modify(s, select.POLLIN)
while True:
    ready = poll.poll(5000)[0][1]
    if ready & select.POLLHUP:
        break
print("ready:", ready == select.POLLIN | select.POLLERR | select.POLLHUP)
print(s.recv(4))
buffer = bytearray(8)
print(s.recv_into(buffer), bytes(buffer))
for _ in range(3):
    try:
        print(s.recv(4))
    except OSError as error:
        print(errno.errorcode[error.errno])
try:
    print(s.send(b"more"))
except OSError as error:
    print("send:", errno.errorcode[error.errno])
s.close()
try:
    s.recv(1)
except OSError as error:
    print("closed:", errno.errorcode[error.errno])
"""


def test_what_came_before_a_reset_is_read_before_the_error(boot, build_image):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(2)
                client.sendall(b"first, last")
                # Not before it is there: QEMU's network hands a reset on at once.
                threading.Event().wait(0.5)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        guest = boot(build_image(RESET, "--env", f"PORT={port}"), network=True)
        for text in (
            *("connect: EINPROGRESS", "writable: True", "ready: True", "b'firs'"),
            *("7 b't, last\\x00'", "ECONNRESET", "b''", "b''"),
            *("send: ENOTCONN", "closed: EBADF"),
        ):
            guest.expect_text(f"{text}\r\n")
        guest.expect_exit(0)
        thread.join(5)


REFUSED = """
import socket, ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/rom/cert.pem", "/rom/key.pem")
listener = socket.socket()
listener.bind(("", 443))
listener.listen()
print("listening")
for _ in range(2):
    client, _ = listener.accept()
    try:
        context.wrap_socket(client, server_side=True).read(1)
        print("no error")
    except OSError as error:
        print(error)
"""


def refuse(connection: socket.socket, context: ssl.SSLContext) -> None:
    """A handshake that ends in an alert, on a connection that stays open: a server that still
    writes would otherwise hear of its end first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    while True:
        try:
            client.do_handshake()
            raise AssertionError("not refused")
        except ssl.SSLWantReadError:
            connection.sendall(outgoing.read())
            incoming.write(connection.recv(65536))
        except ssl.SSLCertVerificationError:
            connection.sendall(outgoing.read())
            return


def test_a_server_is_told_why_its_client_refuses_it(serve, build_image, tmp_path):
    cert, key = certificate(tmp_path, "localhost")
    server = serve(build_image(REFUSED, cert, key), tcp=(443,))
    server.guest.expect_text("listening\r\n")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context()  # which does not know the certificate
        context.minimum_version = context.maximum_version = version
        with server.connect(443) as connection:
            refuse(connection, context)
            server.guest.expect_text("(-30592, 'MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE')\r\n")
    server.guest.expect_exit(0)


END = """
import asyncio, os, ssl, time
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.load_verify_locations(cafile="/rom/cert.pem")

async def main():
    reader, writer = await asyncio.open_connection(
        "10.0.2.2", int(os.getenv("PORT")), ssl=context, server_hostname="localhost"
    )
    start = time.ticks_ms()
    print(await reader.readline(), await reader.readline(), await reader.readline())
    print("at once" if time.ticks_diff(time.ticks_ms(), start) < 3000 else "late")

asyncio.run(main())
"""


def test_close_notify_ends_a_stream_whose_connection_stays(boot, build_image, tmp_path):
    cert, key = certificate(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                wrapped = context.wrap_socket(client, server_side=True)
                wrapped.sendall(b"line\nno line")
                wrapped.settimeout(0)
                with contextlib.suppress(ssl.SSLError, OSError):
                    wrapped.unwrap()
                over.wait(10)
                wrapped.close()

        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        guest = boot(build_image(END, cert, "--env", f"PORT={port}"), network=True)
        guest.expect_text("b'line\\n' b'no line' b''\r\n")
        guest.expect_text("at once\r\n")
        over.set()
        guest.expect_exit(0)
        thread.join(5)
