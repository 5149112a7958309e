# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""TLS 1.2 and 1.3 with real peers, both directions, by `ssl` and by `net`; and who is refused."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest
from tls_server import NET, SSL, VERSIONS, client_context, say_hello


@pytest.mark.parametrize("key", ["guest", "rsa"])
def test_server_speaks_both_versions_and_ends_in_order(tls_server, authority, key):
    server = tls_server(getattr(authority, key))
    for version in VERSIONS:
        for port in (NET, SSL):
            assert say_hello(server, port, client_context(authority, version)) == b"hello"
            if port == NET:
                server.guest.expect_text(f"secure {version} {version} False\r\n")
                server.guest.expect_text("closed None\r\n")
    for option, port in (("-tls1_2", NET), ("-tls1_3", NET), ("-tls1_2", SSL), ("-tls1_3", SSL)):
        peer = ("-connect", f"localhost:{server.tcp[port]}", "-servername", "localhost")
        trust = (
            "-CAfile",
            authority.ca[0],
            "-verify_return_error",
            "-verify_hostname",
            "localhost",
        )
        command = ["openssl", "s_client", option, *peer, *trust, "-ign_eof"]
        done = subprocess.run(command, input=b"hello\n", capture_output=True, timeout=20)
        assert b"\nhello\n" in done.stdout and b"Verify return code: 0 (ok)" in done.stdout, done
        assert done.returncode == 0 and b"closed" in done.stdout + done.stderr
    server.stop()


def test_curl_takes_either_version(serve, build_image, authority):
    example = Path(__file__).resolve().parents[2] / "examples/https.py"
    files = authority.directory / "cert.pem", authority.directory / "key.pem"
    for source, target in zip(authority.guest, files, strict=True):
        target.write_bytes(source.read_bytes())
    server = serve(build_image(example, *files), tcp=(443,))
    server.guest.expect_text("serving https\r\n")
    curl = ("curl", "--silent", "--show-error", "--max-time", "20", "--cacert", authority.ca[0])
    for limits in (("--tls-max", "1.2"), ("--tlsv1.3",)):
        url = f"https://localhost:{server.tcp[443]}/"
        done = subprocess.run([*curl, *limits, url], capture_output=True, text=True)
        assert done.stdout == "Hello over TLS from Python on bare metal!\n", done.stderr
    server.stop()


def test_clients_are_authenticated(tls_server, authority):
    server = tls_server(authority.guest, "--env", "MUTUAL=1")
    for version in VERSIONS:
        context = client_context(authority, version)
        for port in (NET, SSL):
            # In TLS 1.3 the client learns of it only when it reads.
            with pytest.raises((ssl.SSLError, ConnectionError)):
                say_hello(server, port, context)
            if port == NET:
                server.guest.expect("refused [^\n]*CERT[^\n]*\r\n")
            else:
                server.guest.expect("asyncio OSError[^\n]*CERT[^\n]*\r\n")
        context.load_cert_chain(*authority.stranger)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            say_hello(server, NET, context)
        server.guest.expect("refused [^\n]*not correctly signed by the trusted CA[^\n]*\r\n")
        context.load_cert_chain(*authority.client)
        for port in (NET, SSL):
            assert say_hello(server, port, context) == b"hello"
        server.guest.expect_text(f"secure {version} {version} True\r\n")
    server.stop()


# --- The guest as the client ---------------------------------------------------------------------

CLIENT = """
import gc, net, os, socket, ssl
HOST = ("10.0.2.2", int(os.getenv("PORT")))

def context():
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.load_verify_locations("/rom/ca.pem")
    if os.getenv("MUTUAL"):
        c.load_cert_chain("/rom/client-cert.pem", "/rom/client-key.pem")
    return c

def blocking():
    plain = socket.socket()
    plain.connect(HOST)
    s = context().wrap_socket(plain, server_hostname="localhost")
    print("ssl", s.version(), s.cipher()[1], len(s.getpeercert(True)) > 300)
    s.write(b"olleh\\n")
    print("ssl", s.readline())
    s.close()
    print("ssl closed", s.version(), s.cipher())

try:
    blocking()
except (OSError, ValueError) as error:
    print("ssl failed:", str(error).strip())

def connected(c):
    print("net", c.version(), len(c.getpeercert(True)) > 300)
    @c.on_data
    def data(d):
        print("net", d)
        c.end()
    c.write("olleh\\n")

c = net.connect(*HOST, connected, tls=(context(), "localhost"))
c.on_close(lambda error: print("net closed", error))
"""


