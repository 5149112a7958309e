# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""The page of `--report=FILE.html`: what takes the image's bytes, and why this kernel was taken.

One file without scripts, that loads nothing and is the same for the same image.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from .mkimage import ROM, Image
from .report import Part, parts
from .symbolize import Symbol, parse_symbols

FUNCTIONS = 30  # of the kernel, the largest
KINDS = {
    "kernel": "kernel",
    "app": "the app",
    "library": "library of ImportOS",
    "site": "installed packages",
    "file": "files",
    "other": "names, options, alignment",
}
STYLE = """\
:root { color-scheme: light dark; --line: #8884; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .3rem 0; } code { overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.share { width: 30%; } .share div { height: .8em; margin-top: .35em; min-width: 1px; }
.all { display: flex; height: 2rem; margin: 1rem 0 .5rem; gap: 1px; } .all div { min-width: 1px; }
.key { display: inline-block; width: .8em; height: .8em; margin-right: .4em; }
li { display: inline-block; margin-right: 1.2rem; } ul { padding: 0; margin: 0; }
.kernel { background: #4e79a7; } .app { background: #f28e2b; } .library { background: #76b7b2; }
.site { background: #59a14f; } .file { background: #b07aa1; } .other { background: #9c8f8a; }
"""


def page(image: Image, name: str) -> str:
    """The whole page about the image that is called (name)."""
    found = parts(image)
    total = image.plain_size
    title = f"{name}: {total:,} bytes"
    body = [
        f"<h1>{_text(title)}</h1>",
        *_head(image),
        *_overview(found, total),
        "<h2>What takes the bytes</h2>",
        *_parts(found, total),
        *_modules(image),
        *_flavours(image),
        *_kernel(image),
        *_options(image),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _head(image: Image) -> list[str]:
    meta = image.kernel.meta
    lines = [
        f"ImportOS {meta.version} {meta.commit}, MicroPython {meta.micropython}, "
        f"flavour {meta.flavour}",
        f"entry {image.entry or 'none: the prompt'}; memory {image.memory >> 20} MiB",
    ]
    if len(image.data) != image.plain_size:
        lines.append(
            f"compressed to {len(image.data):,} bytes; the rest is about what is unpacked"
        )
    sums = f"<p>sha256 <code>{image.sha256}</code></p>"
    return [*(f"<p>{_text(line)}</p>" for line in lines), sums]


def _overview(found: Sequence[Part], total: int) -> list[str]:
    """One bar for all of the image, and what its colours mean."""
    sums = {kind: sum(p.size for p in found if p.kind == kind) for kind in KINDS}
    shown = {kind: size for kind, size in sums.items() if size}
    bar = "".join(
        f'<div class="{kind}" style="width:{100 * size / total:.3f}%" '
        f'title="{_text(KINDS[kind])}"></div>'
        for kind, size in shown.items()
    )
    key = "".join(
        f'<li><span class="key {kind}"></span>{_text(KINDS[kind])}: {size:,} '
        f"({100 * size / total:.1f} %)</li>"
        for kind, size in shown.items()
    )
    return [f'<div class="all">{bar}</div>', f"<ul>{key}</ul>"]


def _parts(found: Sequence[Part], total: int) -> list[str]:
    most = max(part.size for part in found) or 1
    rows = [
        [
            _number(part.size),
            _number(f"{100 * part.size / total:.1f} %"),
            f'<td class="share"><div class="{part.kind}" '
            f'style="width:{100 * part.size / most:.2f}%"></div></td>',
            _cell(part.name),
            _cell(part.origin),
        ]
        for part in found
    ]
    rows.append([_number(total), _number("100.0 %"), "<td></td>", _cell("total"), "<td></td>"])
    return _table(("bytes", "share", "", "what", "from"), rows)


def _modules(image: Image) -> list[str]:
    if not image.modules:
        return []
    rows = [
        [
            _cell(module.name),
            _cell(module.rom),
            _number(module.source_size),
            _number(module.size),
            _cell(", ".join(module.imported_by) or "the entry, or asked for"),
        ]
        for module in sorted(image.modules, key=lambda m: (-m.size, m.name))
    ]
    head = ("module", f"path below {ROM}", "source", "in the image", "imported by")
    return ["<h2>Modules</h2>", *_table(head, rows)]


def _flavours(image: Image) -> list[str]:
    """Which flavours of the kernel were looked at, the taken one last."""
    rows = [[_cell(name), _cell(f"lacks {what}")] for name, what in image.choice.why]
    rows.append([_cell(image.choice.meta.flavour), _cell("taken")])
    return ["<h2>Flavours of the kernel</h2>", *_table(("flavour", ""), rows)]


def _kernel(image: Image) -> list[str]:
    """The kernel's segments, and its largest functions if its symbols are there."""
    kernel = image.kernel.elf
    size = kernel.payload_offset
    rows = []
    for segment in sorted(kernel.loads, key=lambda s: s.paddr):
        what = "code" if segment.flags & 1 else "data" if segment.flags & 2 else "constants"
        if not segment.filesz:
            what = "zeroed memory, and stacks"
        share = _number(f"{100 * segment.filesz / size:.1f} %")
        rows.append(
            [_cell(what), _number(segment.filesz), share, _number(segment.memsz),
             _cell(f"{segment.paddr:#x}")]
        )  # fmt: skip
    head = ("part", "in the file", "share", "in memory", "address")
    out = ["<h2>The kernel</h2>", *_table(head, rows)]
    if functions := _functions(image):
        rows = [[_number(symbol.size), _cell(symbol.name)] for symbol in functions]
        out += [
            f"<details><summary>Its {len(functions)} largest functions</summary>",
            *_table(("bytes", "function"), rows),
            "</details>",
        ]
    return out


def _functions(image: Image) -> list[Symbol]:
    try:
        symbols = parse_symbols(image.kernel.path.with_suffix(".sym").read_text())
    except (OSError, ValueError):
        return []
    return sorted(symbols, key=lambda s: (-s.size, s.name))[:FUNCTIONS]


def _options(image: Image) -> list[str]:
    out = []
    if image.options:
        rows = [[_cell(key), _cell(value)] for key, value in image.options.items()]
        out += ["<h2>Boot options</h2>", *_table(("option", "value"), rows)]
    if image.warnings:
        rows = [
            [_cell(w.code), _cell(f"{w.file or ''}:{w.line}" if w.line else w.file or ""),
             _cell(w.message)]
            for w in image.warnings
        ]  # fmt: skip
        out += ["<h2>Warnings</h2>", *_table(("code", "where", "what"), rows)]
    return out


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    cells = "".join(f"<th>{_text(name)}</th>" for name in head)
    lines = ["".join(row) for row in rows]
    return ["<table>", f"<tr>{cells}</tr>", *(f"<tr>{line}</tr>" for line in lines), "</table>"]


def _cell(value: str) -> str:
    return f"<td>{_text(value)}</td>"


def _number(value: int | str) -> str:
    return f'<td class="n">{value if isinstance(value, str) else f"{value:,}"}</td>'


def _text(value: str) -> str:
    return html.escape(value)
