# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""TLS as server and as client, with curl, openssl and Python's own ssl at the other end."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for (name), and its key."""
    cert, key = directory / "cert.pem", directory / "key.pem"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    names = ("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}")
    command = ("openssl", "req", "-x509", *curve, "-days", "30", *names)
    subprocess.run([*command, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


@pytest.fixture(scope="module")
def localhost(tmp_path_factory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("localhost"), "localhost")


def test_https_example(serve, build_image, localhost):
    cert, key = localhost
    server = serve(build_image(EXAMPLES / "https.py", cert, key), tcp=(443,))
    server.guest.expect_text("serving https\r\n")
    url = f"https://localhost:{server.tcp[443]}/"
    curl = ("curl", "--silent", "--show-error", "--max-time", "10", "--retry", "5")
    text = subprocess.run([*curl, "--cacert", cert, url, url], capture_output=True, text=True)
    assert text.stdout == "Hello over TLS from Python on bare metal!\n" * 2, text.stderr
    refused = subprocess.run([*curl, "--tlsv1.2", url], capture_output=True, text=True)
    assert refused.returncode == 60  # curl does not know who signed it
    for version in ("-tls1", "-tls1_1"):
        done = subprocess.run(
            ["openssl", "s_client", version, "-connect", f"localhost:{server.tcp[443]}"],
            input=b"",
            capture_output=True,
        )
        assert done.returncode != 0
    # Junk instead of a handshake ends one connection only.
    for junk in (b"GET / HTTP/1.0\r\n\r\n", bytes(100), b"\x16\x03\x01\xff\xff" + bytes(5000)):
        with contextlib.suppress(OSError), server.connect(443) as client:
            client.sendall(junk)
            client.settimeout(2)
            client.recv(100)
    assert subprocess.run([*curl, "--cacert", cert, url], capture_output=True).returncode == 0
    server.stop()


class Echo:
    """A TLS server on this machine that sends everything back."""

    def __init__(self, cert: Path, key: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self.listener = context.wrap_socket(listener, server_side=True)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except ssl.SSLError:
                continue
            except OSError:
                return
            with contextlib.suppress(OSError), client:
                while data := client.recv(65536):
                    client.sendall(data)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)


@pytest.fixture
def echo(localhost):
    server = Echo(*localhost)
    yield server
    server.close()


CLIENTS = """
import net, os, socket, ssl
PORT = int(os.getenv("PORT"))

def context(name):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.verify_mode = ssl.CERT_REQUIRED
    c.load_verify_locations(cafile="/rom/cert.pem")
    return c

def blocking(name):
    s = socket.socket()
    s.connect(("10.0.2.2", PORT))
    s = context(name).wrap_socket(s, server_hostname=name)
    s.write(b"hello")
    data = s.read(5)
    s.close()
    return data

print("blocking", blocking("localhost"))
try:
    print("not refused", blocking("example.org"))
except (OSError, ValueError) as error:
    print("wrong name refused")

count = 0
def connected(c):
    @c.on_data
    def data(d):
        global count
        count += len(d)
        if count == 100000:
            print("callbacks", count)
            c.end()
    c.write(bytes(100000))

def wrong(c):
    @c.on_data
    def data(d):
        print("never", d)
    c.write("secret")

c = net.connect("10.0.2.2", PORT, wrong, tls=context("localhost"))
@c.on_close
def closed(error):
    print("closed", error)
    c = net.connect("10.0.2.2", PORT, connected, tls=(context(""), "localhost"))
    c.on_close(lambda error: print("closed at the end:", error))
"""


def test_clients_check_the_certificate(boot, build_image, localhost, echo):
    image = build_image(CLIENTS, localhost[0], "--env", f"PORT={echo.port}")
    guest = boot(image, network=True)
    guest.expect_text("blocking b'hello'\r\n")
    guest.expect_text("wrong name refused\r\n")
    # net.connect() takes the host's name for the certificate's, and 10.0.2.2 is not in it.
    guest.expect(r"closed [^\n]*does not match with the expected CN'\)\r\n")
    guest.expect_text("callbacks 100000\r\n")
    guest.expect_text("closed at the end: None\r\n")
    guest.expect_exit(0)
