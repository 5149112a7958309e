# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""TLS and handshakes that go wrong: mutated, cut off, left alone, without entropy.

IMPORTOS_HELLOS sets the number of mutated ClientHellos; 1,000 were sent once.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import time

from tls_server import NET, SSL, VERSIONS, client_context, hello_bytes, say_hello

SEED = 20261126
HELLOS = int(os.environ.get("IMPORTOS_HELLOS", "250"))


def mutated(hello: bytes, generator: random.Random) -> bytes:
    """One that differs in some bytes, in length, or in what a length field says."""
    data = bytearray(hello)
    for _ in range(generator.randint(1, 8)):
        at = generator.randrange(5 if generator.random() < 0.9 else 0, len(data))
        data[at] = generator.choice((0, 1, 255, 128, generator.randrange(256)))
    kind = generator.random()
    if kind < 0.2:
        del data[generator.randrange(1, len(data)) :]
    elif kind < 0.3:
        at = generator.randrange(5, len(data))
        data[at:at] = generator.randbytes(generator.randint(1, 300))
    if kind < 0.6 and len(data) > 9:
        # A record and a message that fit, so that what is inside gets parsed.
        data[0:3] = hello[0:3]
        data[3:5] = (len(data) - 5).to_bytes(2, "big")
        data[5:6] = b"\x01"
        data[6:9] = (len(data) - 9).to_bytes(3, "big")
    return bytes(data)


def test_bad_handshakes_hurt_nobody_else(tls_server, authority):
    server = tls_server(authority.guest)
    generator = random.Random(SEED)
    hellos = [hello_bytes(version) for version in VERSIONS]
    with server.guest.allow("traceback"):
        for number in range(HELLOS):
            data = mutated(hellos[number % 2], generator)
            with contextlib.suppress(OSError), server.connect(NET) as client:
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
                while client.recv(4096):
                    pass
        # Cut off at every 16th byte, by a peer that then stays, and by one that goes.
        waiting = []
        for hello in hellos:
            for size in range(0, len(hello), 16):
                client = server.connect(NET)
                client.sendall(hello[:size])
                waiting.append(client)
                with contextlib.suppress(OSError), server.connect(SSL) as other:
                    other.sendall(hello[:size])
    for version in VERSIONS:
        for port in (NET, SSL):
            assert say_hello(server, port, client_context(authority, version)) == b"hello"
    # Those who stayed are sent away: ten seconds are enough for a handshake.
    deadline = time.monotonic() + 25
    for client in waiting:
        client.settimeout(max(0.1, deadline - time.monotonic()))
        with contextlib.suppress(ConnectionError):
            while client.recv(4096):
                pass
        client.close()
    assert "Traceback" not in server.guest.log_text()
    server.stop()


NO_ENTROPY = """
import net, ssl
print(net.entropy())
for protocol in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER):
    try:
        ssl.SSLContext(protocol)
    except OSError as error:
        print("refused:", error)
"""


def test_without_entropy_tls_is_refused(boot, build_image):
    # A clock that counts instructions has no jitter, and this CPU no RDRAND.
    def edit(command: list[str]) -> list[str]:
        at = next(i for i, word in enumerate(command) if word.startswith("virtio-rng"))
        return command[: at - 1] + command[at + 1 :]

    virtual = ("-icount", "shift=0,sleep=off")
    guest = boot(build_image(NO_ENTROPY), network=True, edit=edit, extra=virtual, cpu="qemu64")
    guest.expect(r"\('[^']*', False\)\r\n")
    guest.expect_text("refused: not enough entropy for TLS: see net.entropy()\r\n" * 2)
    guest.expect_exit(0)


RESETS = """
import gc, io, ssl
class Pipe(io.IOBase):
    def __init__(self):
        self.out = b""
    def readinto(self, buffer):
        return None
    def write(self, data):
        self.out += data
        return len(data)
    def ioctl(self, request, argument):
        return argument if request == 3 else 0
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.verify_mode = ssl.CERT_NONE
pipes = [Pipe() for i in range(60)]
half = [context.wrap_socket(p, do_handshake_on_connect=False) for p in pipes]
for s in half:
    s.read(1)
print(min(len(p.out) for p in pipes) > 200, half[0].version(), half[0].getpeercert(True))
"""


def test_soft_reset_in_the_middle_of_handshakes(boot, repl_image):
    guest = boot(repl_image)
    guest.prompt()
    guest.at_prompt = True
    for _ in range(5):
        assert guest.exec(RESETS) == "True None None\n"
        guest.send("\x04")
        guest.expect_text("soft reboot\r\n")
        guest.expect_text("\r\n>>> ")
