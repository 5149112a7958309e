# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Manifests as MicroPython's ports have them: a Python file whose calls name what goes in.

The names and arguments are those of MicroPython's docs/reference/manifest.rst: module(),
package(), freeze(), include(), require(), metadata(), add_library() and options.defaults(). A
manifest is executed, with these names beside Python's own. (opt) has no effect, --optimize holds
for all; c_module(), freeze_mpy() and the freeze_as functions are refused.

require() takes, in this order, what MicroPython's library of the environment variable MPY_LIB_DIR
has (a clone of micropython-lib), what is in the kernel, and what is installed beside mkimage.
Nothing is fetched.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from .errors import Diagnostic, ImageError, failure
from .modules import display

LIBRARY_FOLDERS = ("micropython", "python-stdlib", "python-ecosys")
REFUSED = ("c_module", "freeze_as_str", "freeze_as_mpy", "freeze_mpy")
DEPTH_MAX = 50  # manifests that include each other


class _Options:
    """What `options` is in a manifest: the keywords of include(), with defaults."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = dict(given)

    def defaults(self, **values: Any) -> None:
        self._given = {**values, **self._given}

    def __getattr__(self, name: str) -> Any:
        return self._given.get(name)


class Manifest:
    """Reads manifests. (add_file) gets each file and its path in the ROM, (add_name) each module
    that a require() found in no library of MicroPython's."""

    def __init__(
        self,
        add_file: Callable[[Path, str], None],
        add_name: Callable[[str], bool],
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self.files: list[Path] = []  # the manifests themselves
        self._add_file = add_file
        self._add_name = add_name
        self._libraries: list[tuple[str | None, Path]] = []
        self._required: set[tuple[str, str | None]] = set()
        self._folders: list[Path] = []  # of the manifests that are being read, the innermost last
        self._variables = {name: environment.get(name, "") for name in ("MPY_DIR", "MPY_LIB_DIR")}
        if library := self._variables["MPY_LIB_DIR"]:
            self._libraries += [(None, Path(library) / folder) for folder in LIBRARY_FOLDERS]

    def read(self, path: Path, **options: Any) -> None:
        """Execute the manifest (path). Raises ImageError M106 or M003, with its line."""
        shown = display(path)
        if len(self._folders) >= DEPTH_MAX:
            raise failure("M106", "manifests include each other without end", file=shown)
        try:
            code = compile(path.read_bytes(), str(path), "exec")
        except OSError as error:
            raise failure("M003", f"cannot be read: {error.strerror}", file=shown) from None
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", 0) or 0
            raise ImageError(Diagnostic("M106", str(error), file=shown, line=line)) from None
        self.files.append(path)
        self._folders.append(path.parent)
        try:
            exec(code, self._names(options, str(path)))
        except ImageError as error:
            raise ImageError(*_placed(error, path)) from None
        except Exception as error:
            message = f"the manifest raised {type(error).__name__}: {error}"
            raise ImageError(
                Diagnostic("M106", message, file=shown, line=_line(error, path))
            ) from None
        finally:
            self._folders.pop()

    def _names(self, options: Mapping[str, Any], path: str) -> dict[str, Any]:
        names: dict[str, Any] = {
            "__file__": path,
            "options": _Options(options),
            "metadata": lambda **_: None,
        }
        for function in (self.module, self.package, self.freeze, self.include, self.require):
            names[function.__name__] = function
        names["add_library"] = self.add_library
        for name in REFUSED:
            names[name] = _refused(name)
        return names

    # -- what a manifest calls

    def module(self, module_path: str, base_path: str = ".", opt: int | None = None) -> None:
        """One file; its path in the ROM is (module_path)."""
        del opt
        self._one(self._path(base_path), Path(module_path))

    def package(
        self,
        package_path: str,
        files: Iterable[str] | None = None,
        base_path: str = ".",
        opt: int | None = None,
    ) -> None:
        """A folder with all its .py files, or those of (files), relative to it."""
        del opt
        base = self._path(base_path)
        if files is not None:
            for name in files:
                self._one(base, Path(package_path, name))
            return
        self._tree(base, Path(package_path))

    def freeze(
        self, path: str, script: str | Iterable[str] | None = None, opt: int | None = None
    ) -> None:
        """All .py files of the folder (path), or those that (script) names, relative to it."""
        del opt
        base = self._path(path)
        if script is None:
            self._tree(base, Path())
            return
        for name in [script] if isinstance(script, str) else script:
            if (base / name).is_dir():
                self._tree(base, Path(name))
            else:
                self._one(base, Path(name))

    def include(self, manifest_path: str | Iterable[str], **options: Any) -> None:
        """Another manifest, or the one in a folder."""
        paths = [manifest_path] if isinstance(manifest_path, str) else manifest_path
        for name in paths:
            path = self._path(name)
            self.read(path / "manifest.py" if path.is_dir() else path, **options)

    def require(
        self, name: str, unix_ffi: bool = False, library: str | None = None, **options: Any
    ) -> None:
        """A package of micropython-lib, with what it requires itself, once."""
        if unix_ffi:
            raise failure("M106", f"`{name}`: there is no libffi without a system under it")
        if (name, library) in self._required:
            return
        self._required.add((name, library))
        for known, folder in self._libraries:
            if known == library and (found := _find_package(folder, name)):
                self.read(found, **options)
                return
        if library is None and self._add_name(name.replace("-", "_")):
            return
        raise failure(
            "M106",
            f"`require({name!r})`: not in the kernel, and not installed beside mkimage",
            notes=("mkimage fetches nothing",),
            hints=(
                "MPY_LIB_DIR=... names a clone of micropython-lib",
                "or copy the module beside the app and name it with module()",
            ),
        )

    def add_library(self, library: str, library_path: str, prepend: bool = False) -> None:
        """A folder in which require(..., library=) looks."""
        entry = (library, self._path(library_path))
        self._libraries.insert(0 if prepend else len(self._libraries), entry)

    # -- files

    def _path(self, text: str) -> Path:
        """A path of a manifest: $(NAME) is a variable, the rest is relative to the manifest."""
        for name, value in self._variables.items():
            if f"$({name})" in text and not value:
                raise failure("M106", f"`{text}`: the environment variable {name} is not set")
            text = text.replace(f"$({name})", value)
        if "$(" in text:
            raise failure(
                "M106",
                f"`{text}`: this variable is not known",
                hints=(f"there are {', '.join(self._variables)}",),
            )
        return self._folders[-1] / text

    def _one(self, base: Path, relative: Path) -> None:
        path = base / relative
        if path.suffix != ".py":
            raise failure("M106", "only .py files go in", file=display(path))
        if not path.is_file():
            raise failure("M003", "the file does not exist", file=display(path))
        self._add_file(path, relative.as_posix())

    def _tree(self, base: Path, relative: Path) -> None:
        folder = base / relative
        if not folder.is_dir():
            raise failure("M003", "the folder does not exist", file=display(folder))
        for path in sorted(folder.rglob("*.py")):
            self._add_file(path, path.relative_to(base).as_posix())


def _find_package(folder: Path, name: str) -> Path | None:
    """The manifest of the package (name) somewhere below (folder)."""
    for root, folders, files in os.walk(folder):
        folders.sort()
        if Path(root).name == name and "manifest.py" in files:
            return Path(root, "manifest.py")
    return None


def _refused(name: str) -> Callable[..., None]:
    def refuse(*_: Any, **__: Any) -> None:
        why = "there is no compiler of C here" if name == "c_module" else "use freeze()"
        raise failure("M106", f"`{name}()` is not supported: {why}")

    return refuse


def _line(error: BaseException, path: Path) -> int:
    """The last line of the file (path) that (error) came through."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((f.lineno or 0 for f in reversed(frames) if f.filename == str(path)), 0)


def _placed(error: ImageError, path: Path) -> list[Diagnostic]:
    """The diagnostics, with the manifest's line where none is told."""
    line = _line(error, path)
    return [
        d
        if d.file
        else Diagnostic(
            d.code, d.message, d.level, display(path), line, notes=d.notes, hints=d.hints
        )
        for d in error.diagnostics
    ]
