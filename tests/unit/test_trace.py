# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Following imports: where modules are found, in which order, and what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from importos import kernel
from importos.environment import site_folders
from importos.errors import ImageError
from importos.trace import Tracer


@pytest.fixture
def trace(folder, kernel_path):
    def run(files: dict, sites: tuple[str, ...] = (), **options) -> Tracer:
        root = folder(files)
        meta = kernel.load(kernel_path).meta
        folders = [root / name for name in sites]
        paths = [root / name for name in options.pop("paths", ())]
        entry = root / options.pop("entry", "app.py")
        tracer = Tracer(meta, entry.parent, paths, folders, **options)
        tracer.add_script(entry, "main", "__main__")
        tracer.run()
        return tracer

    return run


def errors(run, *args, **options) -> list[tuple[str, str]]:
    with pytest.raises(ImageError) as raised:
        run(*args, **options)
    return [(d.code, d.message) for d in raised.value.diagnostics]


def test_modules_beside_the_entry_come_along(trace):
    tracer = trace({"app.py": "import a, os", "a.py": "from b import c", "b.py": "c = 1"})
    assert set(tracer.modules) == {"__main__", "a", "b"}
    assert set(tracer.kernel_used) == {"os"}


def test_packages_bring_their_init_and_named_submodules(trace):
    tracer = trace(
        {
            "app.py": "import p.q.r\nfrom p import s, value",
            "p/__init__.py": "value = 1",
            "p/q/__init__.py": "",
            "p/q/r.py": "from . import t\nfrom .. import u\nfrom ..s import x",
            "p/q/t.py": "",
            "p/s.py": "x = 1",
            "p/u.py": "",
            "p/unused.py": "",
        }
    )
    assert set(tracer.modules) == {"__main__", "p", "p.q", "p.q.r", "p.q.t", "p.s", "p.u"}
    assert tracer.modules["p.q"].rom == "p/q/__init__"


def test_a_package_without_init_is_a_folder(trace):
    tracer = trace({"app.py": "import n.m", "n/m.py": ""})
    assert tracer.modules["n"].rom == ""
    assert tracer.modules["n.m"].rom == "n/m"


def test_the_order_is_app_then_path_then_kernel_then_environment(trace):
    files = {
        "app.py": "import a, b, gc, d",
        "a.py": "",
        "extra/a.py": "import nope",
        "extra/b.py": "",
        "site/b.py": "import nope",
        "site/gc.py": "import nope",
        "site/d.py": "",
    }
    tracer = trace(files, sites=("site",), paths=("extra",))
    found = {name: module.origin for name, module in tracer.modules.items()}
    assert found == {"__main__": "app", "a": "app", "b": "path", "d": "site"}
    assert tracer.modules["d"].rom == "lib/d"


def test_cpythons_own_library_is_never_taken(trace):
    found = errors(trace, {"app.py": "import threading", "site/threading.py": ""}, ("site",))
    assert found == [("M102", "`threading` is a module of CPython; MicroPython does not have it")]


def test_an_optional_import_may_be_missing(trace):
    source = """
try:
    import nope
except ImportError:
    nope = None
try:
    import ujson as json
except ImportError:
    import json
try:
    from inspect import iscoroutine
except ImportError:
    from asyncio import core
"""
    tracer = trace({"app.py": source})
    assert set(tracer.missing_optional) == {"nope", "inspect"}
    assert {"ujson", "asyncio"} <= set(tracer.kernel_used)


def test_the_fallback_is_needed_when_the_first_choice_is_missing(trace):
    source = "try:\n    import nope1\nexcept ImportError:\n    import nope2\n"
    assert errors(trace, {"app.py": source}) == [("M101", "module `nope2` not found")]
    source = (
        "try:\n    import os\nexcept ImportError:\n    import nope2\nelse:\n    import nope3\n"
    )
    assert errors(trace, {"app.py": source}) == [("M101", "module `nope3` not found")]


def test_optional_and_exclude_are_heeded(trace):
    trace({"app.py": "import nope.sub"}, optional=["nope"])
    tracer = trace({"app.py": "import a, b", "a.py": "", "b.py": ""}, exclude=["a"])
    assert set(tracer.modules) == {"__main__", "b"}


def test_a_local_file_with_a_kernel_modules_name_is_told(trace):
    assert errors(trace, {"app.py": "import gc", "gc.py": ""})[0][0] == "M105"
    tracer = trace({"app.py": "import json", "json.py": ""})
    assert [w.code for w in tracer.complaints.warnings] == ["M105"]
    assert "json" in tracer.modules


def test_the_entry_may_have_a_kernel_modules_name(trace):
    tracer = trace({"random.py": "import random"}, entry="random.py")
    assert "random" in tracer.kernel_used


def test_a_module_may_import_the_entry(trace):
    tracer = trace({"app.py": "import a", "a.py": "import app"})
    assert {m.rom for m in tracer.modules.values()} == {"main", "a", "app"}


def test_a_module_named_main_cannot_stand_beside_the_entry(trace):
    with pytest.raises(ImageError, match="two files would become /rom/main"):
        trace({"app.py": "import main", "main.py": ""})


@pytest.mark.parametrize("source", ["from . import a", "from .a import b", "from ... import c"])
def test_a_relative_import_outside_of_a_package_is_told(trace, source):
    found = errors(trace, {"app.py": source, "a.py": ""})
    assert found == [("M101", "relative import outside of a package")]


def test_a_relative_import_above_the_top_is_told(trace):
    files = {"app.py": "import p.a", "p/__init__.py": "", "p/a.py": "from ... import b"}
    assert errors(trace, files) == [("M101", "relative import outside of a package")]


