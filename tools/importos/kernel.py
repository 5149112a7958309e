# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""The prebuilt kernel: where it is, and what `kernel.json` beside it tells.

Three files travel together; tools/dev/package_kernel.py makes them from a kernel build:
`kernel.elf` (cut behind its last segment), `kernel.sym` (symbols, for `importos symbolize`) and
`kernel.json`. These are the flavour `full`; another one is beside them as `kernel-NAME.elf` and so
on (flavours.py). `library.json` has the sources of what is frozen into `full`, for flavours
that freeze nothing: name -> [path, text]. A clone need not have built every flavour: what each
has, and which one is larger, stands in flavours.json. `kernel.json` is one object with these keys:

    schema         1
    version        of ImportOS, "0.1.0"
    commit         of this repository, or ""
    flavour        "full"
    parts          what of the kernel may be missing and is there: ["COMPILER", "DISKS", ...]
    arch           "x86_64"
    micropython    "1.26.1"
    mpy            {"version": 6, "sub_version": 3, "arch": "x64", "small_int_bits": 63}
    flags          the optimisation flags of the build, one string
    modules        {"builtin": [...], "extensible": [...], "frozen": [...]}, names with dots;
                   "builtin" always win over files, "extensible" only if no file is found,
                   "frozen" are looked at before the app's files
    upstream       [{"name": "micropython", "version": "1.26.1+ds-1", "sha256": "..."}, ...]
    size           bytes of kernel.elf
    sha256         of the kernel cut and padded to a page (`digest()`), the same in every image
    memory_min     bytes of RAM that the kernel needs beside what is loaded

`--kernel PATH` or IMPORTOS_KERNEL names another kernel.elf; its .json lies beside it.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from . import elf
from .errors import EXIT_ENVIRONMENT, EXIT_INPUT, failure

DATA = Path(__file__).parent / "data"
FLAVOURS = Path(__file__).parent / "flavours.json"
FULL = "full"
SCHEMA = 1
MEMORY_MIN = 1 << 20
SIZE_MAX = 256 << 20  # no kernel is larger; a wrong path could be


@dataclass(frozen=True, slots=True)
class Meta:
    """`kernel.json`, checked. See the head of this file for the keys."""

    version: str
    commit: str
    flavour: str
    parts: frozenset[str]
    size: int
    arch: str
    micropython: str
    mpy: dict
    flags: str
    builtin: frozenset[str]
    extensible: frozenset[str]
    frozen: frozenset[str]
    upstream: tuple[dict, ...]
    sha256: str
    memory_min: int

    def has(self, name: str) -> bool:
        """Whether `import name` is satisfied by the kernel alone."""
        if name in self.builtin or name in self.extensible or name in self.frozen:
            return True
        return name.startswith("u") and name[1:] in self.extensible

    @property
    def names(self) -> list[str]:
        """Every module that can be imported, sorted."""
        return sorted(self.builtin | self.extensible | self.frozen)


@dataclass(frozen=True, slots=True)
class LoadedKernel:
    """A kernel file with what is known of it."""

    path: Path
    elf: elf.Kernel
    meta: Meta


def digest(kernel: elf.Kernel) -> str:
    """SHA-256 of the kernel as it stands in an image without its payload."""
    return hashlib.sha256(elf.append(kernel, b"")).hexdigest()


def locate(path: Path | None = None, flavour: str = FULL) -> tuple[Path, bool]:
    """Where the kernel file of a flavour is, and whether the user named it."""
    given = path or (Path(env) if (env := os.environ.get("IMPORTOS_KERNEL")) else None)
    where = given or DATA / "kernel.elf"
    if where.is_dir():
        where /= "kernel.elf"
    if flavour != FULL:
        where = where.with_name(f"{where.stem}-{flavour}{where.suffix}")
    return where, bool(given)


def flavours(path: Path | None = None) -> dict[str, Meta]:
    """The flavours that are there, by name. `full` is among them if the user named the kernel.
    Raises ImageError M302 if there is none."""
    where, given = locate(path)
    beside = sorted(where.parent.glob(f"{where.stem}-*.json"))
    if not where.is_file() and (given or not beside):
        _read(where, given)
    if where.is_file():
        beside.insert(0, where.with_suffix(".json"))
    found: dict[str, Meta] = {}
    for file in beside:
        meta = _load_meta(file, given)
        found.setdefault(meta.flavour, meta)
    return found


