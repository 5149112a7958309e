# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Builds an image: trace, compile, lay out the ROM, append it to the kernel, write it.

Plain functions, usable without the command line:

    image = build_image(BuildOptions(entry=Path("app.py")))
    write_image(image, Path("app.elf"))

The same input gives the same bytes: nothing depends on the time, on paths or on their order.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import __version__, compress, disk_boot, elf, flavours, freeze, kernel, payload
from .entry import find_entry
from .environment import site_folders
from .errors import EXIT_ENVIRONMENT, Diagnostic, ImageError, failure
from .manifest import Manifest
from .modules import Module, display, read_source
from .trace import Tracer

ROM = "/rom"
SKIPPED = {"__pycache__", "node_modules"}
FILES_MAX = 100_000
MEMORY_DEFAULT = 64 << 20
AT_EXIT = ("poweroff", "reboot", "repl", "halt")
ON_CRASH = ("repl", "poweroff", "reboot")


@dataclass(slots=True)
class BuildOptions:
    """What to build. Sizes are in bytes; (boot) are boot options in the kernel's own words."""

    entry: Path | None = None
    extras: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    paths: tuple[Path, ...] = ()
    manifests: tuple[Path, ...] = ()
    native: tuple[str, ...] = ()
    optimize: int = 2
    keep_source: bool = False
    memory: int = MEMORY_DEFAULT
    boot: Mapping[str, str] = field(default_factory=dict)
    kernel: Path | None = None
    flavour: str = flavours.AUTO
    compress: bool = False
    needs: tuple[flavours.Need, ...] = ()  # beside those of the sources


@dataclass(slots=True)
class BuiltModule:
    """A module of the finished image; sizes in bytes."""

    name: str
    origin: str
    dist: str
    version: str
    rom: str
    source_size: int
    size: int
    imported_by: list[str]


@dataclass(slots=True)
class Image:
    """A finished image, in memory. (files) are the ROM's paths and sizes that are no modules."""

    data: bytes
    plain_size: int  # bytes before it was compressed
    kernel: kernel.LoadedKernel
    choice: flavours.Choice
    modules: list[BuiltModule]
    files: list[tuple[str, int]]
    warnings: list[Diagnostic]
    options: dict[str, str]
    memory: int
    payload_size: int
    entry: str
    tracer: Tracer
    sources: list[Path]  # every file that went in
    seconds: dict[str, float]

    @property
    def sha256(self) -> str:
        """Of the ELF file."""
        return hashlib.sha256(self.data).hexdigest()

    def file(self, format_: str) -> bytes:
        """The bytes of the file as "elf", or as one of disk_boot.FORMATS."""
        return self.data if format_ == "elf" else disk_boot.make(self.data, format_)


def build_image(options: BuildOptions) -> Image:
    """Build an image in memory. Raises ImageError for what the user can fix."""
    started = time.perf_counter()
    metas = kernel.flavours(options.kernel)
    known = _known(options, metas)
    entry, tracer, plain = _trace(options, known)
    traced = time.perf_counter()
    choice, warnings = _choose(options, metas, known, tracer)
    loaded = kernel.load(options.kernel, choice.meta.flavour)
    rom, built, more = _compile(tracer, options, loaded.meta)
    warnings += more
    compiled = time.perf_counter()
    files = _read_files(plain, rom)
    image = _assemble(options, loaded, choice, entry, tracer, rom, built, files)
    image.sources = [m.path for m in tracer.modules.values()] + list(plain.values())
    image.sources += tracer.manifests
    image.warnings = tracer.complaints.warnings + warnings
    image.seconds = {
        "trace": round(traced - started, 4),
        "compile": round(compiled - traced, 4),
        "total": round(time.perf_counter() - started, 4),
    }
    return image


def needed_flavour(options: BuildOptions) -> str:
    """The flavour of the kernel that an image needs, built or not. Raises ImageError."""
    try:
        metas = kernel.flavours(options.kernel)
    except ImageError:
        if kernel.locate(options.kernel)[1]:
            raise
        metas = {}
    known = _known(options, metas)
    _, tracer, _ = _trace(options, known)
    return _choose(options, known, known, tracer)[0].meta.flavour


