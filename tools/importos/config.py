# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Settings from files: mkimage.toml, [tool.mkimage] in pyproject.toml, or a block in the script.

An option of the command line wins over the --target table, that over [tool.mkimage], that over
the default. Unknown keys are errors. The block in a script is that of PEP 723:

    # /// script
    # [tool.mkimage]
    # include = ["data.json"]
    # ///
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import cli_types
from .errors import EXIT_USAGE, ImageError, failure
from .modules import display

BOOT_KEYS = {"at-exit", "on-crash", "ip", "hostname", "heap", "console", "baud", "override"}
BLOCK = re.compile(r"(?m)^# /// script[ \t]*\r?\n(?P<content>(^#(| .*)\r?\n)+?)^# ///[ \t]*\r?$")
DEFAULTS: dict[str, Any] = {
    "entry": None, "extra": (), "output": (), "format": None, "modules": (), "exclude": (),
    "optional": (), "paths": (), "manifests": (), "source": False, "optimize": 2,
    "native": (), "kernel": None, "flavour": None, "compress": False,
    "memory": None, "heap": None, "ip": None, "hostname": None, "console": None, "baud": None,
    "env": (), "override": None, "at_exit": None, "on_crash": None, "repl": False, "run": False,
    "ports": (), "machine": None, "accel": None, "bios": None, "cpu": None, "smp": None,
    "disks": (), "shares": (), "serial": None, "gdb": None, "qemu_args": (), "timeout": None,
    "expect": (),
    "print_command": False, "print_flavour": False, "watch": False, "report": None, "why": None,
    "dry_run": False, "json": False,
}  # fmt: skip


