# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""How diagnostics look: rustc's shape, in colour or without; and what each code means."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from .errors import Diagnostic

RED, YELLOW, BLUE, GREEN, CYAN = 31, 33, 34, 32, 36

EXPLAIN = {
    "M001": "The entry does not exist. It is a script, a folder with main.py or __main__.py, or "
    "nothing at all (an image that starts at the prompt).",
    "M002": "The entry is not Python source: CPython's bytecode (.pyc), a U-Boot image or "
    "something else. Give the .py file.",
    "M003": "A file or folder to be put into the image is missing or cannot be read.",
    "M004": "A configuration (mkimage.toml, [tool.mkimage], or the block in the script) has an "
    "unknown key or a value of the wrong kind.",
    "M101": "An imported module was found nowhere: not beside the entry, not in --path, not in "
    "the kernel, not in this Python environment. Install it, correct the name, or say "
    "--optional NAME if the app can do without.",
    "M102": "The module belongs to CPython's standard library and MicroPython has no such module. "
    "CPython's own library is never put into an image: it would not run.",
    "M103": "The module is compiled C for CPython (.so, .pyd). It cannot run without CPython.",
    "M104": "An import whose name is only known when the app runs. Name it with --module.",
    "M105": "A file of the app has the name of a module in the kernel. Depending on the module, "
    "one or the other would be taken; rename the file.",
    "M106": "A manifest (--manifest) cannot be executed, or asks for what is not there. What "
    "require() names is looked for in MPY_LIB_DIR (a clone of micropython-lib), in the kernel, "
    "and beside mkimage; nothing is fetched.",
    "M201": "The source is not valid Python, or MicroPython's compiler refused it.",
    "M202": "The syntax is Python's but newer than MicroPython's.",
    "M203": "Native code could not be made for the module; bytecode was used. The app works.",
    "M204": "A .mpy file is for another MicroPython version or machine. Compile it again, or give "
    "the .py file.",
    "M301": "The machine does not fit: too little memory for the image, a port that is in use, "
    "or QEMU that is missing or too old.",
    "M302": "The prebuilt kernel is missing, damaged, or not one of ours; or, in a clone, its "
    "flavour has not been built.",
    "M303": "The file is not an ImportOS image, or it was cut off or damaged.",
    "M304": "The output could not be written. Nothing was left half written.",
    "M306": "The disk image cannot be used: it is not there, is being used by a machine, holds no "
    "file system that is known, or a place in it is written wrong (data.img:/folder/file).",
    "M307": "The flavour of the kernel that was asked for is not there, or lacks what the app "
    "uses. Without --flavour the smallest one that has all of it is taken.",
    "M305": "mpy-cross, which compiles the modules, is missing or broke.",
    "M401": "The guest ended badly: an exception left main.py, a panic, a triple fault, or the "
    "time limit. The last lines of its console are shown.",
}


def wants_color(choice: str, stream: TextIO) -> bool:
    """Whether to colour what goes to (stream); (choice) is auto, always or never."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def paint(text: str, color: int, on: bool, bold: bool = True) -> str:
    """The text in a colour, if (on)."""
    return f"\x1b[{'1;' if bold else ''}{color}m{text}\x1b[0m" if on and text else text


def render(diagnostic: Diagnostic, color: bool = False) -> str:
    """The diagnostic as text of several lines, without a newline at the end."""
    level_color = RED if diagnostic.level == "error" else YELLOW
    head = paint(f"{diagnostic.level}[{diagnostic.code}]", level_color, color)
    lines = [f"{head}: {diagnostic.message}"]
    gutter = 1 + len(str(diagnostic.line))
    if diagnostic.file:
        place = diagnostic.file
        if diagnostic.line:
            place += f":{diagnostic.line}"
            if diagnostic.col:
                place += f":{diagnostic.col}"
        lines.append(f"{' ' * gutter}{paint('-->', BLUE, color)} {place}")
    if diagnostic.source is not None:
        lines += _window(diagnostic, gutter, level_color, color)
    lines += [_labelled("note", GREEN, note, color) for note in diagnostic.notes]
    lines += [_labelled("hint", CYAN, hint, color) for hint in diagnostic.hints]
    return "\n".join(lines)


def _labelled(label: str, label_color: int, text: str, color: bool) -> str:
    """A note or hint; further lines of its text are indented below the first."""
    first, *rest = text.split("\n")
    return "\n".join([f"{paint(label, label_color, color)}: {first}", *(f"  | {r}" for r in rest)])


def _window(diagnostic: Diagnostic, gutter: int, level_color: int, color: bool) -> list[str]:
    bar = paint("|", BLUE, color)
    source = diagnostic.source or ""
    number = paint(f"{diagnostic.line:>{gutter}}", BLUE, color)
    lines = [f"{' ' * gutter} {bar}", f"{number} {bar} {source.replace(chr(9), ' ')}"]
    if diagnostic.col:
        width = max(1, min(diagnostic.end_col, len(source) + 1) - diagnostic.col)
        marks = "^" * width + (f" {diagnostic.label}" if diagnostic.label else "")
        pad = " " * (diagnostic.col - 1)
        lines.append(f"{' ' * gutter} {bar} {pad}{paint(marks, level_color, color)}")
    lines.append(f"{' ' * gutter} {bar}")
    return lines


def show(diagnostic: Diagnostic, color: str = "auto", stream: TextIO | None = None) -> None:
    """Print a diagnostic to (stream), by default standard error."""
    stream = stream or sys.stderr
    print(render(diagnostic, wants_color(color, stream)), file=stream)