class Peer:
    """openssl s_server, which sends each line back reversed."""

    def __init__(self, files: tuple[Path, Path], *options: object) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        listen = ("-accept", f"127.0.0.1:{self.port}", "-cert", files[0], "-key", files[1])
        command = ["openssl", "s_server", *listen, "-rev", *options]
        self.process = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            assert time.monotonic() < deadline and self.process.poll() is None
            time.sleep(0.05)

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def client(boot, build_image, authority):
    """client(files, *options, mutual=) -> the guest, whose client talks to openssl s_server."""
    with contextlib.ExitStack() as stack:

        def start(files: tuple[Path, Path], *options: object, mutual: bool = False):
            peer = stack.enter_context(Peer(files, *options))
            env = ("--env", f"PORT={peer.port}", *(("--env", "MUTUAL=1") if mutual else ()))
            image = build_image(CLIENT, authority.ca[0], *authority.client, *env)
            return boot(image, network=True)

        yield start


@pytest.mark.parametrize("version", VERSIONS)
def test_client_proves_who_it_is(client, authority, version):
    option = "-" + version.lower().replace("v", "").replace(".", "_")
    checks = ("-Verify", "1", "-CAfile", authority.ca[0], "-verify_return_error")
    guest = client(authority.rsa, option, *checks, mutual=True)
    guest.expect_text(f"ssl {version} {version} True\r\n")
    guest.expect_text("ssl b'hello\\n'\r\n")
    guest.expect_text("ssl closed None None\r\n")
    guest.expect_text(f"net {version} True\r\n")
    guest.expect_text("net b'hello\\n'\r\n")
    guest.expect_text("net closed None\r\n")
    guest.expect_exit(0)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("expired", "The certificate validity has expired"),
        ("stranger", "The certificate is not correctly signed by the trusted CA"),
        ("client", "The certificate Common Name (CN) does not match with the expected CN"),
    ],
)
def test_client_refuses(client, authority, name, reason):
    guest = client(getattr(authority, name))
    guest.expect_text(f"ssl failed: {reason}\r\n")
    guest.expect_text(f"net closed (71, '{reason}')\r\n")
    guest.expect_exit(0)


CUTS = """
import net, os, socket, ssl
HOST = ("10.0.2.2", int(os.getenv("PORT")))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.verify_mode = ssl.CERT_NONE

def blocking(ragged):
    s = socket.socket()
    s.connect(HOST)
    s = context.wrap_socket(s, suppress_ragged_eofs=ragged)
    try:
        return s.read()
    except OSError as error:
        return error
    finally:
        s.close()

def callbacks(then):
    def connected(c):
        c.on_data(lambda data: None)
        c.on_end(lambda: (print("end"), c.end()))
        c.on_close(lambda error: (print("closed", error), then()))
    net.connect(*HOST, connected, tls=context)

for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
    context.minimum_version = context.maximum_version = version
    print(context.maximum_version == version, blocking(False), blocking(False), blocking(True))
callbacks(lambda: callbacks(lambda: None))
try:
    context.minimum_version = 0x0301
except ValueError as error:
    print(error)
"""


def test_client_tells_a_cut_from_an_end(boot, build_image, authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.guest)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def peer() -> None:
        for orderly in (True, False, False) * 2 + (True, False):
            plain, _ = listener.accept()
            client = context.wrap_socket(plain, server_side=True)
            client.sendall(b"all of it")
            with contextlib.suppress(OSError):
                if orderly:
                    client.unwrap()
            client.close()  # without unwrap() the end of TCP alone
        listener.close()

    thread = threading.Thread(target=peer, daemon=True)
    thread.start()
    guest = boot(build_image(CUTS, "--env", f"PORT={port}"), network=True)
    cut = "(-29312, 'MBEDTLS_ERR_SSL_CONN_EOF')"
    guest.expect_text(f"True b'all of it' {cut} b'all of it'\r\n" * 2)
    guest.expect_text("TLS version\r\n")
    guest.expect_text(f"end\r\nclosed None\r\nclosed {cut}\r\n")
    guest.expect_exit(0)
    thread.join(5)