def settings(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting of a build or run, from the parsed command line and the files it means."""
    given = {key.rstrip("_"): value for key, value in arguments.items()}
    merged = dict(DEFAULTS)
    for key, value in _from_files(given).items():
        merged[key] = value
    for key, value in given.items():
        if key not in merged or is_given(value):
            merged[key] = value
    if merged["repl"]:
        merged["at_exit"] = merged["at_exit"] or "repl"
    return merged


def is_given(value: Any) -> bool:
    """Whether an option of the command line was there."""
    return value is not None and value is not False and value != ()


def _from_files(given: Mapping[str, Any]) -> dict[str, Any]:
    found = _find_table(given.get("config"), given.get("entry"))
    if found is None:
        if given.get("target"):
            raise failure(
                "M004",
                f"--target {given['target']}: there is no configuration",
                exit_code=EXIT_USAGE,
            )
        return {}
    table, file, base = found
    reader = _Reader(display(file), base)
    out = reader.read(table)
    target = given.get("target")
    if target:
        targets = reader.table("target", table.get("target", {}))
        if target not in targets:
            raise reader.wrong(f"there is no target `{target}`")
        out |= reader.read(reader.table(f"target.{target}", targets[target]))
    return out


def _find_table(config: Path | None, entry: Path | None) -> tuple[dict, Path, Path] | None:
    """([tool.mkimage], its file, the folder that its paths start from)."""
    if config is not None:
        table = _load(config)
        if config.name == "pyproject.toml":
            table = _own_table(table, config) or {}
        return table, config, config.parent
    if entry is not None and entry.suffix == ".py" and entry.is_file():
        table = _script_block(entry)
        if table is not None:
            return table, entry, entry.parent
    folder = Path() if entry is None else (entry if entry.is_dir() else entry.parent)
    if (file := folder / "mkimage.toml").is_file():
        return _load(file), file, folder
    if (file := folder / "pyproject.toml").is_file() and b"[tool.mkimage" in file.read_bytes():
        return _own_table(_load(file), file) or {}, file, folder
    return None


def _load(file: Path) -> dict:
    try:
        return _parse(file.read_text("utf-8"), file)
    except OSError as error:
        raise failure("M003", f"cannot be read: {error.strerror}", file=display(file)) from None
    except UnicodeDecodeError:
        raise failure("M004", "it is not UTF-8", file=display(file)) from None


def _parse(text: str, file: Path) -> dict:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise failure("M004", f"not valid TOML: {error}", file=display(file)) from None


def _script_block(entry: Path) -> dict | None:
    try:
        source = entry.read_bytes()
    except OSError:
        return None  # the build says it better
    if b"# /// script" not in source:
        return None
    match = BLOCK.search(source.decode("utf-8", "replace"))
    if not match:
        return None
    lines = match["content"].splitlines()
    text = "\n".join(line[2:] if line.startswith("# ") else line[1:] for line in lines)
    return _own_table(_parse(text, entry), entry)


def _own_table(parsed: dict, file: Path) -> dict | None:
    """[tool.mkimage] of what was (parsed), None if it is not there."""
    reader = _Reader(display(file), file.parent)
    tools = reader.table("tool", parsed.get("tool", {}))
    return reader.table("tool.mkimage", tools["mkimage"]) if "mkimage" in tools else None


class _Reader:
    """Turns one table into settings. (base) is where relative paths start."""

    def __init__(self, file: str, base: Path) -> None:
        self.file = file
        self.base = base
        text, flag, number = self.text, self.flag, self.number
        self.keys: dict[str, tuple[str, Callable[[str, Any], Any]]] = {
            "entry": ("entry", self.path),
            "output": ("output", self.paths),
            "include": ("extra", self.include),
            "modules": ("modules", self.texts),
            "exclude": ("exclude", self.texts),
            "optional": ("optional", self.texts),
            "native": ("native", self.texts),
            "paths": ("paths", self.paths),
            "manifests": ("manifests", self.paths),
            "source": ("source", flag),
            "optimize": ("optimize", number(0, 3)),
            "flavour": ("flavour", text),
            "compress": ("compress", flag),
            "memory": ("memory", self.parsed(cli_types.parse_memory)),
            "heap": ("heap", self.parsed(cli_types.parse_heap)),
            "at-exit": ("at_exit", self.choice("poweroff", "reboot", "repl", "halt")),
            "on-crash": ("on_crash", self.choice("repl", "poweroff", "reboot")),
            "console": ("console", self.choice("serial", "none")),
            "baud": ("baud", number(300, 115200)),
            "env": ("env", self.env),
            "override": ("override", flag),
        }
        self.tables: dict[str, dict[str, tuple[str, Callable[[str, Any], Any]]]] = {
            "net": {"ip": ("ip", self.parsed(cli_types.parse_ip)), "hostname": ("hostname", text)},
            "run": {
                "ports": ("ports", self.ports),
                "machine": ("machine", self.choice("pc", "q35", "microvm")),
                "accel": ("accel", self.choice("auto", "kvm", "hvf", "whpx", "tcg")),
                "bios": ("bios", text),
                "cpu": ("cpu", text),
                "smp": ("smp", number(1, 255)),
                "disks": ("disks", self.paths),
                "shares": ("shares", self.shares),
                "timeout": ("timeout", self.parsed(cli_types.parse_duration)),
                "expect": ("expect", self.texts),
            },
        }

    def read(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """The settings in a [tool.mkimage] or [tool.mkimage.target.NAME]."""
        out: dict[str, Any] = {}
        for key, value in table.items():
            if key == "target":
                continue
            if key in self.tables:
                for inner, inner_value in self.table(key, value).items():
                    self.one(self.tables[key], f"{key}.", inner, inner_value, out)
            else:
                self.one(self.keys, "", key, value, out)
        return out

    def one(self, known: Mapping, prefix: str, key: str, value: Any, out: dict) -> None:
        if key not in known:
            import difflib

            near = difflib.get_close_matches(key, [*known, *self.tables], 1, 0.6)
            hint = (f"did you mean `{prefix}{near[0]}`?",) if near else ()
            raise failure("M004", f"unknown key `{prefix}{key}`", file=self.file, hints=hint)
        name, convert = known[key]
        out[name] = convert(prefix + key, value)

    def wrong(self, message: str) -> ImageError:
        return failure("M004", message, file=self.file)

    def table(self, key: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.wrong(f"`{key}` must be a table")
        return value

    def text(self, key: str, value: Any) -> str:
        if not isinstance(value, str):
            raise self.wrong(f"`{key}` must be a text")
        return value

    def texts(self, key: str, value: Any) -> tuple[str, ...]:
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            raise self.wrong(f"`{key}` must be a list of texts")
        return tuple(values)

    def flag(self, key: str, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self.wrong(f"`{key}` must be true or false")
        return value

    def number(self, low: int, high: int) -> Callable[[str, Any], int]:
        def convert(key: str, value: Any) -> int:
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise self.wrong(f"`{key}` must be a number from {low} to {high}")
            return value

        return convert

    def choice(self, *names: str) -> Callable[[str, Any], str]:
        def convert(key: str, value: Any) -> str:
            if value not in names:
                raise self.wrong(f"`{key}` must be one of {', '.join(names)}")
            return value

        return convert

    def parsed(self, parser: Callable[[str], Any]) -> Callable[[str, Any], Any]:
        def convert(key: str, value: Any) -> Any:
            try:
                return parser(self.text(key, value))
            except ValueError as error:
                raise self.wrong(f"`{key}`: {error}") from None

        return convert

    def path(self, key: str, value: Any) -> Path:
        texts = self.texts(key, value)
        if len(texts) != 1:
            raise self.wrong(f"`{key}` must be one path")
        return self.base / texts[0]

    def paths(self, key: str, value: Any) -> tuple[Path, ...]:
        return tuple(self.base / text for text in self.texts(key, value))

    def ports(self, key: str, value: Any) -> tuple[Any, ...]:
        try:
            return tuple(cli_types.parse_port(text) for text in self.texts(key, value))
        except ValueError as error:
            raise self.wrong(f"`{key}`: {error}") from None

    def shares(self, key: str, value: Any) -> tuple[Any, ...]:
        try:
            found = [cli_types.parse_share(text) for text in self.texts(key, value)]
        except ValueError as error:
            raise self.wrong(f"`{key}`: {error}") from None
        return tuple(replace(share, folder=self.base / share.folder) for share in found)

    def env(self, key: str, value: Any) -> tuple[tuple[str, str], ...]:
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            raise self.wrong(f"`{key}` must be a table of texts")
        return tuple(value.items())

    def include(self, key: str, value: Any) -> tuple[str, ...]:
        """Patterns with "*" or paths, each with an optional :DEST; as EXTRA words."""
        out: list[str] = []
        for text in self.texts(key, value):
            source, colon, dest = text.partition(":")
            if not any(c in source for c in "*?["):
                out.append(f"{self.base / source}{colon}{dest}")
                continue
            found = [p for p in sorted(self.base.glob(source)) if p.is_file()]
            if not found:
                raise self.wrong(f"`{key}`: nothing fits `{source}`")
            for path in found:
                relative = path.relative_to(self.base).as_posix()
                out.append(
                    f"{path}:{dest.rstrip('/')}/{relative}" if dest else f"{path}:{relative}"
                )
        return tuple(out)
