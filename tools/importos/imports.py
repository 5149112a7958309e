# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Finds the import statements of one source text, and which of them may fail.

An import may fail when it stands in a `try` that catches ImportError, under
`contextlib.suppress(ImportError)`, or in code that MicroPython never reaches: `if TYPE_CHECKING`,
`if sys.implementation.name == "cpython"`, `if sys.platform == "win32"` and the like are decided
here. Nothing is executed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

CATCHES = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
UNKNOWN = object()
# What the guest's `sys` answers.
GUEST = {
    "sys.implementation.name": "micropython",
    "sys.platform": "x86",
    "sys.byteorder": "little",
    "sys.version_info": (3, 4, 0),
    "os.name": "posix",
}


@dataclass(slots=True)
class ImportSite:
    """One module named by one statement. (level) counts the dots of a relative import.

    (names) are those of a `from` import, else None. A (deferred) import stands in a function.
    """

    module: str
    level: int
    names: tuple[str, ...] | None
    line: int
    col: int
    end_col: int
    deferred: bool


@dataclass(slots=True)
class Attempt:
    """A `try` that catches ImportError: the (fallback) counts if something in (body) is missing.

    (after) is the `else` part, which only runs if nothing was missing.
    """

    body: list[ImportSite | Attempt] = field(default_factory=list)
    fallback: list[ImportSite | Attempt] = field(default_factory=list)
    after: list[ImportSite | Attempt] = field(default_factory=list)


@dataclass(slots=True)
class Scan:
    """What a source text imports, and the places of imports whose name is not known."""

    items: list[ImportSite | Attempt] = field(default_factory=list)
    dynamic: list[tuple[int, int, int, str]] = field(default_factory=list)  # line, col, end, text


def scan(tree: ast.Module, module_name: str, lines: list[str]) -> Scan:
    """The imports in (tree). (module_name) is what the module's `__name__` will be."""
    result = Scan()
    _Scanner(module_name, lines, result).block(tree.body, result.items, deferred=False)
    return result


class _Scanner:
    def __init__(self, module_name: str, lines: list[str], result: Scan) -> None:
        self.facts = GUEST | {"__name__": module_name}
        self.lines = lines
        self.result = result
        # Looking into every expression takes longer than all the rest; few modules need it.
        self.has_calls = any("__import__" in line or "import_module" in line for line in lines)

    def block(self, body: list[ast.stmt], out: list, deferred: bool) -> None:
        for node in body:
            self.statement(node, out, deferred)

    def statement(self, node: ast.stmt, out: list, deferred: bool) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                col, end = _span(self.lines, alias)
                out.append(ImportSite(alias.name, 0, None, alias.lineno, col, end, deferred))
        elif isinstance(node, ast.ImportFrom):
            out.append(self.import_from(node, deferred))
        elif isinstance(node, ast.If):
            self.condition(node, out, deferred)
        elif isinstance(node, ast.Try):
            self.attempt(node, out, deferred)
        elif isinstance(node, ast.With | ast.AsyncWith) and _suppresses(node):
            attempt = Attempt()
            self.block(node.body, attempt.body, deferred)
            out.append(attempt)
        else:
            self.other(node, out, deferred)

    def import_from(self, node: ast.ImportFrom, deferred: bool) -> ImportSite:
        names = tuple(alias.name for alias in node.names)
        module = node.module or ""
        line = self.lines[node.lineno - 1] if node.lineno <= len(self.lines) else ""
        written = "." * node.level + module
        start = line.find(written, _char(line, node.col_offset) + 4) + 1
        return ImportSite(
            module, node.level, names, node.lineno, start, start + len(written), deferred
        )

    def condition(self, node: ast.If, out: list, deferred: bool) -> None:
        self.calls(node.test, out, deferred)
        verdict = _truth(node.test, self.facts)
        if verdict is not False:
            self.block(node.body, out, deferred)
        if verdict is not True:
            self.block(node.orelse, out, deferred)

    def attempt(self, node: ast.Try, out: list, deferred: bool) -> None:
        if not any(_catches(handler) for handler in node.handlers):
            self.other(node, out, deferred)
            return
        attempt = Attempt()
        self.block(node.body, attempt.body, deferred)
        for handler in node.handlers:
            self.block(handler.body, attempt.fallback, deferred)
        self.block(node.orelse, attempt.after, deferred)
        out.append(attempt)
        self.block(node.finalbody, out, deferred)

    def other(self, node: ast.AST, out: list, deferred: bool) -> None:
        inner = deferred or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                self.statement(child, out, inner)
            elif isinstance(child, ast.ExceptHandler | ast.match_case):
                self.block(child.body, out, inner)
            elif isinstance(child, ast.expr):
                self.calls(child, out, inner)

    def calls(self, node: ast.expr, out: list, deferred: bool) -> None:
        """`__import__("x")` and `importlib.import_module("x")` in an expression."""
        if not self.has_calls:
            return
        for call in ast.walk(node):
            if isinstance(call, ast.Call) and _is_import_call(call.func):
                self.import_call(call, out, deferred)

    def import_call(self, call: ast.Call, out: list, deferred: bool) -> None:
        first = call.args[0] if call.args else None
        col, end = _span(self.lines, call)
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            if not first.value.startswith("."):
                site = ImportSite(first.value, 0, None, call.lineno, col, end, deferred)
                out.append(site)
            return
        self.result.dynamic.append((call.lineno, col, end, ast.unparse(call)))


