# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Follows the imports of an app: which modules it needs, where they are, and what is missing.

An import is looked for 1. in the entry's folder, 2. in --path, 3. in the kernel, 4. in the
Python environment. CPython's own library is never taken. Nothing is executed.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from . import flavours, imports, syntax
from .complaints import Complaints
from .environment import (
    EXTENSION_SUFFIXES,
    Listing,
    distribution,
)
from .errors import EXIT_ENVIRONMENT, EXIT_INPUT, ImageError, failure
from .flavours import Need
from .imports import Attempt, ImportSite
from .kernel import Meta
from .modules import Found, Module, display, read_source

MODULES_MAX = 10_000
SITE_PREFIX = "lib/"  # of installed packages in the ROM; on the guest's sys.path


class Tracer:
    """One traversal. Add roots, call run(), then read (modules), (warnings) and (kernel_used).

    What is frozen into the kernel is followed through its source in (library), kernel.library():
    (kernel_used) names all that the app needs of the kernel, and the attribute (library) what it
    needs where nothing is frozen. (needs) are parts of the kernel that no import tells of.
    """

    def __init__(
        self,
        meta: Meta,
        folder: Path | None,
        paths: Sequence[Path] = (),
        sites: Sequence[Path] = (),
        exclude: Iterable[str] = (),
        optional: Iterable[str] = (),
        library: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.meta = meta
        self.folder = folder
        self.paths = list(paths)
        self.sites = list(sites)
        self.exclude = set(exclude)
        self.optional = set(optional)
        self.listing = Listing()
        self.modules: dict[str, Module] = {}
        self.library: dict[str, Module] = {}
        self.needs: list[Need] = []
        self._frozen = library or {}
        self.kernel_used: dict[str, list[tuple[str, int]]] = {}
        self.missing_optional: dict[str, list[tuple[str, int]]] = {}
        self.manifests: list[Path] = []  # that named some of the modules
        self.complaints = Complaints(self)
        self._queue: deque[Module] = deque()
        self._entry_path: Path | None = None

    # -- roots

    def add_script(self, path: Path, rom: str, name: str) -> Module:
        """A script of the app that becomes (rom); the entry is `main` with name `__main__`."""
        shown = display(path)
        module = Module(name, path, rom, "app", shown, read_source(path, shown))
        module.compiled = path.suffix == ".mpy"
        if name == "__main__":
            self._entry_path = path
        self._enter(module)
        return module

    def add_name(self, name: str, must: bool = True) -> bool:
        """A module that was named with --module, or required; whether it was found."""
        site = ImportSite(name, 0, None, 0, 0, 0, deferred=False)
        return self._import_name(name, None, site, must)

    def run(self) -> None:
        """Follow everything. Raises ImageError with what is wrong, all of it together."""
        while self._queue:
            module = self._queue.popleft()
            try:
                self._scan(module)
            except ImageError as error:
                if error.exit_code != EXIT_INPUT:
                    raise
                self.complaints.errors += [(d, module) for d in error.diagnostics]
            if len(self.modules) > MODULES_MAX:
                raise failure("M101", f"the app needs more than {MODULES_MAX} modules")
        if self.complaints.errors:
            raise ImageError(*self.complaints.collapsed())

    # -- scanning

    def _scan(self, module: Module) -> None:
        if module.compiled:
            # Nobody knows what it imports.
            self.needs.append(Need("ANY", "bytecode", module.shown))
            return
        tree, module.lines, module.source = syntax.parse(module.source, module.shown)
        newer = syntax.check(tree, module.shown, module.lines)
        self.complaints.errors += [(diagnostic, module) for diagnostic in newer]
        found = imports.scan(tree, module.name, module.lines)
        if module.origin == "library":
            self._scan_library(found.items, module)
            return
        text = module.source.decode("utf-8", "replace")
        self.needs += flavours.scan(tree, text, module.shown, module.origin == "site")
        self._resolve(found.items, module, must=True)
        for line, _, _, text in found.dynamic:
            self.needs.append(Need("ANY", f"`{text}`", module.shown, line))
        if module.origin != "site":
            for line, col, end, text in found.dynamic:
                self.complaints.warnings.append(
                    self.complaints.dynamic(module, line, col, end, text)
                )

    def _scan_library(self, items: list[ImportSite | Attempt], module: Module) -> None:
        """Only what it imports at once: the rest is there, or nobody gets to it."""
        sites = [i for i in items if isinstance(i, ImportSite) and not i.deferred]
        self._resolve(sites, module, must=False)
        for part in flavours.LIBRARY.get(module.name, ()):
            self.needs.append(Need(part, f"`{module.name}`", self.chain_start(module.name)))

    def chain_start(self, name: str) -> str:
        """Who, of the app, brought (name) in."""
        return self.complaints.chain(name)[-1]

    def _resolve(self, items: list[ImportSite | Attempt], module: Module, must: bool) -> bool:
        """Take the items in; whether all of them were found."""
        complete = True
        for item in items:
            if isinstance(item, ImportSite):
                complete &= self._import_site(item, module, must)
                continue
            found = self._resolve(item.body, module, must=False)
            fallback = self._resolve(item.fallback, module, must and not found)
            self._resolve(item.after, module, must and found)
            complete &= found or fallback
        return complete

    def _import_site(self, site: ImportSite, module: Module, must: bool) -> bool:
        name = self._absolute(site, module)
        if name is None:
            self.complaints.add(site, module, "M101", "relative import outside of a package")
            return False
        if site.deferred and module.origin == "site":
            must = False  # a function of a package that may never run
        if not (self._import_name(name, module, site, must) if name else True):
            return False
        for attribute in site.names or ():
            if attribute != "*":
                self._import_submodule(name, attribute, module, site)
        return True

    def _absolute(self, site: ImportSite, module: Module) -> str | None:
        if not site.level:
            return site.module
        if module.name == "__main__":
            return None
        parts = module.name.split(".")
        drop = site.level - (1 if module.is_package else 0)
        if drop >= len(parts):
            return None
        base = parts[: len(parts) - drop]
        return ".".join([*base, site.module] if site.module else base)

    def _import_name(self, name: str, by: Module | None, site: ImportSite, must: bool) -> bool:
        """Take (name) and the packages around it in; whether all were found."""
        where = (by.name, site.line) if by else ("--module", 0)
        parts = name.split(".")
        if not all(part.isidentifier() for part in parts):
            if must:
                self.complaints.add(site, by, "M101", f"`{name}` is not a module name")
            return False
        for count in range(1, len(parts) + 1):
            prefix = ".".join(parts[:count])
            if prefix in self.exclude:
                self.missing_optional.setdefault(prefix, []).append(where)
                return False
            found = self._find(prefix)
            if found is None or (found.path and found.path.name.endswith(EXTENSION_SUFFIXES)):
                if must and prefix not in self.optional and name not in self.optional:
                    self.complaints.missing(prefix, found, by, site)
                self.missing_optional.setdefault(prefix, []).append(where)
                return False
            self.complaints.check_shadow(prefix, found, by, site)
            self._take(prefix, found, where)
        return True

    def _import_submodule(self, name: str, attribute: str, by: Module, site: ImportSite) -> None:
        """`from name import attribute`, where the attribute may be a module."""
        full = f"{name}.{attribute}"
        found = self._find(full)
        if found and not _is_extension(found) and full not in self.exclude:
            self._take(full, found, (by.name, site.line))

    def _take(self, name: str, found: Found, where: tuple[str, int]) -> None:
        if found.path is None:
            self.kernel_used.setdefault(name, []).append(where)
            return
        if found.origin == "library":
            self._take_library(name, where)
            return
        if name in self.modules:
            self.modules[name].imported_by.append(where)
            return
        module = self._make(name, found)
        module.imported_by.append(where)
        self._enter(module)

    def _take_library(self, name: str, where: tuple[str, int]) -> None:
        """A package is taken whole: some import their own parts by names that cannot be traced."""
        self.kernel_used.setdefault(name, []).append(where)
        if name in self.library:
            return
        path, text = self._frozen[name]
        rom = SITE_PREFIX + path.removesuffix(".py")
        module = Module(name, Path(path), rom, "library", path, text.encode())
        module.is_package = path.endswith("/__init__.py")
        self.library[name] = module
        self._queue.append(module)
        for inner in self._frozen:
            if inner.startswith(f"{name}."):
                self._take_library(inner, where)

    # -- finding

    def _find(self, name: str) -> Found | None:
        if found := self._find_given(name):
            return found
        parent, _, last = name.rpartition(".")
        if not parent:
            return self._find_top(name)
        owner = self.modules.get(parent)
        if owner is None:
            return self._find_in_kernel(name)
        return self._search(owner.origin, owner.folders, last)

    def _find_given(self, name: str) -> Found | None:
        """What an EXTRA or a manifest brought, and the packages without __init__ around it."""
        for other, module in self.modules.items():
            if module.origin != "app":
                continue
            if other == name:
                return Found("app", module.path)
            if other.startswith(f"{name}."):
                depth = other.count(".") - name.count(".") - (not module.is_package)
                return Found("app", module.path.parents[depth])
        return None

    def _find_in_kernel(self, name: str) -> Found | None:
        if name in self.meta.frozen and name in self._frozen:
            return Found("library", Path(self._frozen[name][0]))
        return Found("kernel") if self.meta.has(name) else None

    def _find_top(self, name: str) -> Found | None:
        in_kernel = self.meta.has(name)
        found = self._search("app", [self.folder] if self.folder else [], name)
        if found and not (in_kernel and found.path == self._entry_path):
            return found
        if found := self._search("path", self.paths, name):
            return found
        if in_kernel:
            return self._find_in_kernel(name)
        if name in sys.stdlib_module_names:
            return None
        return self._search("site", self.sites, name)

    def _search(self, origin: str, folders: Sequence[Path], name: str) -> Found | None:
        for folder in folders:
            if path := self._look(folder, name):
                return Found(origin, path, folder)
        return None

    def _look(self, folder: Path, name: str) -> Path | None:
        try:
            return self.listing.module(folder, name)
        except OSError as error:
            raise failure(
                "M003",
                f"the folder cannot be read: {error.strerror}",
                file=display(folder),
                exit_code=EXIT_ENVIRONMENT,
            ) from None

    def _make(self, name: str, found: Found) -> Module:
        path, folders, is_package = found.path, (), False
        assert path is not None
        if path.is_dir():
            folders, is_package = (path,), True
            names = self.listing.names(path)
            inner = next((n for n in ("__init__.py", "__init__.mpy") if n in names), None)
            path = path / inner if inner else path
        rom = name.replace(".", "/") + ("/__init__" if is_package else "")
        prefix = SITE_PREFIX if found.origin == "site" else ""
        shown = display(path)
        source = read_source(path, shown) if path.is_file() else b""
        module = Module(name, path, prefix + rom, found.origin, shown, source)
        module.is_package, module.folders = is_package, folders
        module.compiled = path.suffix == ".mpy"
        if path.is_dir():
            module.rom = ""  # a package without __init__: a folder, nothing to compile
        if found.origin == "site":
            self._set_owner(module, found)
        return module

    def _set_owner(self, module: Module, found: Found) -> None:
        top, _, rest = module.name.partition(".")
        if rest and (owner := self.modules.get(top)):
            module.dist, module.version = owner.dist, owner.version
        elif found.base and (dist := distribution(self.listing, found.base, top)):
            module.dist, module.version = dist.name, dist.version

    def _enter(self, module: Module) -> None:
        twins = [m for m in self.modules.values() if m.rom == module.rom]
        if module.rom and any(m.path != module.path for m in twins):
            raise failure(
                "M105",
                f"two files would become /rom/{module.rom}",
                file=module.shown,
                hints=("rename one of them",),
            )
        self.modules[module.name] = module
        self._queue.append(module)


def _is_extension(found: Found) -> bool:
    return found.path is not None and found.path.name.endswith(EXTENSION_SUFFIXES)