def described() -> dict[str, Meta]:
    """Every flavour by name, the smallest first, built or not, as flavours.json tells: each has
    what the one before it has, and more. Only the names in it, (parts) and the order of (size)
    are true."""
    found: dict[str, Meta] = {}
    names = {key: frozenset[str]() for key in ("parts", "builtin", "extensible", "frozen")}
    for size, (flavour, more) in enumerate(json.loads(FLAVOURS.read_text("utf-8")).items()):
        names = {key: names[key] | frozenset(more.get(key, ())) for key in names}
        found[flavour] = Meta(
            version="", commit="", flavour=flavour, size=size, arch="", micropython="", mpy={},
            flags="", upstream=(), sha256="", memory_min=MEMORY_MIN, **names,
        )  # fmt: skip
    return found


def library(path: Path | None = None) -> dict[str, list[str]]:
    """The path and the source of each module frozen into the kernel, if they came along."""
    try:
        return json.loads((locate(path)[0].parent / "library.json").read_text("utf-8"))
    except FileNotFoundError:
        return {}


def load(path: Path | None = None, flavour: str = "") -> LoadedKernel:
    """The kernel of that flavour, or the largest that is there. Raises ImageError M302 when it is
    missing or damaged."""
    if not flavour:
        flavour = max(flavours(path).values(), key=lambda meta: meta.size).flavour
    where, given = locate(path, flavour)
    exit_code = EXIT_INPUT if given else EXIT_ENVIRONMENT
    data = _read(where, given)
    try:
        parsed = elf.parse(data)
    except elf.ElfError as error:
        raise failure(
            "M302",
            f"the kernel cannot be used: {error}",
            file=str(where),
            hints=(_kernel_hint(given),),
            exit_code=exit_code,
        ) from None
    meta = _load_meta(where.with_suffix(".json"), given)
    if meta.sha256 != digest(parsed):
        raise failure(
            "M302",
            f"the kernel is damaged: its bytes are not those that `{where.stem}.json` states",
            file=str(where),
            hints=(_kernel_hint(given),),
            exit_code=exit_code,
        )
    return LoadedKernel(where, parsed, meta)


def _kernel_hint(given: bool) -> str:
    if given:
        return "leave `--kernel` and IMPORTOS_KERNEL out to use the kernel that came with importos"
    return "in a clone of the repository: `make kernel`; otherwise install importos again"


def _read(where: Path, given: bool) -> bytes:
    exit_code = EXIT_INPUT if given else EXIT_ENVIRONMENT
    try:
        with where.open("rb") as file:
            data = file.read(SIZE_MAX + 1)
    except FileNotFoundError:
        raise failure(
            "M302",
            "there is no kernel" if given else "this installation has no kernel",
            file=str(where),
            hints=(_kernel_hint(given),),
            exit_code=exit_code,
        ) from None
    except OSError as error:
        raise failure(
            "M302",
            f"the kernel cannot be read: {error.strerror}",
            file=str(where),
            exit_code=EXIT_ENVIRONMENT,
        ) from None
    if len(data) > SIZE_MAX:
        raise failure("M302", "the kernel cannot be used: it is too large", file=str(where))
    return data


def _load_meta(where: Path, given: bool) -> Meta:
    try:
        return parse_meta(where.read_text("utf-8"))
    except OSError as error:
        why = f"it cannot be read: {error.strerror}"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"it is not a description of a kernel: {error}"
    raise failure(
        "M302",
        "the kernel's description is missing or wrong",
        file=str(where),
        notes=(why, "tools/dev/package_kernel.py writes it from a kernel build"),
        hints=(_kernel_hint(given),),
        exit_code=EXIT_INPUT if given else EXIT_ENVIRONMENT,
    )


def parse_meta(text: str) -> Meta:
    """The Meta in the text of a `kernel.json`. Raises ValueError, KeyError or TypeError."""
    raw = json.loads(text)
    if raw["schema"] != SCHEMA:
        raise ValueError(f"schema {raw['schema']}, these tools know {SCHEMA}")
    modules = raw["modules"]
    mpy = {key: raw["mpy"][key] for key in ("version", "sub_version", "arch", "small_int_bits")}
    return Meta(
        version=str(raw["version"]),
        commit=str(raw["commit"]),
        flavour=str(raw.get("flavour", "full")),
        parts=frozenset(raw.get("parts", ())),
        size=int(raw["size"]),
        arch=str(raw["arch"]),
        micropython=str(raw["micropython"]),
        mpy=mpy,
        flags=str(raw.get("flags", "")),
        builtin=frozenset(modules["builtin"]),
        extensible=frozenset(modules["extensible"]),
        frozen=frozenset(modules["frozen"]),
        upstream=tuple(dict(item) for item in raw.get("upstream", ())),
        sha256=str(raw["sha256"]),
        memory_min=int(raw.get("memory_min", MEMORY_MIN)),
    )