def _char(line: str, byte_offset: int) -> int:
    """The index of a character from ast's offset in UTF-8 bytes."""
    return len(line.encode()[:byte_offset].decode("utf-8", "replace"))


def _span(lines: list[str], node: ast.alias | ast.expr) -> tuple[int, int]:
    """First column and column behind the last one, from 1."""
    line = lines[node.lineno - 1] if node.lineno <= len(lines) else ""
    start = _char(line, node.col_offset)
    same_line = node.end_lineno == node.lineno
    end = _char(line, node.end_col_offset or 0) if same_line else len(line)
    return start + 1, end + 1


def _is_import_call(func: ast.expr) -> bool:
    if isinstance(func, ast.Name):
        return func.id in ("__import__", "import_module")
    return isinstance(func, ast.Attribute) and func.attr == "import_module"


def _catches(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(_dotted(node).rpartition(".")[2] in CATCHES for node in types)


def _suppresses(node: ast.With | ast.AsyncWith) -> bool:
    for item in node.items:
        call = item.context_expr
        if isinstance(call, ast.Call) and _dotted(call.func).rpartition(".")[2] == "suppress":
            return any(_dotted(arg).rpartition(".")[2] in CATCHES for arg in call.args)
    return False


def _dotted(node: ast.expr) -> str:
    """ "a.b.c" for such an expression, "" for any other."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.insert(0, node.attr)
        node = node.value
    return ".".join([node.id, *parts]) if isinstance(node, ast.Name) else ""


def _truth(node: ast.expr, facts: dict) -> bool | None:
    """Whether a condition holds on the guest; None if that is not known."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        inner = _truth(node.operand, facts)
        return None if inner is None else not inner
    if isinstance(node, ast.BoolOp):
        verdicts = [_truth(value, facts) for value in node.values]
        decisive = isinstance(node.op, ast.Or)
        if decisive in verdicts:
            return decisive
        return None if None in verdicts else not decisive
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return _compare(node, facts)
    if _dotted(node).rpartition(".")[2] == "TYPE_CHECKING":
        return False
    value = _value(node, facts)
    return None if value is UNKNOWN else bool(value)


def _compare(node: ast.Compare, facts: dict) -> bool | None:
    left, right = _value(node.left, facts), _value(node.comparators[0], facts)
    if left is UNKNOWN or right is UNKNOWN:
        return None
    operators = {
        ast.Eq: lambda: left == right,
        ast.NotEq: lambda: left != right,
        ast.Lt: lambda: left < right,
        ast.LtE: lambda: left <= right,
        ast.Gt: lambda: left > right,
        ast.GtE: lambda: left >= right,
        ast.In: lambda: left in right,
        ast.NotIn: lambda: left not in right,
    }
    operator = operators.get(type(node.ops[0]))
    try:
        return bool(operator()) if operator else None
    except TypeError:
        return None


def _value(node: ast.expr, facts: dict) -> object:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        values = tuple(_value(element, facts) for element in node.elts)
        return UNKNOWN if UNKNOWN in values else values
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        name, index = _dotted(node.value), node.slice.value
        if name == "sys.implementation" and index == 0:
            return facts["sys.implementation.name"]
        if name == "sys.version_info" and index in (0, 1, 2):
            return facts[name][index]
    return facts.get(_dotted(node), UNKNOWN)


def sites(items: list[ImportSite | Attempt]) -> Iterator[ImportSite]:
    """Every site in (items), whatever it hangs on."""
    for item in items:
        if isinstance(item, ImportSite):
            yield item
        else:
            yield from sites(item.body + item.fallback + item.after)
