#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Make the package's kernel data from a kernel build: kernel.elf, kernel.json, kernel.sym.

    package_kernel.py BUILD/kernel.elf [tools/importos/data] [--commit HEX] [--flags="-O2 ..."]
        [--upstream FILE.json | --upstream NAME=VERSION[=SHA256]]...

Another flavour than `full` makes kernel-NAME.elf and so on; the build's file `parts` names it.
The programs that unpack compressed images and that load images from disks go with each.

The names of built-in modules come from the build's own files beside the ELF (or --build-dir):
genhdr/moduledefs.h (what MP_REGISTER_MODULE left after the preprocessor) and frozen_content.c.
The .mpy version comes from --micropython-dir's py/persistentcode.h, and the version of MicroPython
from the build's genhdr/mpversion.h. What was fetched is told by build/upstream/upstream.json
unless --upstream says it. See tools/importos/kernel.py for the form of kernel.json.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from importos import __version__, elf, kernel  # noqa: E402  (not installed while it is built)
from importos.symbolize import read_symbols, write_symbols  # noqa: E402

UPSTREAM = ROOT / "build/upstream"
# Bytes beside the kernel with which examples/hello.py starts, and more than that.
MEMORY_MIN = {"small": 320 << 10}
DEFINE = re.compile(r"#define (MODULE_DEF_\w+) \{\s*MP_ROM_QSTR\(MP_QSTR_(\w+)\)")
TABLE = re.compile(r"#define MICROPY_REGISTERED_(EXTENSIBLE_)?MODULES \\\n((?:.*\\\n)*)")
FROZEN_NAMES = re.compile(r"const char mp_frozen_names\[\] = \{(.*?)\};", re.DOTALL)
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


def registered_modules(text: str) -> tuple[list[str], list[str]]:
    """(builtin, extensible) module names in the text of a genhdr/moduledefs.h."""
    names = dict(DEFINE.findall(text))
    found: dict[bool, list[str]] = {False: [], True: []}
    for extensible, body in TABLE.findall(text):
        for word in re.findall(r"MODULE_DEF_\w+", body):
            if word not in names:
                raise SystemExit(f"moduledefs.h: {word} is listed but not defined")
            found[bool(extensible)].append(names[word].replace("_dot_", "."))
    if not found[False]:
        raise SystemExit("moduledefs.h: no registered modules found")
    return sorted(found[False]), sorted(found[True])


def frozen_modules(text: str) -> list[str]:
    """Module names in the text of a frozen_content.c."""
    match = FROZEN_NAMES.search(text)
    if not match:
        raise SystemExit("frozen_content.c: no mp_frozen_names")
    macro = re.search(r"#define MP_FROZEN_STR_NAMES \\\n((?:.*\\\n)*)", text)
    body = match.group(1) + (macro.group(1) if macro else "")
    names = set()
    for literal in STRING.findall(body):
        for path in literal.split("\\0"):
            if path.endswith((".py", ".mpy")):
                name = path.rsplit(".", 1)[0].replace("/", ".")
                names.add(name.removesuffix(".__init__"))
    return sorted(names)


def mpy_version(micropython_dir: Path) -> dict:
    """Version of the .mpy files that the kernel loads."""
    found = {"MPY_VERSION": 6, "MPY_SUB_VERSION": 3}
    header = micropython_dir / "py/persistentcode.h"
    if header.is_file():
        text = header.read_text()
        for key in found:
            match = re.search(rf"#define {key} (\d+)", text)
            if not match:
                raise SystemExit(f"persistentcode.h: no {key}")
            found[key] = int(match.group(1))
    return {
        "version": found["MPY_VERSION"],
        "sub_version": found["MPY_SUB_VERSION"],
        "arch": "x64",
        "small_int_bits": 63,
    }


def micropython_version(build_dir: Path) -> str:
    """MicroPython's version as the build's mpversion.h or makefile record has it."""
    text = (build_dir / "genhdr/mpversion.h").read_text()
    match = re.search(r'#define MICROPY_GIT_TAG "v?([^"]+)"', text)
    return match.group(1) if match else "unknown"


