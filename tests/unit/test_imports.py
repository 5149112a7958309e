# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Which imports a source text has, and which of them MicroPython reaches."""

from __future__ import annotations

import ast
import textwrap

import pytest

from importos import imports


def scan(source: str, name: str = "__main__") -> imports.Scan:
    source = textwrap.dedent(source)
    return imports.scan(ast.parse(source), name, source.splitlines())


def names(source: str, name: str = "__main__") -> list[str]:
    return [site.module for site in imports.sites(scan(source, name).items)]


@pytest.mark.parametrize(
    ("condition", "reached"),
    [
        ("TYPE_CHECKING", "else"),
        ("typing.TYPE_CHECKING", "else"),
        ("not TYPE_CHECKING", "then"),
        ('sys.implementation.name == "micropython"', "then"),
        ('sys.implementation.name != "micropython"', "else"),
        ('"micropython" == sys.implementation.name', "then"),
        ('sys.implementation[0] == "cpython"', "else"),
        ('sys.implementation.name in ("micropython", "circuitpython")', "then"),
        ('sys.implementation.name not in ("cpython",)', "then"),
        ('sys.platform == "x86"', "then"),
        ('sys.platform == "win32" or sys.platform == "linux"', "else"),
        ('sys.platform == "x86" and unknown', "both"),
        ('sys.platform == "rp2" and unknown', "else"),
        ("sys.version_info >= (3, 8)", "else"),
        ("sys.version_info[0] == 3", "then"),
        ('__name__ == "__main__"', "then"),
        ("0", "else"),
        ("unknown", "both"),
        ("hasattr(sys, 'implementation')", "both"),
        ("sys.version_info > 'x'", "both"),
    ],
)
def test_a_condition_about_the_implementation_is_decided(condition, reached):
    found = names(f"if {condition}:\n    import a\nelse:\n    import b\n")
    assert found == {"then": ["a"], "else": ["b"], "both": ["a", "b"]}[reached]


def test_a_module_that_is_not_the_entry_has_its_own_name():
    assert names('if __name__ == "__main__":\n    import a\n', "lib.b") == []


@pytest.mark.parametrize(
    "handler",
    ["ImportError", "(OSError, ImportError)", "ModuleNotFoundError", "Exception", "",
     "builtins.ImportError"],
)  # fmt: skip
def test_a_try_that_catches_import_errors_is_an_attempt(handler):
    (item,) = scan(f"try:\n    import a\nexcept {handler}:\n    import b\n").items
    assert isinstance(item, imports.Attempt)
    assert [s.module for s in imports.sites(item.body)] == ["a"]
    assert [s.module for s in imports.sites(item.fallback)] == ["b"]


def test_a_try_that_catches_something_else_changes_nothing():
    items = scan(
        "try:\n    import a\nexcept OSError:\n    import b\nfinally:\n    import c\n"
    ).items
    assert [type(item) for item in items] == [imports.ImportSite] * 3


def test_else_and_finally_belong_where_they_run():
    source = """
        try:
            import a
        except ImportError:
            pass
        else:
            import b
        finally:
            import c
    """
    attempt, last = scan(source).items
    assert [s.module for s in imports.sites(attempt.after)] == ["b"]
    assert last.module == "c"


def test_suppress_makes_an_import_optional():
    (item,) = scan("with contextlib.suppress(ImportError):\n    import a\n").items
    assert isinstance(item, imports.Attempt)
    (item,) = scan("with suppress(OSError):\n    import a\n").items
    assert isinstance(item, imports.ImportSite)


def test_imports_are_found_wherever_statements_are():
    source = """
        class A:
            import a
            async def f(self):
                for x in y:
                    import b
                else:
                    import c
                while x:
                    with y:
                        import d
                async with z:
                    from e import f
        lambda: __import__("g")
        x = [importlib.import_module("h.i") for _ in y]
        if __import__("j"):
            pass
    """
    assert names(source) == ["a", "b", "c", "d", "e", "g", "h.i", "j"]


def test_what_stands_in_a_function_is_deferred():
    sites = list(imports.sites(scan("import a\ndef f():\n    import b\n").items))
    assert [site.deferred for site in sites] == [False, True]


def test_an_import_whose_name_is_not_known_is_told():
    found = scan("import_module(name)\n__import__('a' + b)\n__import__('.x', package)\n")
    assert [text for *_, text in found.dynamic] == ["import_module(name)", "__import__('a' + b)"]


def test_places_count_characters_also_behind_umlauts():
    (site,) = scan("x = 'äöü'; import nope\n").items
    assert (site.line, site.col, site.end_col) == (1, 19, 23)


def test_the_place_of_a_from_import_is_the_module():
    (site,) = scan("from  ..pkg.mod import a, b\n").items
    assert (site.module, site.level, site.names) == ("pkg.mod", 2, ("a", "b"))
    assert (site.col, site.end_col) == (7, 16)
