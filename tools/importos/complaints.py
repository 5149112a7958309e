# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""What tracing complains about, and how: one error a cause, at the line of the app."""

from __future__ import annotations

import dataclasses
import difflib
import sys
from typing import TYPE_CHECKING

from .environment import INSTEAD, has_extension_modules
from .errors import Diagnostic
from .imports import ImportSite
from .modules import Found, Module, display

if TYPE_CHECKING:
    from .trace import Tracer

ERRORS_SHOWN = 10


class Complaints:
    """The errors and warnings of one traversal; (found) is the traversal."""

    def __init__(self, found: Tracer) -> None:
        self.found = found
        self.warnings: list[Diagnostic] = []
        self.errors: list[tuple[Diagnostic, Module | None]] = []

    def check_shadow(self, name: str, found: Found, by: Module | None, site: ImportSite) -> None:
        if found.origin not in ("app", "path") or "." in name or name in self.found.modules:
            return
        if not self.found.meta.has(name):
            return
        shown = display(found.path) if found.path else name
        if name in self.found.meta.extensible:
            diagnostic = self._diagnostic(
                site, by, "M105", f"`{shown}` takes the place of the kernel's `{name}`"
            )
            self.warnings.append(dataclasses.replace(diagnostic, level="warning"))
            return
        self.add(
            site,
            by,
            "M105",
            f"`{shown}` has the name of the kernel's module `{name}`",
            hints=("rename the file: the kernel's module would be taken",),
        )

    def missing(self, name: str, found: Found | None, by: Module | None, site: ImportSite) -> None:
        if found and found.path:
            shown = display(found.path)
            self.add(
                site,
                by,
                "M103",
                f"`{name}` is compiled C; it cannot run here",
                notes=(f"`{shown}` is an extension module of CPython",),
                hints=("look for a package written in Python, or --optional " + name,),
            )
            return
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names and not self.found.meta.has(top):
            self.add(
                site,
                by,
                "M102",
                f"`{name}` is a module of CPython; MicroPython does not have it",
                hints=(
                    INSTEAD.get(top, "do without it, or put it in `try: ... except ImportError:`"),
                ),
            )
            return
        label = "not in the app, the kernel or this environment"
        self.add(site, by, "M101", f"module `{name}` not found", label, hints=self._ideas(name))

    def _ideas(self, name: str) -> tuple[str, ...]:
        parent, _, last = name.rpartition(".")
        if parent:
            owner = self.found.modules.get(parent)
            names = (
                {n.partition(".")[0] for f in owner.folders for n in self.found.listing.names(f)}
                if owner
                else {n.rpartition(".")[2] for n in self.found.meta.names if "." in n}
            )
            near = difflib.get_close_matches(last, names, 1, 0.75)
            return (f"did you mean `{parent}.{near[0]}`?",) if near else ()
        local = {
            n.partition(".")[0]
            for f in (self.found.folder, *self.found.paths)
            if f
            for n in self.found.listing.names(f)
        }
        near = difflib.get_close_matches(name, sorted(local | set(self.found.meta.names)), 1, 0.75)
        if near:
            return (f"did you mean `{near[0]}`?",)
        if name.startswith(("micropython", "u")) and name[1:] in INSTEAD:
            return (INSTEAD[name[1:]],)
        return (
            f"if it is a package written for MicroPython: `pip install {name}`",
            f"if the app can do without: `--optional {name}`",
        )

    def dynamic(self, module: Module, line: int, col: int, end: int, text: str) -> Diagnostic:
        return Diagnostic(
            "M104",
            f"`{text}` cannot be traced",
            level="warning",
            file=module.shown,
            line=line,
            col=col,
            end_col=end,
            source=module.lines[line - 1],
            hints=("add `--module NAME` for what it imports",),
        )

    def add(
        self,
        site: ImportSite,
        by: Module | None,
        code: str,
        message: str,
        label: str = "",
        notes: tuple[str, ...] = (),
        hints: tuple[str, ...] = (),
    ) -> None:
        diagnostic = self._diagnostic(site, by, code, message, label, notes, hints)
        if diagnostic not in [d for d, _ in self.errors]:
            self.errors.append((diagnostic, by))

    def _diagnostic(
        self,
        site: ImportSite,
        by: Module | None,
        code: str,
        message: str,
        label: str = "",
        notes: tuple[str, ...] = (),
        hints: tuple[str, ...] = (),
    ) -> Diagnostic:
        if by is None:
            return Diagnostic(
                code, message, notes=(*notes, "asked for on the command line"), hints=hints
            )
        source = by.lines[site.line - 1] if 0 < site.line <= len(by.lines) else None
        chain = self.chain(by.name)
        if len(chain) > 1:
            notes = (*notes, "imported by " + " <- ".join(chain[1:]))
        return Diagnostic(
            code,
            message,
            "error",
            by.shown,
            site.line,
            site.col,
            site.end_col,
            source,
            label,
            notes,
            hints,
        )

    def chain(self, name: str) -> list[str]:
        """(name) and who imported it, up to the entry: "microdot (app.py:3)" and so on."""
        out, seen = [name], {name}
        while True:
            importers = (
                self.found.modules[name].imported_by
                if name in self.found.modules
                else self.found.kernel_used.get(name, [])
            )
            step = next(((who, line) for who, line in importers if who not in seen), None)
            if step is None:
                return out
            name = step[0]
            seen.add(name)
            shown = self.found.modules[name].shown if name in self.found.modules else name
            out.append(f"{shown}:{step[1]}" if step[1] else shown)

    def collapsed(self) -> list[Diagnostic]:
        """Errors for the user: those in an installed package as one, where the app imports it."""
        out: list[Diagnostic] = []
        packages: dict[str, list[Diagnostic]] = {}
        for diagnostic, module in self.errors:
            if module is not None and module.origin == "site":
                packages.setdefault(module.name.partition(".")[0], []).append(diagnostic)
            else:
                out.append(diagnostic)
        roots = {top: self._app_import(top) for top in packages}
        for top, found in packages.items():
            if roots[top]:
                out.append(self._package_error(top, found, *roots[top]))
        if not out:
            out = [d for found in packages.values() for d in found]
        hidden = len(out) - ERRORS_SHOWN
        out = out[:ERRORS_SHOWN]
        if hidden > 0:
            out[-1] = dataclasses.replace(
                out[-1], notes=(*out[-1].notes, f"and {hidden} more errors")
            )
        return out

    def _app_import(self, top: str) -> tuple[Module, int] | None:
        for who, line in self.found.modules[top].imported_by if top in self.found.modules else ():
            module = self.found.modules.get(who)
            if module and module.origin != "site":
                return module, line
        return None

    def _package_error(
        self, top: str, found: list[Diagnostic], by: Module, line: int
    ) -> Diagnostic:
        root = self.found.modules[top]
        folder = root.folders[0] if root.folders else None
        compiled = folder is not None and has_extension_modules(folder)
        source = by.lines[line - 1] if 0 < line <= len(by.lines) else None
        col = (source or "").find(top) + 1
        package = f"{root.dist} {root.version}".strip() or top
        if compiled:
            code, message = "M103", f"`{top}` is compiled C; it cannot run here"
            notes = (f"{package} has extension modules of CPython",)
        else:
            code, message = found[0].code, f"the package `{top}` cannot run here"
            reasons = [f"{d.file}:{d.line}: {d.message}" for d in found[:4]]
            more = [f"and {len(found) - 4} more reasons"] if len(found) > 4 else []
            notes = (f"{package} is written for CPython", *reasons, *more)
        return Diagnostic(
            code,
            message,
            "error",
            by.shown,
            line,
            col,
            col + len(top) if col else 0,
            source,
            notes=notes,
            hints=("look for a package that is written for MicroPython",),
        )