def _known(options: BuildOptions, metas: Mapping[str, kernel.Meta]) -> Mapping[str, kernel.Meta]:
    """Those that are there, (metas), and in a clone those that could be built, in their order."""
    if kernel.locate(options.kernel)[1]:
        return metas
    described = kernel.described()
    built = {n: replace(metas[n], size=m.size) for n, m in described.items() if n in metas}
    return {**described, **built}


def _trace(
    options: BuildOptions, known: Mapping[str, kernel.Meta]
) -> tuple[Path | None, Tracer, dict[str, Path]]:
    """The entry, what it needs, and the plain files by their path in the ROM."""
    entry = find_entry(options.entry) if options.entry is not None else None
    folder = entry.parent if entry else None
    for path in options.paths:
        if not path.is_dir():
            raise failure("M003", "there is no such folder to search", file=display(path))
    tracer = Tracer(
        known[kernel.FULL],
        folder,
        options.paths,
        site_folders(),
        options.exclude,
        options.optional,
        kernel.library(options.kernel),
    )
    if entry:
        tracer.add_script(entry, "main", "__main__")
    plain: dict[str, Path] = {}
    for extra in options.extras:
        _add_extra(extra, tracer, plain, options.keep_source)
    manifest = Manifest(
        lambda path, rom: _add_of_manifest(path, rom, entry, tracer, plain),
        lambda name: tracer.add_name(name, must=False),
    )
    for path in options.manifests:
        manifest.read(path)
    tracer.manifests = manifest.files
    for name in options.modules:
        tracer.add_name(name)
    tracer.run()
    return entry, tracer, plain


def _add_extra(extra: str, tracer: Tracer, plain: dict[str, Path], keep_source: bool) -> None:
    source, dest = split_extra(extra)
    path = Path(source)
    shown = display(path)
    if not path.exists():
        raise failure("M003", "the file or folder does not exist", file=shown)
    if path.is_dir():
        dest = "" if dest is None and source.endswith(("/", os.sep)) else dest
        base = path.resolve().name if dest is None else dest.strip("/")
        for relative, file in _walk(path):
            _add_file(file, "/".join(filter(None, (base, relative))), tracer, plain)
        return
    name = path.name if dest is None else dest.strip("/")
    if dest is not None and (dest.endswith("/") or not name):
        name = "/".join(filter(None, (name, path.name)))
    _add_file(path, name, tracer, plain)


def split_extra(extra: str) -> tuple[str, str | None]:
    """SRC and DEST of an EXTRA; a drive letter's colon does not separate."""
    head, colon, tail = extra.rpartition(":")
    if (
        not colon
        or not head
        or (len(head) == 1 and tail.startswith(("\\", "/")) and os.name == "nt")
    ):
        return extra, None
    return head, tail


def _walk(folder: Path) -> list[tuple[str, Path]]:
    out: list[tuple[str, Path]] = []

    def stop(error: OSError) -> None:
        raise failure(
            "M003",
            f"the folder cannot be read: {error.strerror}",
            file=display(Path(error.filename)),
            exit_code=EXIT_ENVIRONMENT,
        )

    for root, folders, names in os.walk(folder, onerror=stop):
        folders[:] = sorted(n for n in folders if not n.startswith(".") and n not in SKIPPED)
        for name in sorted(names):
            if name.startswith(".") or name.endswith((".pyc", "~")):
                continue
            path = Path(root) / name
            out.append((path.relative_to(folder).as_posix(), path))
        if len(out) > FILES_MAX:
            raise failure("M003", f"more than {FILES_MAX} files", file=display(folder))
    return out


def _add_file(path: Path, rom: str, tracer: Tracer, plain: dict[str, Path]) -> None:
    shown = display(path)
    if any(part in ("", ".", "..") for part in rom.split("/")):
        raise failure("M003", f"`{rom}` cannot be a path in the image", file=shown)
    if path.suffix == ".py":
        name = rom.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        known = tracer.modules.get(name)
        if known is None:
            module = tracer.add_script(path, rom.removesuffix(".py"), name)
            if path.name == "__init__.py":
                module.is_package, module.folders = True, (path.parent,)
        return
    if rom in plain and plain[rom] != path:
        raise failure("M003", f"two files would become {ROM}/{rom}", file=shown)
    plain[rom] = path


