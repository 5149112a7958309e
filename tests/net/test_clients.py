# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""The guest as a client: requests, mip and ntptime against servers on this machine."""

from __future__ import annotations

import hashlib
import http.server
import json
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

import pytest
from bench.network import HOST

MODULE = b"def answer():\n    return 42\n"
HASH = hashlib.sha256(MODULE).hexdigest()[:8]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        pass

    def answer(self, body: bytes, status: int = 200, **fields: str) -> None:
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self) -> None:
        if self.path == "/redirect":
            self.answer(b"", 302, Location="/text")
        elif self.path == "/loop":
            self.answer(b"", 302, Location="/loop")
        elif self.path == "/chunked":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for part in (b"one ", b"two ", b"x" * 10000):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
        elif self.path.startswith("/text"):
            self.answer(f"text {self.path} {self.headers.get('X-Test')}".encode())
        elif self.path == "/large":
            self.answer(bytes(1000000))
        elif self.path in ("/package/6/demo/latest.json", "/package/py/demo/latest.json"):
            package = {"v": 1, "version": "1.0", "hashes": [["demo.py", HASH]], "deps": []}
            self.answer(json.dumps(package).encode())
        elif self.path == f"/file/{HASH[:2]}/{HASH}":
            self.answer(MODULE)
        else:
            self.answer(b"nothing here", 404)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kind = self.headers.get("Content-Type", "")
        self.answer(json.dumps({"body": body.decode(), "type": kind}).encode(), 201)


@pytest.fixture
def web():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


REQUESTS = """
import os, requests
base = "http://10.0.2.2:" + os.getenv("PORT")
r = requests.get(base + "/redirect", headers={"X-Test": "yes"})
print(r.status_code, r.text)
r = requests.get(base + "/chunked")
print(len(r.content), r.content[:8])
r = requests.get(base + "/text", params={"a": "b c"})
print(r.text)
r = requests.post(base + "/", json={"a": 1})
print(r.status_code, r.json())
r = requests.post(base + "/", data={"k": "v&w"})
print(r.json()["body"])
r = requests.get(base + "/nothing")
print(r.status_code, r.ok, r.reason)
print(requests.head(base + "/large").headers["content-length"])
with requests.get(base + "/large", stream=True) as r:
    print(sum(len(part) for part in r.iter_content()))
try:
    requests.get(base + "/loop")
except ValueError as error:
    print(error)
try:
    requests.get("http://10.0.2.2:1/", timeout=2)
except OSError as error:
    print("OSError", error.errno)
"""


def test_requests(boot, build_image, web):
    guest = boot(build_image(REQUESTS, "--env", f"PORT={web}"), network=True)
    for line in (
        "200 text /text yes",
        "10008 b'one two '",
        "text /text?a=b%20c None",
        "201 {",
        "k=v%26w",
        "404 False Not Found",
        "1000000",
        "1000000",
        "too many redirects",
        "OSError",
    ):
        guest.expect_text(line)
    guest.expect_exit(0)


LARGE = """
import os, requests, time
url = "http://10.0.2.2:" + os.getenv("PORT") + "/large"
start = time.ticks_ms()
for _ in range(4):
    with requests.get(url, stream=True) as r:
        assert sum(len(part) for part in r.iter_content()) == 1000000
print("took", time.ticks_diff(time.ticks_ms(), start), "ms")
"""


def test_a_window_without_scaling_opens_at_once(boot, build_image, web):
    """QEMU's user network scales no window: 64 KiB, which opened with a timer of 250 ms."""
    guest = boot(build_image(LARGE, "--env", f"PORT={web}"), network=True)
    guest.expect(r"took (\d+) ms")
    assert int(guest.match[1]) < 6000  # 14 s with the timer, 0.1 s without
    guest.expect_exit(0)


def test_mip_installs_from_an_index(boot, repl_image, web):
    guest = boot(repl_image, network=True)
    guest.prompt()
    guest.run("import mip")
    index = f"index='http://10.0.2.2:{web}'"
    assert guest.run(f"mip.install('demo', {index})").splitlines() == [
        "Installing /lib/demo.py",
        "Done",
    ]
    assert guest.run("import demo; print(demo.answer())") == "42"
    assert guest.run(f"mip.install('demo', {index}, mpy=False)") == "Done"  # it is there already
    guest.at_prompt = True


def test_mpremote_installs_from_an_index(boot, repl_image, web):
    guest = boot(repl_image, console="pty")
    guest.at_prompt = True
    command = [sys.executable, "-m", "mpremote", "connect", guest.serial]
    index = f"http://127.0.0.1:{web}"
    for words in (("mip", "install", "--index", index, "demo"), ("fs", "cat", ":/lib/demo.py")):
        done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.replace("\r\n", "\n").encode() == MODULE


class TimeServer:
    """An SNTP server (RFC 4330) that lives in the year 2031."""

    NOW = 1925000000

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.2)
        self.port = self.socket.getsockname()[1]
        self.stopping = False
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        while not self.stopping:
            try:
                request, client = self.socket.recvfrom(100)
            except TimeoutError:
                continue
            answer = bytearray(48)
            answer[0], answer[1] = 0x24, 1
            answer[24:32] = request[40:48]
            answer[40:48] = struct.pack("!II", self.NOW + 2208988800, 1 << 31)
            self.socket.sendto(answer, client)

    def close(self) -> None:
        self.stopping = True
        self.thread.join()
        self.socket.close()


@pytest.fixture
def time_server():
    server = TimeServer()
    yield server
    server.close()


NTP = """
import ntptime, os, socket, time
port = int(os.getenv("PORT"))
real = socket.getaddrinfo
ntptime.socket = type("Socket", (), {
    "getaddrinfo": staticmethod(lambda host, _: real(host, port)),
    "socket": socket.socket, "AF_INET": socket.AF_INET, "SOCK_DGRAM": socket.SOCK_DGRAM,
})
ntptime.host = "10.0.2.2"
print("told", ntptime.time())
ntptime.settime()
print("now", time.time(), time.gmtime()[0])
"""


def test_ntptime_sets_the_clock(boot, build_image, time_server):
    begun = time.monotonic()
    guest = boot(build_image(NTP, "--env", f"PORT={time_server.port}"), network=True)
    guest.expect_text(f"told {TimeServer.NOW}\r\n")
    guest.expect(r"now (\d+)[.\d]* 2031\r\n")
    assert 0 <= int(guest.match[1]) - TimeServer.NOW <= time.monotonic() - begun + 1
    guest.expect_exit(0)


CHRONY = """
ntptime.host = "%s"
ntptime.settime()
print("now", time.time())
"""


@pytest.fixture
def chronyd(space, tmp_path):
    """chronyd in the name space; it serves this machine's time and does not set it."""
    program = shutil.which("chronyd", path="/usr/sbin:/usr/bin")
    if program is None:
        # make test does not install it: it would replace this machine's own time service.
        pytest.skip("chronyd is not installed (apt-get install chrony)")
    words = ["-d", "-x", "-u", "root", "local stratum 8", "allow all", "cmdport 0"]
    words += ["bindcmdaddress /", f"pidfile {tmp_path}/pid", f"driftfile {tmp_path}/drift"]
    with subprocess.Popen(
        [*space.prefix(), program, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as server:
        yield server
        server.terminate()


def test_ntptime_asks_chronyd(chronyd, tapped, build_image):
    app = "import ntptime, time\n" + CHRONY % HOST
    guest = tapped(build_image(app))
    guest.expect(r"now (\d+)[.\d]*\r\n")
    assert abs(int(guest.match[1]) - time.time()) < 3
    guest.expect_exit(0)
