# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""The part of the Internet that upstream's tests name, played in a network namespace: DNS, HTTP,
and HTTPS with a certificate chain of our own.

    python internet.py ADDRESS DIRECTORY     serves until it is killed; see prepare()
"""

from __future__ import annotations

import asyncio
import ssl
import struct
import subprocess
import sys
from pathlib import Path

SITES = (
    "micropython.org",
    "www.github.com",
    "pypi.org",
    "api.pushbullet.com",
    "test.mosquitto.org",
)
# What net_inet/asyncio_tcp_read_headers.py wants to see of http://micropython.org/.
ANSWER = b"""\
HTTP/1.1 200 OK\r
Content-Type: text/html\r
Content-Length: 54\r
Connection: close\r
Vary: Accept-Encoding\r
ETag: "54306c85-36"\r
Strict-Transport-Security: max-age=15768000\r
Accept-Ranges: bytes\r
\r
"""
BODY = b"x" * 54


def prepare(directory: Path, address: str) -> Path:
    """Make the certificates, and a file like /etc/hosts for the programs of the host, in
    (directory); return the latter."""
    directory.mkdir(parents=True, exist_ok=True)
    new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    authority = ["-keyout", "ca-key.pem", "-out", "ca.pem", "-x509", "-subj", "/CN=authority"]
    names = [
        "-subj",
        "/CN=site",
        "-addext",
        "subjectAltName=" + ",".join(f"DNS:{s}" for s in SITES),
    ]
    sign = ["-in", "site.csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-copy_extensions", "copy"]
    for command in (
        [*new, *authority],
        [*new, *names, "-keyout", "key.pem", "-out", "site.csr"],
        ["openssl", "x509", "-req", *sign, "-CAcreateserial", "-out", "site.pem"],
        ["openssl", "x509", "-in", "ca.pem", "-outform", "DER", "-out", "ca.der"],
    ):
        subprocess.run(command, cwd=directory, check=True, capture_output=True, timeout=60)
    chain = (directory / "site.pem").read_text() + (directory / "ca.pem").read_text()
    (directory / "chain.pem").write_text(chain)
    hosts = directory / "hosts"
    hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{address} {site}\n" for site in SITES))
    return hosts


class NameServer(asyncio.DatagramProtocol):
    """Answers with (address) for each of SITES; no other name exists (RFC 1035)."""

    def __init__(self, address: str) -> None:
        self.address = bytes(map(int, address.split(".")))

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple) -> None:
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode())
            at += 1 + data[at]
        question = data[12 : at + 5]
        known = ".".join(labels).lower() in SITES
        wanted = known and struct.unpack_from("!H", data, at + 1)[0] == 1  # an A record
        header = data[:2] + struct.pack(
            "!5H", 0x8180 if known else 0x8183, 1, 1 if wanted else 0, 0, 0
        )
        record = struct.pack("!HHHIH", 0xC00C, 1, 1, 60, 4) + self.address if wanted else b""
        self.transport.sendto(header + question + record, addr)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One HTTP request. What is no request is refused as a web server does."""
    try:
        line = await reader.readline()
        if line.endswith(b" HTTP/1.0\r\n"):
            while await reader.readline() not in (b"\r\n", b""):
                pass
            writer.write(ANSWER + BODY)
        elif line:
            writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        await writer.drain()
    except (OSError, ValueError):
        pass  # the client has left; readline() tells an endless line by ValueError
    writer.close()


async def serve(address: str, directory: Path) -> None:
    """Serve for ever."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "chain.pem", directory / "key.pem")
    await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: NameServer(address), (address, 53)
    )
    await asyncio.start_server(answer, address, 80)
    for port in (443, 8883):
        await asyncio.start_server(answer, address, port, ssl=context)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2])))
