# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""A file knows its own layer and the ones below: arch, drivers, port, modules.

The lists SRC_ARCH, SRC_DRIVER and SRC_PORT of port/x86/Makefile say which file is in which layer;
the #include lines say what a file knows, also through the headers that it includes.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("ARCH", "DRIVER", "PORT")
PORT = len(LAYERS) - 1
# Headers of the port layer that have no source file of their own name.
PORT_HEADERS = {"mpconfigport.h", "qstrdefsport.h"}
# The only directories that arch and drivers may include from: the compiler's own headers.
COMPILER_HEADERS = {
    "stdalign.h", "stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "stdnoreturn.h", "string.h",
    "errno.h", "limits.h",
}  # fmt: skip


def layer_lists(makefile: str) -> dict[str, int]:
    """File stem -> layer number, from the SRC_ lists of a Makefile."""
    layers = {}
    joined = makefile.replace("\\\n", " ")
    for number, name in enumerate(LAYERS):
        for match in re.finditer(rf"^SRC_{name}\w*\s*[:+]?=(.*)$", joined, re.MULTILINE):
            for word in match[1].split():
                if word.endswith((".c", ".S")) and "/" not in word and "$" not in word:
                    layers[Path(word).stem] = number
    return layers


def includes(path: Path) -> list[str]:
    return re.findall(r'^\s*#\s*include\s*["<]([^">]+)[">]', path.read_text("utf-8"), re.MULTILINE)


def violations(port: Path, modules: Path) -> list[str]:
    """Every include that goes upwards or sideways, as "file includes header: why"."""
    layers = layer_lists((port / "Makefile").read_text("utf-8"))
    found = []
    for path in sorted([*port.glob("*.c"), *port.glob("*.S"), *port.glob("*.h")]):
        own = layers.get(path.stem, PORT if path.name in PORT_HEADERS else None)
        if own is None and path.suffix != ".h":
            found.append(f"{path.name} is in none of the SRC_ lists")
        elif own is not None:
            found += climbs(path, own, layers, port)
    for path in sorted(modules.glob("*/*.[ch]")):
        for header in includes(path):
            other = next((d.name for d in modules.iterdir() if (d / header).is_file()), None)
            if other not in (None, path.parent.name) and not (path.parent / header).is_file():
                found.append(f"{path.parent.name}/{path.name} includes {header} of {other}")
    return found


def climbs(path: Path, own: int, layers: dict[str, int], port: Path) -> list[str]:
    """The includes of (path), in layer (own), that a lower layer may not know."""
    found = []
    seen = set()
    waiting = [path]
    while waiting:
        file = waiting.pop()
        for header in includes(file):
            if header in seen:
                continue
            seen.add(header)
            where = path.name if file == path else f"{path.name} (through {file.name})"
            if (port / header).is_file():
                layer = layers.get(Path(header).stem, PORT if header in PORT_HEADERS else 0)
                if layer > own:
                    found.append(f"{where} includes {header}: {LAYERS[layer].lower()} is above")
                waiting.append(port / header)
            elif own < PORT and header not in COMPILER_HEADERS:
                found.append(f"{where} includes {header}: below the port only our headers")
    return found


def test_no_file_includes_from_a_layer_above():
    assert violations(ROOT / "port/x86", ROOT / "modules") == []


def test_every_source_is_in_one_layer():
    layers = layer_lists((ROOT / "port/x86/Makefile").read_text("utf-8"))
    assert {"trap", "irq", "uart", "main"} <= set(layers)


@pytest.fixture
def tree(tmp_path: Path) -> tuple[Path, Path]:
    """A small tree that keeps the rule."""
    port, modules = tmp_path / "port", tmp_path / "modules"
    for directory in (port, modules / "os", modules / "net"):
        directory.mkdir(parents=True)
    (port / "Makefile").write_text(
        "SRC_ARCH = irq.c trap_entry.S\nSRC_DRIVER = \\\n\tuart.c\nSRC_PORT = main.c\n"
    )
    (port / "trap_entry.S").write_text('#include "trap.h"\n')
    (port / "trap.h").write_text("#include <stdint.h>\n")
    (port / "irq.c").write_text('#include "irq.h"\n')
    (port / "irq.h").write_text("#include <stdint.h>\n")
    (port / "uart.c").write_text('#include "uart.h"\n#include "irq.h"\n')
    (port / "uart.h").write_text("#include <stddef.h>\n")
    (port / "main.c").write_text('#include "uart.h"\n#include "py/runtime.h"\n')
    (modules / "os/modos.c").write_text('#include "os_irq.h"\n#include "py/obj.h"\n')
    (modules / "os/os_irq.h").write_text('#include "irq.h"\n')
    return port, modules


def test_a_tree_that_keeps_the_rule_passes(tree):
    assert violations(*tree) == []


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("port/irq.c", '#include "uart.h"', "irq.c includes uart.h: driver is above"),
        ("port/irq.h", '#include "uart.h"', "irq.h includes uart.h: driver is above"),
        ("port/trap.h", '#include "main.h"', "trap_entry.S (through trap.h) includes main.h"),
        ("port/uart.c", '#include "py/obj.h"', "uart.c includes py/obj.h: below the port"),
        ("modules/net/modnet.c", '#include "os_irq.h"', "net/modnet.c includes os_irq.h of os"),
        ("port/lost.c", "", "lost.c is in none of the SRC_ lists"),
    ],
)
def test_a_violation_is_found(tree, file, line, message):
    port, modules = tree
    (port / "main.h").write_text("")
    with (port.parent / file).open("a") as out:
        out.write(line + "\n")
    assert any(found.startswith(message) for found in violations(port, modules))