def upstream_records(items: list[str]) -> list[dict]:
    """--upstream arguments as records; a file is what fetch_upstream.py wrote."""
    out = []
    for item in items:
        if item.endswith(".json"):
            for name, told in json.loads(Path(item).read_text()).items():
                digest = told.get("orig_sha256") or told.get("dsc_sha256") or ""
                out.append({"name": name, "version": told["version"], "sha256": digest})
            continue
        name, _, rest = item.partition("=")
        version, _, sha256 = rest.partition("=")
        out.append({"name": name, "version": version, "sha256": sha256})
    return sorted(out, key=lambda record: record["name"])


def flavour(build_dir: Path) -> tuple[str, list[str]]:
    """The name of the flavour and its parts, as the build's makefile wrote them."""
    file = build_dir / "parts"
    name, *parts = file.read_text().split() if file.exists() else ["full"]
    return name, sorted(parts)


def git_commit() -> str:
    """This repository's commit, "-dirty" if there are changes, "" outside of git."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def write(path: Path, data: bytes) -> None:
    """Write beside, then rename; an unchanged file keeps its time."""
    if path.exists() and path.read_bytes() == data:
        return
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(data)
    os.replace(temporary, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("elf", type=Path, help="the linked kernel, with symbols")
    parser.add_argument("output", type=Path, nargs="?", default=ROOT / "tools/importos/data")
    parser.add_argument("--build-dir", type=Path, help="default: the folder of ELF")
    parser.add_argument("--micropython-dir", type=Path, default=UPSTREAM / "micropython")
    parser.add_argument("--commit", help="default: what git says")
    parser.add_argument("--flags", default="")
    parser.add_argument("--upstream", action="append", default=[])
    parser.add_argument("--memory-min", type=int, help="default: as measured, by flavour")
    args = parser.parse_args()
    if not args.upstream and (UPSTREAM / "upstream.json").is_file():
        args.upstream = [str(UPSTREAM / "upstream.json")]

    build_dir = args.build_dir or args.elf.parent
    try:
        parsed = elf.parse(args.elf.read_bytes())
        builtin, extensible = registered_modules((build_dir / "genhdr/moduledefs.h").read_text())
        frozen_content = build_dir / "frozen_content.c"
        frozen = frozen_modules(frozen_content.read_text()) if frozen_content.exists() else []
        micropython = micropython_version(build_dir)
    except (OSError, elf.ElfError) as error:
        raise SystemExit(f"package_kernel: {args.elf}: {error}") from None
    cut = elf.append(parsed, b"")
    name, parts = flavour(build_dir)
    stem = "kernel" if name == "full" else f"kernel-{name}"
    meta = {
        "schema": kernel.SCHEMA,
        "version": __version__,
        "commit": git_commit() if args.commit is None else args.commit,
        "flavour": name,
        "parts": parts,
        "arch": "x86_64",
        "micropython": micropython,
        "mpy": mpy_version(args.micropython_dir),
        "flags": args.flags,
        "modules": {"builtin": builtin, "extensible": extensible, "frozen": frozen},
        "upstream": upstream_records(args.upstream),
        "size": len(cut),
        "sha256": kernel.digest(parsed),
        "memory_min": args.memory_min or MEMORY_MIN.get(name, kernel.MEMORY_MIN),
    }
    args.output.mkdir(parents=True, exist_ok=True)
    write(args.output / f"{stem}.elf", cut)
    write(args.output / f"{stem}.sym", write_symbols(read_symbols(args.elf.read_bytes())))
    text = json.dumps(meta, indent=1, sort_keys=True) + "\n"
    write(args.output / f"{stem}.json", text.encode())
    for program in ("unpack.bin", "load.bin"):
        if (build_dir / program).exists():
            write(args.output / program, (build_dir / program).read_bytes())
    count = len(builtin) + len(extensible) + len(frozen)
    print(
        f"{args.output}: {stem}.elf {len(cut)} bytes, {count} modules, micropython {micropython}"
    )


if __name__ == "__main__":
    main()
