# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""A machine on a quiet wire sleeps, and is there when somebody comes."""

from __future__ import annotations

APP = """
import asyncio

async def serve(reader, writer):
    while await reader.readline() not in (b"", b"\\r\\n"):
        pass
    writer.write(b"HTTP/1.0 200 OK\\r\\nContent-Length: 6\\r\\n\\r\\nawake\\n")
    await writer.drain()
    writer.close()

async def main():
    await asyncio.start_server(serve, "0.0.0.0", 80)
    await asyncio.sleep(3600)
    print("an hour later")
    await asyncio.sleep(36000)

asyncio.run(main())
"""
# Time is counted in instructions, and passes at once when there are none.
VIRTUAL = ("-icount", "shift=0,sleep=off")


def test_a_server_answers_after_a_quiet_hour(serve, build_image):
    server = serve(build_image(APP), extra=VIRTUAL)
    server.guest.expect_text("an hour later")
    assert server.wait_http() == b"awake\n"
    server.stop()
