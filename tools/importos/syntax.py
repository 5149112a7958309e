# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Parses a source text as this Python does, then refuses what MicroPython does not have.

MicroPython is Python 3.4 with some of 3.5 to 3.8 (docs: "MicroPython differences from CPython").
mpy-cross checks again when it compiles; this check says it better, and it also refuses what a
newer mpy-cross takes but the kernel has not got (template strings).
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable
from typing import Any

from .errors import Diagnostic, ImageError

INSTEAD = {
    "Match": ("`match` is not in MicroPython", "use if/elif"),
    "TryStar": ("`except*` is not in MicroPython", "catch one exception at a time"),
    "TypeAlias": ("`type X = ...` is not in MicroPython", "leave the alias out or assign it"),
    "TemplateStr": ("template strings are not in MicroPython", "use an f-string"),
    "posonly": ("positional-only parameters (`/`) are not in MicroPython", "leave the `/` out"),
    "type_params": ("type parameters (`[T]`) are not in MicroPython", "leave them out"),
    "unpack_dict": ("`{**a}` is not in MicroPython", "use `d = dict(a); d.update(b)`"),
    "unpack_list": ("`*a` inside a list, tuple or set is not in MicroPython", "use `list(a) + b`"),
    "decorator": ("this decorator expression is not in MicroPython", "give it a name first"),
    "async_comprehension": ("`async for` in a comprehension is not in MicroPython", "use a loop"),
}
CODECS = ("utf-8", "utf8", "ascii", "us-ascii")


def decode(source: bytes, file: str) -> tuple[str, bytes]:
    """The text, and the same as UTF-8 without a byte order mark for mpy-cross."""
    import io
    import tokenize

    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        text = source.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise ImageError(Diagnostic("M201", f"the file is not text: {error}", file=file)) from None
    return text, text.encode() if encoding not in CODECS else source


def parse(source: bytes, file: str) -> tuple[ast.Module, list[str], bytes]:
    """(tree, lines, source as UTF-8). Raises ImageError M201 or M202; (file) is as shown."""
    if b"\0" in source:
        raise ImageError(
            Diagnostic("M201", "the file has a NUL byte: it is not Python source", file=file)
        )
    try:
        text = source.decode("ascii")
        utf8 = source
    except UnicodeDecodeError:
        text, utf8 = decode(source, file)
    lines = text.splitlines()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, file)
    except SyntaxError as error:
        raise ImageError(_syntax_error(error, file, lines)) from None
    except (RecursionError, MemoryError, ValueError) as error:
        raise ImageError(
            Diagnostic("M201", f"the source cannot be parsed: {error or 'too deep'}", file=file)
        ) from None
    return tree, lines, utf8


def _syntax_error(error: SyntaxError, file: str, lines: list[str]) -> Diagnostic:
    line, col = error.lineno or 0, error.offset or 0
    end = error.end_offset or 0
    if error.end_lineno != error.lineno or end <= col:
        end = col + 1
    source = lines[line - 1] if 0 < line <= len(lines) else None
    message = f"invalid syntax: {error.msg}" if error.msg != "invalid syntax" else error.msg
    return Diagnostic("M201", message, file=file, line=line, col=col, end_col=end, source=source)


def check(tree: ast.Module, file: str, lines: list[str]) -> list[Diagnostic]:
    """What MicroPython lacks in (tree), at most the first three places."""
    found: list[Diagnostic] = []
    for node in ast.walk(tree):
        checker = _CHECKS.get(type(node).__name__)
        if checker and (kind := checker(node)):
            message, instead = INSTEAD[kind]
            found.append(_at(node, f"{message}: {instead}", file, lines))
    found.sort(key=lambda d: (d.line, d.col))
    return found[:3]


def _starred(node: ast.Tuple | ast.List | ast.Set) -> str | None:
    """`*a` among the elements, unless they are the targets of an assignment."""
    if isinstance(getattr(node, "ctx", None), ast.Store):
        return None
    return "unpack_list" if any(isinstance(e, ast.Starred) for e in node.elts) else None


def _definition(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> str | None:
    if getattr(node, "type_params", None):
        return "type_params"
    return None if all(map(_plain_decorator, node.decorator_list)) else "decorator"


# By the name of the node's type, because older Pythons do not have all of them.
_CHECKS: dict[str, Callable[[Any], str | None]] = {
    "Match": lambda node: "Match",
    "TryStar": lambda node: "TryStar",
    "TypeAlias": lambda node: "TypeAlias",
    "TemplateStr": lambda node: "TemplateStr",
    "arguments": lambda node: "posonly" if node.posonlyargs else None,
    "Dict": lambda node: "unpack_dict" if None in node.keys else None,
    "comprehension": lambda node: "async_comprehension" if node.is_async else None,
    "Tuple": _starred,
    "List": _starred,
    "Set": _starred,
    "FunctionDef": _definition,
    "AsyncFunctionDef": _definition,
    "ClassDef": _definition,
}


def _plain_decorator(node: ast.expr) -> bool:
    """`a.b` or `a.b(...)`, as Python had it before 3.9."""
    if isinstance(node, ast.Call):
        node = node.func
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def _at(node: ast.AST, message: str, file: str, lines: list[str]) -> Diagnostic:
    where: ast.AST = node
    if isinstance(node, ast.arguments):
        where = node.posonlyargs[0]
    elif isinstance(node, ast.comprehension):
        where = node.target
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        where = (getattr(node, "type_params", None) or node.decorator_list or [node])[0]
    line = getattr(where, "lineno", 0)
    source = lines[line - 1] if 0 < line <= len(lines) else ""
    col = len(source.encode()[: getattr(where, "col_offset", 0)].decode("utf-8", "replace"))
    end = len(source.rstrip())
    if getattr(where, "end_lineno", 0) == line:
        end = len(source.encode()[: where.end_col_offset].decode("utf-8", "replace"))
    return Diagnostic(
        "M202", message, file=file, line=line, col=col + 1, end_col=end + 1, source=source
    )