def test_a_misspelt_name_gets_a_suggestion(trace):
    with pytest.raises(ImageError) as raised:
        trace({"app.py": "import asyncoi\nimport helpr\nimport asyncio.straem", "helper.py": ""})
    hints = [d.hints[0] for d in raised.value.diagnostics]
    assert hints == [
        "did you mean `asyncio`?",
        "did you mean `helper`?",
        "did you mean `asyncio.stream`?",
    ]


def test_all_that_is_wrong_is_told_at_once(trace):
    source = "import nope1\nimport subprocess\nfrom nope2 import x\n"
    assert [code for code, _ in errors(trace, {"app.py": source})] == ["M101", "M102", "M101"]


def test_an_extension_module_is_told(trace):
    name = "fast.cpython-311-x86_64-linux-gnu.so"
    found = errors(trace, {"app.py": "import fast", f"site/{name}": b"\x7fELF"}, ("site",))
    assert found == [("M103", "`fast` is compiled C; it cannot run here")]


def test_a_package_with_compiled_c_is_one_error_at_the_apps_line(trace):
    files = {
        "app.py": "import os\nimport nump.linalg as la\n",
        "site/nump/__init__.py": "import warnings\nfrom . import core\nimport threading",
        "site/nump/core.py": "from ._umath import add\nimport ctypes",
        "site/nump/linalg.py": "",
        "site/nump/_umath.cpython-311-x86_64-linux-gnu.so": b"\x7fELF",
        "site/nump-1.2.3.dist-info/METADATA": "",
    }
    with pytest.raises(ImageError) as raised:
        trace(files, ("site",))
    (found,) = raised.value.diagnostics
    assert (found.code, found.file, found.line, found.col) == ("M103", "app.py", 2, 8)
    assert found.message == "`nump` is compiled C; it cannot run here"
    assert "nump 1.2.3" in found.notes[0]


def test_a_package_whose_compiled_part_is_optional_is_taken(trace):
    files = {
        "app.py": "import mark",
        "site/mark/__init__.py": "try:\n from ._fast import x\nexcept ImportError:\n x = 1",
        "site/mark/_fast.abi3.so": b"\x7fELF",
    }
    assert set(trace(files, ("site",)).modules) == {"__main__", "mark"}


def test_a_package_for_cpython_is_one_error_with_reasons(trace):
    files = {
        "app.py": "import big",
        "site/big.py": "import subprocess, logging\nmatch x:\n    case 1: pass\n",
    }
    with pytest.raises(ImageError) as raised:
        trace(files, ("site",))
    (found,) = raised.value.diagnostics
    assert found.message == "the package `big` cannot run here"
    assert len(found.notes) == 4


def test_what_a_packages_function_imports_may_be_missing(trace):
    files = {"app.py": "import lib1", "site/lib1.py": "def debug():\n    import pdb\n"}
    assert "pdb" in trace(files, ("site",)).missing_optional
    assert errors(trace, {"app.py": "def f():\n    import pdb"})[0][0] == "M102"


def test_a_dynamic_import_is_a_warning_in_the_app_only(trace):
    files = {"app.py": "import plug\n__import__(name)", "site/plug.py": "__import__(name)"}
    warnings = trace(files, ("site",)).complaints.warnings
    assert [(w.code, w.file, w.line) for w in warnings] == [("M104", "app.py", 2)]


def test_versions_come_from_the_installed_distribution(trace):
    files = {
        "app.py": "import yaml_, p.q",
        "site/yaml_.py": "",
        "site/PyYAML_-6.0.dist-info/RECORD": "yaml_.py,sha256=x,1\n",
        "site/p/__init__.py": "",
        "site/p/q.py": "",
        "site/P-1.0rc1.dist-info/RECORD": "",
    }
    modules = trace(files, ("site",)).modules
    assert (modules["yaml_"].dist, modules["yaml_"].version) == ("PyYAML_", "6.0")
    assert (modules["p.q"].dist, modules["p.q"].version) == ("P", "1.0rc1")


def test_mpy_files_are_taken_where_there_is_no_source(trace):
    tracer = trace({"app.py": "import a, b", "a.mpy": b"M", "b.mpy": b"M", "b.py": ""})
    assert tracer.modules["a"].compiled
    assert not tracer.modules["b"].compiled


def test_a_folder_without_python_is_no_package(trace):
    assert errors(trace, {"app.py": "import data", "data/x.json": "{}"})[0][0] == "M101"


def test_the_chain_names_every_importer(trace):
    files = {"app.py": "\nimport a", "a.py": "import b", "b.py": "import json"}
    chain = trace(files).complaints.chain
    assert chain("b") == ["b", "a.py:1", "app.py:2"]
    assert chain("json") == ["json", "b.py:1", "a.py:1", "app.py:2"]


def test_a_cycle_of_imports_ends(trace):
    tracer = trace({"app.py": "import a", "a.py": "import b", "b.py": "import a"})
    assert tracer.complaints.chain("b")[-1] == "app.py:1"


def test_an_active_virtual_environment_is_searched_first(folder, monkeypatch):
    root = folder({"env/lib/python3.12/site-packages/x.py": ""})
    monkeypatch.setenv("VIRTUAL_ENV", str(root / "env"))
    assert site_folders()[0] == root / "env/lib/python3.12/site-packages"
    monkeypatch.delenv("VIRTUAL_ENV")
    assert all((root / "env") not in Path(path).parents for path in site_folders())
