# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""The race as JSON: what was measured, where and with how much company."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from . import bars, svg, targets
from .measure import Measure, Row, table

BEGIN, END = "<!-- race: made by make bench -->", "<!-- race: end -->"


@dataclass
class Race:
    """All rows of one run, by part, with the circumstances."""

    about: dict[str, object]
    parts: dict[str, list[Row]]

    @staticmethod
    def begin() -> Race:
        version = subprocess.run(
            [targets.find_qemu(), "--version"], capture_output=True, text=True
        ).stdout.partition("\n")[0]
        about = {
            "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            "qemu": version,
            "host": platform.platform(),
            "cores": os.cpu_count(),
            "load": os.getloadavg()[0],
            "seconds": {},
        }
        return Race(about, {})

    def add(self, part: str, rows: list[Row], seconds: float) -> None:
        self.parts[part] = rows
        self.about["seconds"][part] = round(seconds, 1)


def save(race: Race, path: Path) -> None:
    """Write (race); parts that were not measured this time stay as an earlier run left them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = {}
    about = race.about
    if path.is_file():
        earlier = json.loads(path.read_text("utf-8"))
        parts = earlier["parts"]
        about = {**about, "seconds": {**earlier["about"]["seconds"], **about["seconds"]}}
    parts |= {name: [dataclasses.asdict(row) for row in rows] for name, rows in race.parts.items()}
    text = json.dumps({"about": about, "parts": parts}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")


def load(path: Path) -> tuple[dict, dict[str, list[Row]]]:
    """What save() wrote: the circumstances, and the rows by part."""
    saved = json.loads(path.read_text("utf-8"))
    parts = {
        name: [Row(**{**row, "measure": Measure(**row["measure"])}) for row in rows]
        for name, rows in saved["parts"].items()
    }
    return saved["about"], parts


def draw(source: Path, destination: Path) -> None:
    """The picture of a saved race."""
    about, parts = load(source)
    destination.parent.mkdir(parents=True, exist_ok=True)
    destination.write_text(svg.picture(about, parts), encoding="utf-8")


def document(source: Path, destination: Path) -> None:
    """Put the tables of a saved race between BEGIN and END of the Markdown file (destination)."""
    about, parts = load(source)
    text = destination.read_text("utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise targets.BenchError(f"{destination} has no place for the tables: {BEGIN} {END}")
    others = [row.others for rows in parts.values() for row in rows]
    told = (
        f"{about['date']}; {about['qemu']}, TCG; {about['cores']} CPUs of {about['host']}. Other "
        f"processes used {sum(others) / max(1, len(others)):.2f} CPUs on average, "
        f"{max(others, default=0):.2f} at most."
    )
    tables = [told]
    if held := bars.table(parts):
        tables.append(f"### bars\n\n{_markdown(held, 1)}")
    tables += [f"### {name}\n\n{_markdown(table(rows))}" for name, rows in parts.items() if rows]
    body = "\n\n".join(tables)
    destination.write_text(f"{before}{begin}\n{body}\n{end}{after}", encoding="utf-8")


def _markdown(lines: list[list[str]], left: int = 3) -> str:
    """(lines) with a ruler; so many columns to the left, the others to the right."""
    ruler = ["---"] * left + ["---:"] * (len(lines[0]) - left)
    lines = [lines[0], ruler, *lines[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
