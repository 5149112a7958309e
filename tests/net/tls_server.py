# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""A guest that serves TLS by `ssl` and by `net`, and the certificates for it and its peers."""

from __future__ import annotations

import contextlib
import ssl
import subprocess
from pathlib import Path

VERSIONS = ("TLSv1.2", "TLSv1.3")
NET, SSL = 443, 444  # the ports of the two faces


def openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    """A certificate authority with what it has signed: .pem files in (directory)."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ca = self._new("ca", "ca", "-x509", "-days", "30")
        self.guest = self.sign("guest", "localhost")
        self.client = self.sign("client", "client")
        self.expired = self.sign("expired", "localhost", "-days", "-1")
        self.rsa = self.sign("rsa", "localhost", key="rsa:2048")
        self.stranger = self._new("stranger", "localhost", "-x509", "-days", "30")

    def _new(self, name: str, subject: str, *options: str, key: str = "ec") -> tuple[Path, Path]:
        files = self.directory / f"{name}.pem", self.directory / f"{name}-key.pem"
        curve = ("-pkeyopt", "ec_paramgen_curve:P-256") if key == "ec" else ()
        names = ("-subj", f"/CN={subject}", "-addext", f"subjectAltName=DNS:{subject}")
        openssl(
            *("req", "-newkey", key, *curve, "-nodes", *names, *options),
            *("-out", files[0], "-keyout", files[1]),
        )
        return files

    def sign(self, name: str, subject: str, *days: str, key: str = "ec") -> tuple[Path, Path]:
        request, private = self._new(name, subject, key=key)
        signed = self.directory / f"{name}-cert.pem"
        openssl(
            *("x509", "-req", "-in", request, "-out", signed, "-copy_extensions", "copy"),
            *(
                "-CA",
                self.ca[0],
                "-CAkey",
                self.ca[1],
                "-CAcreateserial",
                *(days or ("-days", 30)),
            ),
        )
        return signed, private


SERVER = """
import asyncio, net, os, ssl

def context():
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain("/rom/{cert}", "/rom/{key}")
    if os.getenv("MUTUAL"):
        c.verify_mode = ssl.CERT_REQUIRED
        c.load_verify_locations("/rom/ca.pem")
    return c

@net.listen({net}, tls=context())
def server(c):
    print("secure", c.version(), c.cipher()[1], c.getpeercert(True) is not None)
    @c.on_data
    def data(d):
        c.end(d)
    c.on_close(lambda error: print("closed", error))

server.on_error(lambda error: print("refused", error))

async def serve(reader, writer):
    try:
        writer.write(await reader.read(1000))
        await writer.drain()
    except (OSError, ValueError) as error:
        print("asyncio", repr(error))
    writer.close()
    await writer.wait_closed()

async def main():
    await asyncio.start_server(serve, "0.0.0.0", {ssl}, ssl=context())
    print("serving")
    while True:
        await asyncio.sleep(60)

asyncio.run(main())
"""


def server_app(files: tuple[Path, Path]) -> str:
    return SERVER.format(cert=files[0].name, key=files[1].name, net=NET, ssl=SSL)


def client_context(authority: Authority, version: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.ca[0]))
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version.replace(".", "_")]
    return context


def say_hello(server, port: int, context: ssl.SSLContext) -> bytes:
    """The echo of "hello" and, within the same wait, the orderly end: a cut would raise."""
    with (
        server.connect(port, 20) as plain,
        context.wrap_socket(
            plain, server_hostname="localhost", suppress_ragged_eofs=False
        ) as client,
    ):
        client.sendall(b"hello")
        answer = client.recv(100)
        assert client.recv(100) == b""
        return answer


def hello_bytes(version: str) -> bytes:
    """A ClientHello as OpenSSL writes it, with what is random in it filled by hand."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version.replace(".", "_")]
    out = ssl.MemoryBIO()
    session = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    hello = bytearray(out.read())
    hello[11:43] = bytes(range(32))
    hello[44 : 44 + hello[43]] = bytes(hello[43])
    if version == "TLSv1.3":
        hello[-32:] = bytes(range(100, 132))  # the key share comes last
    return bytes(hello)
