# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""What a build tells: the size table of --report, and the object of --json.

report_html.py makes a page of the same.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .mkimage import Image


@dataclass(frozen=True, slots=True)
class Part:
    """What takes (size) bytes of an image that is not compressed.

    (kind) is "kernel", "file", "other", or the origin of a module: "app", "library" or "site".
    """

    size: int
    name: str
    origin: str
    kind: str


def parts(image: Image) -> list[Part]:
    """All of the image, largest first; the sizes add up to its (plain_size)."""
    kernel_size = image.plain_size - image.payload_size
    meta = image.kernel.meta
    found = [Part(kernel_size, "kernel", f"ImportOS {meta.version}, {meta.flavour}", "kernel")]
    for module in image.modules:
        origin = f"{module.dist} {module.version}".strip() or module.origin
        kind = module.origin if module.origin in ("library", "site") else "app"
        source = f"{origin}, {module.source_size} bytes of source"
        found.append(Part(module.size, module.rom, source, kind))
    found += [Part(size, name, "file", "file") for name, size in image.files]
    told = sum(part.size for part in found)
    rest = image.plain_size - told
    found.append(Part(rest, "other", "names, boot options, alignment", "other"))
    return sorted(found, key=lambda part: (-part.size, part.name))


def table(image: Image) -> str:
    """What takes how much room, largest first."""
    rows = parts(image)
    total = image.plain_size
    width = max(len(row.name) for row in rows)
    lines = [f"{'bytes':>9}      %  {'what':<{width}}  from"]
    for row in rows:
        share = 100 * row.size / total
        lines.append(f"{row.size:>9}  {share:>5.1f}  {row.name:<{width}}  {row.origin}")
    lines.append(f"{total:>9}  100.0  total")
    if len(image.data) != total:
        lines.append(f"{len(image.data):>9}  {100 * len(image.data) / total:>5.1f}  compressed")
    lines.append(f"flavour {image.choice}")
    return "\n".join(lines)


def as_json(image: Image, output: Path, format_: str, outcome: Any, seconds: float) -> dict:
    """The object of --json; image.schema.json describes it."""
    data = image.file(format_)
    meta = image.kernel.meta
    told: dict[str, Any] = {
        "schema": 1,
        "image": {
            "path": str(output),
            "format": format_,
            "arch": meta.arch,
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        },
        "kernel": {
            "version": meta.version,
            "commit": meta.commit,
            "flavour": meta.flavour,
            "flavours_passed_over": [{"name": n, "lacks": w} for n, w in image.choice.why],
            "micropython": meta.micropython,
            "size": image.plain_size - image.payload_size,
            "sha256": meta.sha256,
        },
        "modules": [
            {
                "name": m.name,
                "origin": m.origin,
                "dist": m.dist,
                "version": m.version,
                "path": m.rom,
                "source_size": m.source_size,
                "size": m.size,
                "imported_by": m.imported_by,
            }
            for m in image.modules
        ],
        "files": [{"path": name, "size": size} for name, size in image.files],
        "warnings": [
            {"code": w.code, "message": w.message, "file": w.file, "line": w.line, "col": w.col}
            for w in image.warnings
        ],
        "options": image.options,
        "seconds": {**image.seconds, "process": round(seconds, 4)},
    }
    if outcome is not None:
        told["run"] = {
            "argv": outcome.argv,
            "status": outcome.status,
            "reason": outcome.reason,
            "console_tail": outcome.tail,
        }
    return told
