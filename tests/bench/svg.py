# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""The picture of the race: a few measures, one bar for each guest."""

from __future__ import annotations

from html import escape

from .measure import Row, format_value

COLOURS = {
    "importos": "#2f6fdf",
    "importos-net": "#17a398",
    "linux-mpy": "#e0873e",
    "linux-cpy": "#b4b4b4",
    "linux-tiny-mpy": "#c95b4a",
}
# Part, name of the measure, title. What was not measured is left out.
SHOWN = (
    ("boot", "first line, exec to console", "Boot to the first line of Python, ms"),
    ("boot", "boot and power-off, guest instructions", "Boot, million guest instructions"),
    ("boot", "QEMU's memory at the first line", "QEMU's memory at the first line, MiB"),
    ("size", "bytes to ship", "Bytes to ship, KiB"),
    ("mem", "smallest memory, hello", "Smallest memory, MiB"),
    ("http", "http_read, 64 connections", "HTTP on 64 connections, requests/s"),
    ("http", "http_read, 64 connections, CPU", "HTTP, CPU seconds per 1000 requests"),
    ("udp", "dns_server, 16 in flight", "DNS server, answers/s"),
    ("tcp", "TCP bulk in", "TCP in, MB/s"),
    ("tcp", "TCP bulk out", "TCP out, MB/s"),
    ("idle", "idle, guest instructions", "Idle, guest instructions per second"),
    ("perf", "geometric mean of perf_bench, instructions", "perf_bench, times linux-mpy"),
)
WIDTH, LEFT, RIGHT = 760, 130, 90
BAR, GAP, HEAD = 16, 4, 44


def picture(about: dict, parts: dict[str, list[Row]]) -> str:
    """The SVG, as text."""
    body: list[str] = []
    y = 78
    for part, name, title in SHOWN:
        rows = [r for r in parts.get(part, []) if r.measure.name == name]
        machines = {row.machine for row in rows}
        machine = "pc" if "pc" in machines else min(machines, default="")
        rows = [r for r in rows if r.machine == machine and r.target in COLOURS]
        if rows:
            y = _group(body, y, title, rows)
    where = escape(
        f"{about['date']}, {about['qemu'].partition(' (')[0]}, TCG, {about['cores']} CPUs"
    )
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 10}" '
        f'viewBox="0 0 {WIDTH} {y + 10}" font-family="system-ui, sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{y + 10}" fill="#ffffff"/>',
        '<text x="20" y="32" font-size="20" font-weight="600">ImportOS and Linux guests</text>',
        f'<text x="20" y="52" fill="#666">{where}; medians, same QEMU, same devices</text>',
    ]
    return "\n".join([*head, *body, "</svg>"]) + "\n"


def _group(body: list[str], y: int, title: str, rows: list[Row]) -> int:
    """Append the bars of one measure at (y); returns where the next one goes."""
    better = "less is better" if rows[0].measure.lower_is_better else "more is better"
    body.append(
        f'<text x="20" y="{y + 14}" font-weight="600">{escape(title)}'
        f'<tspan fill="#888" font-weight="400"> ({better})</tspan></text>'
    )
    y += HEAD - 20
    largest = max(row.value for row in rows) or 1
    for row in rows:
        length = max(1.0, (WIDTH - LEFT - RIGHT) * row.value / largest)
        colour = COLOURS[row.target]
        body.append(
            f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(row.target)}</text>'
            f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{colour}"/>'
            f'<text x="{LEFT + length + 6:.1f}" y="{y + 12}">{format_value(row.value)}</text>'
        )
        y += BAR + GAP
    return y + 12