def _add_of_manifest(
    path: Path, rom: str, entry: Path | None, tracer: Tracer, plain: dict[str, Path]
) -> None:
    """A manifest often names the folder of the app, which holds the entry too."""
    if entry is None or not path.samefile(entry):
        _add_file(path, rom, tracer, plain)


def _choose(
    options: BuildOptions,
    metas: Mapping[str, kernel.Meta],
    known: Mapping[str, kernel.Meta],
    tracer: Tracer,
) -> tuple[flavours.Choice, list[Diagnostic]]:
    """The kernel for the app, and a warning if one was asked for that lacks something."""
    needs = _needs(options, tracer)
    names = {n: by for n, by in tracer.kernel_used.items() if n not in tracer.library}
    if options.flavour == flavours.AUTO:
        choice = flavours.choose(metas.values(), names, needs)
        if kernel.FULL not in metas and next(flavours.missing(choice.meta, names, needs), None):
            raise _not_built(flavours.choose(known.values(), names, needs))
        return choice, []
    if options.flavour not in metas:
        if options.flavour in known:
            raise _not_built(flavours.Choice(known[options.flavour]))
        raise failure(
            "M307",
            f"there is no flavour `{options.flavour}` of the kernel",
            hints=(f"there are {', '.join(sorted(known))}",),
        )
    choice = flavours.Choice(metas[options.flavour])
    lacks = list(flavours.missing(choice.meta, names, needs))
    if not lacks:
        return choice, []
    message = f"the flavour `{options.flavour}` lacks {lacks[0]}"
    more = (f"and {len(lacks) - 1} more: {', '.join(lacks[1:4])}",) if lacks[1:] else ()
    return choice, [Diagnostic("M307", message, level="warning", notes=more)]


def _needs(options: BuildOptions, tracer: Tracer) -> list[flavours.Need]:
    """The parts of the kernel that the sources and the options ask for."""
    needs = [*options.needs, *tracer.needs]
    if options.entry is None:
        needs.append(flavours.Need("ANY", "the prompt", "no entry"))
    if options.keep_source:
        needs.append(flavours.Need("COMPILER", "--source", "command line"))
    if options.native:
        needs.append(flavours.Need("COMPILER", "--native", "command line"))
    for key in ("at-exit", "on-crash"):
        if options.boot.get(key) == "repl":
            needs.append(flavours.Need("COMPILER", f"{key}=repl", "options"))
    if options.boot.get("override") == "yes":
        needs += [flavours.Need(part, "override", "options") for part in ("COMPILER", "DISKS")]
    return needs


def _not_built(choice: flavours.Choice) -> ImageError:
    return failure(
        "M302",
        f"the flavour `{choice.meta.flavour}` of the kernel is needed, and it is not built",
        notes=(str(choice),) if choice.why else (),
        hints=(f"make kernel FLAVOURS={choice.meta.flavour}; `make kernel` builds all",),
        exit_code=EXIT_ENVIRONMENT,
    )


def _compile(
    tracer: Tracer, options: BuildOptions, meta: kernel.Meta
) -> tuple[dict[str, bytes], list[BuiltModule], list[Diagnostic]]:
    """The ROM's modules by path, what is told of them, and warnings."""
    mpy = meta.mpy
    wanted = [m for name, m in tracer.library.items() if name not in meta.frozen]
    wanted += tracer.modules.values()
    modules = [m for m in sorted(wanted, key=lambda m: m.rom) if m.rom]
    native = set(options.native)
    for name in sorted(native - {m.name for m in modules} - {"__main__"}):
        raise failure("M101", f"`--native {name}`: the app has no such module")
    to_compile = [m for m in modules if not m.compiled]
    units = [
        freeze.Unit(_embedded(m), m.shown, m.source, m.name in native, m.lines) for m in to_compile
    ]
    results = freeze.compile_units(units, options.optimize, mpy)
    by_name = {m.name: r for m, r in zip(to_compile, results, strict=True)}
    rom: dict[str, bytes] = {}
    built = []
    for module in modules:
        if module.compiled:
            freeze.check_mpy(module.source, mpy, module.shown)
            path, data = module.rom + ".mpy", module.source
        elif options.keep_source:
            path, data = module.rom + ".py", module.source
        else:
            path, data = module.rom + ".mpy", by_name[module.name].mpy
        rom[path] = data
        built.append(_built(module, path, len(data)))
    return rom, built, [r.warning for r in results if r.warning]


