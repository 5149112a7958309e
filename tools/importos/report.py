# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""What a build tells: the size table of --report, and the object of --json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .mkimage import Image


def table(image: Image) -> str:
    """What takes how much room, largest first."""
    kernel_size = image.plain_size - image.payload_size
    meta = image.kernel.meta
    rows = [(kernel_size, "kernel", f"ImportOS {meta.version}, {meta.flavour}")]
    for module in image.modules:
        origin = f"{module.dist} {module.version}".strip() or module.origin
        rows.append((module.size, module.rom, f"{origin}, {module.source_size} bytes of source"))
    rows += [(size, name, "file") for name, size in image.files]
    told = sum(row[0] for row in rows)
    rows.append((image.plain_size - told, "other", "names, boot options, alignment"))
    rows.sort(key=lambda row: (-row[0], row[1]))
    total = image.plain_size
    width = max(len(row[1]) for row in rows)
    lines = [f"{'bytes':>9}      %  {'what':<{width}}  from"]
    for size, name, origin in rows:
        lines.append(f"{size:>9}  {100 * size / total:>5.1f}  {name:<{width}}  {origin}")
    lines.append(f"{total:>9}  100.0  total")
    if len(image.data) != total:
        lines.append(f"{len(image.data):>9}  {100 * len(image.data) / total:>5.1f}  compressed")
    lines.append(f"flavour {image.choice}")
    return "\n".join(lines)


def as_json(image: Image, output: Path, outcome: Any, seconds: float) -> dict:
    """The object of --json; image.schema.json describes it."""
    meta = image.kernel.meta
    told: dict[str, Any] = {
        "schema": 1,
        "image": {
            "path": str(output),
            "format": "elf",
            "arch": meta.arch,
            "size": len(image.data),
            "sha256": image.sha256,
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
