# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""The examples for disks and shares do what they say."""

from __future__ import annotations

import http.client
import socket
import time
from pathlib import Path

from guest import Boot
from support import ROOT

from .conftest import attach

EXAMPLES = ROOT / "examples"


def test_logger_goes_on_after_a_power_cut(boot: Boot, build_image, littlefs_disk: Path) -> None:
    image = build_image(EXAMPLES / "logger.py")
    first = boot(image, extra=attach(littlefs_disk))
    first.expect_text("records so far: 0\r\n")
    first.expect_text("record 2 is kept\r\n")
    first.close()
    second = boot(image, extra=attach(littlefs_disk))
    second.expect(r"records so far: (\d+)\r\n")
    assert int(second.match[1]) >= 2
    second.expect_text("is kept\r\n")
    second.close()


def test_kv_store_keeps_values(boot: Boot, build_image, littlefs_disk: Path) -> None:
    image = build_image(EXAMPLES / "kv_store.py")

    def run(*words: str) -> str:
        guest = boot(image, append="-- " + " ".join(words), extra=attach(littlefs_disk))
        guest.expect_exit(0)
        return guest.log_text().strip()

    assert run("set", "color", "green") == "kept"
    assert run("set", "size", "9") == "kept"
    assert run("get", "color") == "green"
    assert run("delete", "size") == "gone"
    assert run("get", "size") == "not there"
    assert run() == "1 keys: color"


def get(port: int, path: str) -> tuple[int, bytes]:
    """One request; tried again while the guest boots."""
    deadline = time.monotonic() + 60
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        finally:
            connection.close()


def test_files_server_serves_a_folder(boot: Boot, build_image, tmp_path: Path) -> None:
    folder = tmp_path / "share"
    (folder / "sub").mkdir(parents=True)
    (folder / "big").write_bytes(bytes(range(256)) * 2000)
    (tmp_path / "secret").write_text("secret")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    net = ("-netdev", f"user,id=n0,hostfwd=tcp:127.0.0.1:{port}-:80")
    share = ("-fsdev", f"local,id=s0,path={folder},security_model=none,readonly=on")
    devices = ("virtio-net-device,netdev=n0", "virtio-9p-device,fsdev=s0,mount_tag=/host")
    guest = boot(
        build_image(EXAMPLES / "files_server.py"),
        append="-- /host",
        extra=(*net, *share, "-device", devices[0], "-device", devices[1]),
    )
    guest.expect_text("serving /host on port 80\r\n")
    assert get(port, "/") == (200, b"big\nsub/\n")
    assert get(port, "/big") == (200, bytes(range(256)) * 2000)
    assert get(port, "/none")[0] == 404
    assert get(port, "/../secret")[0] == 400
    assert get(port, "/sub/") == (200, b"\n")
    guest.close()