def _embedded(module: Module) -> str:
    """The file name in tracebacks: relative to the package, never a path of this machine."""
    if module.name == "__main__":
        return module.path.name
    return module.rom.removeprefix("lib/") + ".py"


def _built(module: Module, rom: str, size: int) -> BuiltModule:
    importers = sorted({name for name, _ in module.imported_by})
    return BuiltModule(
        module.name,
        module.origin,
        module.dist,
        module.version,
        f"{ROM}/{rom}",
        len(module.source),
        size,
        importers,
    )


def _read_files(plain: Mapping[str, Path], rom: dict[str, bytes]) -> list[tuple[str, int]]:
    files = []
    for name in sorted(plain):
        data = read_source(plain[name], display(plain[name]))
        if name in rom:
            raise failure(
                "M003", f"two files would become {ROM}/{name}", file=display(plain[name])
            )
        rom[name] = data
        files.append((f"{ROM}/{name}", len(data)))
    return files


def _assemble(
    options: BuildOptions,
    loaded: kernel.LoadedKernel,
    choice: flavours.Choice,
    entry: Path | None,
    tracer: Tracer,
    rom: dict[str, bytes],
    built: list[BuiltModule],
    files: list[tuple[str, int]],
) -> Image:
    boot = dict(options.boot)
    record = {
        "tools": __version__,
        "kernel": {
            "version": loaded.meta.version,
            "commit": loaded.meta.commit,
            "flavour": loaded.meta.flavour,
            "micropython": loaded.meta.micropython,
            "sha256": loaded.meta.sha256,
            "upstream": list(loaded.meta.upstream),
        },
        "entry": entry.name if entry else "",
        "memory": options.memory,
        "memory_min": loaded.meta.memory_min,
        "packages": sorted({f"{m.dist} {m.version}" for m in built if m.dist}),
    }
    try:
        tail = payload.build(boot, rom, record)
        data = elf.append(loaded.elf, tail)
    except ValueError as error:
        raise failure("M004", f"the image cannot be made: {error}") from None
    image = Image(
        data=compress.pack(data) if options.compress else data,
        plain_size=len(data),
        kernel=loaded,
        choice=choice,
        modules=built,
        files=files,
        warnings=[],
        options=boot,
        memory=options.memory,
        payload_size=len(tail),
        entry=entry.name if entry else "",
        tracer=tracer,
        sources=[],
        seconds={},
    )
    check_memory(elf.parse(data), options.memory, loaded.meta.memory_min)
    return image


def check_memory(parsed: elf.Kernel, memory: int, memory_min: int) -> None:
    """Raise ImageError M301 if a machine with (memory) bytes cannot hold the image and run."""
    needed = parsed.memory_end + memory_min
    if needed > memory:
        mib = -(-needed // (1 << 20))
        raise failure(
            "M301",
            f"the image needs {mib} MiB of memory, the machine has {memory >> 20} MiB",
            notes=(f"it is loaded up to {parsed.memory_end / (1 << 20):.1f} MiB",),
            hints=(f"--memory {mib}M, or more; or leave files out",),
        )


def write_image(image: Image, path: Path, format_: str = "elf") -> None:
    """Write the image beside (path), then rename: there is never half an image."""
    write_atomically(path, image.file(format_))


def write_atomically(path: Path, data: bytes) -> None:
    """Write (data) to a temporary file in the same folder, then rename it to (path).

    A device or a pipe is written to: it must not be replaced.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        if path.is_dir():
            raise IsADirectoryError(21, "it is a folder")
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        try:
            temporary.write_bytes(data)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise failure(
            "M304",
            f"the output cannot be written: {error.strerror}",
            file=display(path),
            exit_code=EXIT_ENVIRONMENT,
        ) from None
