# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""The Python environment around us: where packages lie, and which distribution owns one.

The folders are those of this interpreter's sys.path without CPython's own library, and before
them those of an active virtual environment (VIRTUAL_ENV) that is not this interpreter's.
importlib.metadata would tell the owner too, but loading it takes a quarter of a whole build.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

EXTENSION_SUFFIXES = (".so", ".pyd", ".dylib")


@dataclass(frozen=True, slots=True)
class Distribution:
    """An installed distribution: name and version as its .dist-info folder has them."""

    name: str
    version: str


def site_folders() -> list[Path]:
    """Folders with installed packages, in the order in which they are searched."""
    folders: list[Path] = []
    active = os.environ.get("VIRTUAL_ENV")
    if active and Path(active).resolve() != Path(sys.prefix).resolve():
        folders += sorted(Path(active).glob("lib/python3*/site-packages"))
        folders += Path(active).glob("Lib/site-packages")
    library = Path(os.__file__).parent
    scripts = Path(sys.argv[0]).resolve().parent if sys.argv[0] else None
    for entry in sys.path:
        path = Path(entry or ".")
        own = path == library or (library in path.parents and "site-packages" not in path.parts)
        if not entry or own or path == scripts or not path.is_dir():
            continue
        folders.append(path)
    return folders


class Listing:
    """Folder contents, read once. A folder that cannot be read raises OSError to the caller."""

    def __init__(self) -> None:
        self._names: dict[Path, frozenset[str]] = {}

    def names(self, folder: Path) -> frozenset[str]:
        """The names in (folder), empty if there is no such folder."""
        if folder not in self._names:
            try:
                self._names[folder] = frozenset(os.listdir(folder))
            except (FileNotFoundError, NotADirectoryError):
                self._names[folder] = frozenset()
        return self._names[folder]

    def module(self, folder: Path, name: str) -> Path | None:
        """The file or folder that `import name` means in (folder), as MicroPython looks for it.

        A folder (package), NAME.py, NAME.mpy, or an extension module, in this order.
        """
        names = self.names(folder)
        if name in names and (folder / name).is_dir() and self._is_package(folder / name):
            return folder / name
        for suffix in (".py", ".mpy"):
            if name + suffix in names:
                return folder / (name + suffix)
        for other in sorted(names):
            if other.startswith(name + ".") and other.endswith(EXTENSION_SUFFIXES):
                return folder / other
        return None

    def _is_package(self, folder: Path) -> bool:
        """A folder with Python in it somewhere near; a folder of pictures is no package."""
        names = self.names(folder)
        if any(name.endswith((".py", ".mpy", *EXTENSION_SUFFIXES)) for name in names):
            return True
        return any((folder / n).is_dir() and self._has_python(folder / n) for n in sorted(names))

    def _has_python(self, folder: Path) -> bool:
        try:
            return any(name.endswith((".py", ".mpy")) for name in self.names(folder))
        except OSError:
            return False


def _normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def distribution(listing: Listing, folder: Path, top: str) -> Distribution | None:
    """The distribution in (folder) that brought the top-level module (top)."""
    infos = [name for name in listing.names(folder) if name.endswith(".dist-info")]
    for info in sorted(infos):
        name, _, version = info.removesuffix(".dist-info").partition("-")
        if _normalise(name) == _normalise(top):
            return Distribution(name, version)
    wanted = (f"{top}/", f"{top}.py,", f"{top}.mpy,")
    for info in sorted(infos):
        try:
            record = (folder / info / "RECORD").read_text("utf-8", "replace")
        except OSError:
            continue
        if any(line.startswith(wanted) for line in record.splitlines()):
            name, _, version = info.removesuffix(".dist-info").partition("-")
            return Distribution(name, version)
    return None


def has_extension_modules(folder: Path, limit: int = 5000) -> bool:
    """Whether there is compiled C anywhere in a package's folder."""
    seen = 0
    for _, _, files in os.walk(folder):
        seen += len(files)
        if any(name.endswith(EXTENSION_SUFFIXES) for name in files):
            return True
        if seen > limit:
            return False
    return False


# What to use on the guest instead of a module that only CPython has.
INSTEAD = {
    "threading": "use `asyncio`",
    "multiprocessing": "use `asyncio`; there is one processor and one process",
    "concurrent": "use `asyncio`",
    "subprocess": "there are no processes; import the other program as a module",
    "signal": "Ctrl-C raises KeyboardInterrupt; other signals do not exist",
    "typing": "put it under `if TYPE_CHECKING:` or in `try: ... except ImportError: pass`",
    "__future__": "leave the line out; annotations are never evaluated here",
    "dataclasses": "write `__init__`, or use `collections.namedtuple`",
    "abc": "leave the base class out; methods may raise NotImplementedError",
    "enum": "use constants: `RED = const(1)` with `from micropython import const`",
    "pathlib": "use `os` and strings",
    "shutil": "use `os` and open()",
    "glob": "use `os.ilistdir`",
    "tempfile": "use a file of your own choice",
    "logging": "use print(), or a small logger of your own",
    "argparse": "read `sys.argv` yourself",
    "datetime": "use `time.localtime()` and `time.time()`",
    "calendar": "use `time.localtime()`",
    "csv": "use `line.split(',')`",
    "urllib": "use `socket`, or a package such as `microdot` for servers",
    "http": "use `microdot` for servers, `socket` or `asyncio` for clients",
    "requests": "use `socket` or `asyncio.open_connection()`",
    "socketserver": "use `asyncio.start_server()`",
    "sqlite3": "use files or `json`",
    "decimal": "use integers; they have any size",
    "fractions": "use integers; they have any size",
    "statistics": "compute it: `sum(values) / len(values)`",
    "itertools": "write the loop; generators are available",
    "functools": "write the function; closures are available",
    "operator": "use a lambda",
    "string": "write the characters out",
    "copy": "use `list(x)` and `dict(x)`",
    "inspect": "there is no inspection beyond dir() and type()",
    "types": "use type()",
    "traceback": "use `sys.print_exception(error)`",
    "unittest": "use `assert`",
    "contextlib": "write a class with `__enter__` and `__exit__`",
    "warnings": "use print()",
    "weakref": "keep a strong reference and drop it yourself",
    "base64": "use `binascii.b2a_base64()` and `a2b_base64()`",
    "secrets": "use `os.urandom()`",
    "uuid": "use `os.urandom(16)` and `binascii.hexlify()`",
    "hmac": "use `hashlib`",
    "queue": "use `asyncio.Queue`-like code over `collections.deque`",
    "sched": "use `asyncio.sleep()`",
    "getpass": "use input()",
    "ctypes": "use `uctypes`",
    "mmap": "use `machine.mem8` or `uctypes`",
    "importlib": "use `__import__()`",
    "pickle": "use `json` or `struct`",
    "zlib": "use `deflate`",
    "gzip": "use `deflate`",
    "configparser": "use `json`",
    "tomllib": "use `json`",
    "textwrap": "split the text yourself",
    "numbers": "use isinstance(x, (int, float))",
}
