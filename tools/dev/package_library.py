#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Make library.json, the sources of the modules that are frozen into the whole kernel.

    package_library.py [tools/importos/data] [--micropython-dir DIR]

mkimage traces them, and compiles those that the app needs where the flavour freezes none. They
are known without any kernel: their names stand in tools/importos/flavours.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from importos import kernel  # noqa: E402  (not installed while it is built)
from importos.mkimage import write_atomically  # noqa: E402

BOOT = "_boot"  # the kernel's own, which no app imports


def library(names: list[str], micropython_dir: Path) -> dict[str, list[str]]:
    """The frozen modules (names): path and source of each."""
    extmod = micropython_dir / "extmod"
    out = {}
    for name in names:
        path = name.replace(".", "/")
        tries = [
            folder / file
            for folder in (ROOT / "frozen", extmod, extmod / "asyncio")
            for file in (f"{path}.py", f"{path}/__init__.py")
        ]
        found = next((file for file in tries if file.is_file()), None)
        if found is None:
            raise SystemExit(f"package_library: the source of the frozen `{name}` is not there")
        inner = "/__init__.py" if found.name == "__init__.py" else ".py"
        out[name] = [path + inner, found.read_text("utf-8")]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, nargs="?", default=kernel.DATA)
    parser.add_argument(
        "--micropython-dir", type=Path, default=ROOT / "build/upstream/micropython"
    )
    args = parser.parse_args()
    names = sorted(kernel.described()[kernel.FULL].frozen - {BOOT})
    text = json.dumps(library(names, args.micropython_dir), indent=1)
    args.output.mkdir(parents=True, exist_ok=True)
    write_atomically(args.output / "library.json", text.encode())


if __name__ == "__main__":
    main()
