# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Chooses the kernel: the smallest flavour that has what an app needs, and says why.

A flavour is the kernel with some of its parts (port/x86/Makefile). What an app needs is the
modules that it imports, which the tracer knows, and parts that no import tells of: the built-in
open() wants DISKS, eval() wants COMPILER. Those are found here, by the names that a source uses.
A name in doubt counts as used, so the choice may be too large, but not too small: what is left is
an app that makes up names as it runs, getattr(net, "lis" + "ten").
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .kernel import FULL, Meta

AUTO = "auto"
# Of some modules these attributes need a part; any use but as an attribute counts as all of them.
FILES = {
    "chdir", "disks", "getcwd", "ilistdir", "listdir", "mkdir", "mount", "remove", "rename",
    "rmdir", "stat", "statvfs", "sync", "umount", "unlink",
}  # fmt: skip
EVALUATORS = {"compile", "eval", "exec", "execfile"}
ATTRIBUTES = {
    "os": {"DISKS": FILES},
    "uos": {"DISKS": FILES},
    "machine": {"DISKS": {"Console", "Disk", "Share"}},
    "net": {"TCP": {"connect", "listen", "Connection", "Server"}},
    "network": {"EXTRAS": {"hostname"}},
    "hashlib": {"TLS": {"md5", "sha1"}},
    "vfs": {"LFS1": {"VfsLfs1"}},
    "micropython": {"LIBRARY": {"RingIO"}},
    "builtins": {"COMPILER": EVALUATORS | {"help"}, "DISKS": {"open"}, "LIBRARY": {"complex"}},
}
MODULES = {"vfs": "DISKS"}
NAMES = {
    **dict.fromkeys(EVALUATORS, "COMPILER"),
    "help": "COMPILER",
    "open": "DISKS",
    "complex": "LIBRARY",
}
KEYWORDS = {"tls": "TLS", "ssl": "TLS", "hostname": "EXTRAS"}
DECORATORS = {"native", "viper"}
# A source without any of these words needs no closer look.
_WORDS = [*ATTRIBUTES, *MODULES, *NAMES, *KEYWORDS, *DECORATORS, r"asm_\w+", r"[\d.]+j"]
WORDS = re.compile(rf"\b(?:{'|'.join(_WORDS)})\b", re.IGNORECASE)
# What the library's modules need besides their imports at the top.
LIBRARY = {
    "mip": ("COMPILER", "DISKS", "TLS"),
    "requests": ("TLS",),
    "unittest": ("COMPILER",),
    "webrepl": ("COMPILER", "DISKS", "TLS"),
}


@dataclass(frozen=True, slots=True)
class Need:
    """A (part) of the kernel that line (line) of (where) needs, by its use of (what)."""

    part: str  # "ANY": whatever there is
    what: str
    where: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.what} ({self.where}{f':{self.line}' if self.line else ''})"


@dataclass(frozen=True, slots=True)
class Choice:
    """A flavour, and for each smaller one what it lacks."""

    meta: Meta
    why: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        lacks = "; ".join(f"{name} lacks {what}" for name, what in self.why)
        return self.meta.flavour + (f": {lacks}" if lacks else "")


def choose(
    metas: Iterable[Meta], modules: Mapping[str, Iterable[tuple[str, int]]], needs: Iterable[Need]
) -> Choice:
    """The smallest of (metas) that has every module and part; the largest if none has.

    (modules) are those of the kernel, with who imports them.
    """
    needs = list(needs)
    why: list[tuple[str, str]] = []
    ordered = sorted(metas, key=lambda meta: (meta.size, meta.flavour))
    for meta in ordered:
        lack = next(missing(meta, modules, needs), None)
        if lack is None:
            return Choice(meta, tuple(why))
        why.append((meta.flavour, lack))
    return Choice(ordered[-1], tuple(why[:-1]))


def missing(
    meta: Meta, modules: Mapping[str, Iterable[tuple[str, int]]], needs: Iterable[Need]
) -> Iterator[str]:
    """What the flavour lacks, each with a place that needs it."""
    for need in needs:
        if need.part not in meta.parts and meta.flavour != FULL:
            yield str(need)
    for name in sorted(modules):
        if not meta.has(name):
            who, line = next(iter(modules[name]), ("", 0))
            yield f"`{name}` ({who}{f':{line}' if line else ''})"


def scan(tree: ast.Module, text: str, where: str, installed: bool = False) -> list[Need]:
    """The parts that a source needs, one Need each. An (installed) package hands things on."""
    if not WORDS.search(text):
        return []
    scanner = _Scanner(where, installed)
    scanner.visit(tree)
    return list(scanner.found.values())


class _Scanner(ast.NodeVisitor):
    def __init__(self, where: str, installed: bool) -> None:
        self.where = where
        self.installed = installed
        self.found: dict[str, Need] = {}
        self.known: dict[str, str] = {}  # a local name of a module -> the module

    def need(self, part: str, what: str, node: ast.AST) -> None:
        self.found.setdefault(part, Need(part, what, self.where, getattr(node, "lineno", 0)))

    def attribute(self, module: str, name: str | None, node: ast.AST) -> None:
        """(name) of (module) is used; None: any of them may be."""
        for part, names in ATTRIBUTES[module].items():
            if name is None or name == "*" or name in names:
                self.need(part, f"`{module}.{name}`" if name else f"`{module}` as a value", node)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.name in ATTRIBUTES:
                self.known[alias.asname or alias.name] = alias.name
            if part := MODULES.get(alias.name):
                self.need(part, f"`{alias.name}`", node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = "" if node.level else node.module or ""
        for alias in node.names:
            if module in ATTRIBUTES:
                self.attribute(module, alias.name, node)
            if module == "micropython" and alias.name in DECORATORS:
                self.need("COMPILER", f"`{alias.name}`", node)
        if part := MODULES.get(module):
            self.need(part, f"`{module}`", node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in DECORATORS or node.attr.startswith("asm_"):
            self.need("COMPILER", f"`{node.attr}`", node)
        if isinstance(node.value, ast.Name) and node.value.id in self.known:
            self.attribute(self.known[node.value.id], node.attr, node)
        else:
            self.visit(node.value)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, complex):
            self.need("LIBRARY", f"`{node.value}`", node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            if part := NAMES.get(node.id):
                self.need(part, f"`{node.id}`", node)
            if node.id in self.known:
                self.attribute(self.known[node.id], None, node)

    def visit_Call(self, node: ast.Call) -> None:
        for keyword in node.keywords:
            # ssl=context: whoever made the context has imported ssl.
            handed_on = self.installed and not isinstance(keyword.value, ast.Constant)
            none = isinstance(keyword.value, ast.Constant) and keyword.value.value is None
            part = KEYWORDS.get(keyword.arg or "")
            if part and not none and not handed_on:
                self.need(part, f"`{keyword.arg}=`", node)
        if not _opens_rom(node):
            self.visit(node.func)
        for child in [*node.args, *node.keywords]:
            self.visit(child)


def _opens_rom(call: ast.Call) -> bool:
    """open("/rom/..."): in the image, on no disk."""
    first = call.args[0] if call.args else None
    return (
        isinstance(call.func, ast.Name)
        and call.func.id == "open"
        and isinstance(first, ast.Constant)
        and isinstance(first.value, str)
        and first.value.startswith("/rom/")
    )
