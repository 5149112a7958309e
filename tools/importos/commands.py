# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""What `mkimage` and `importos run` do, between the command line and the work."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from . import cli_types, config, disk_boot, flavours, kernel
from .diagnostics import CYAN, GREEN, paint, show, wants_color
from .errors import EXIT_USAGE, Diagnostic, ImageError, failure
from .mkimage import (
    BuildOptions,
    Image,
    build_image,
    needed_flavour,
    write_atomically,
    write_image,
)

MACHINE_DEFAULT = "q35"
# The format that a suffix asks for; any other suffix is an ELF file.
SUFFIXES = {".iso": "iso", ".img": "raw", ".raw": "raw"}
FILE_SUFFIXES = {"iso": ".iso", "raw": ".img"}
# What qemu-img makes of a disk image, by suffix.
CONVERTED = {".qcow2": "qcow2", ".vmdk": "vmdk", ".vdi": "vdi", ".vhd": "vpc", ".vhdx": "vhdx"}
OTHERS = {".ova", ".tar", ".html", ".json", ".efi"}

# What `importos run` takes for a script only: argument and option.
MAKING = {
    "output": "--output", "format_": "--format", "modules": "--module", "exclude": "--exclude",
    "optional": "--optional", "paths": "--path", "manifests": "--manifest", "source": "--source",
    "optimize": "--optimize", "native": "--native", "kernel": "--kernel",
    "flavour": "--flavour", "compress": "--compress",
}  # fmt: skip


class Progress:
    """The lines on standard error that say what was done."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self.quiet = bool(arguments.get("quiet"))
        self.verbose = bool(arguments.get("verbose"))
        self.choice = arguments.get("color") or "auto"
        self.color = wants_color(self.choice, sys.stderr)

    def line(self, verb: str, text: str) -> None:
        """One line: a verb, right-aligned, and the rest."""
        if not self.quiet:
            print(
                f"{' ' * (10 - len(verb))}{paint(verb, GREEN, self.color)} {text}",
                file=sys.stderr,
                flush=True,
            )

    def warn(self, diagnostic: Diagnostic) -> None:
        """A warning; also shown when quiet."""
        show(diagnostic, self.choice)

    def hint(self, verb: str, text: str) -> None:
        """Like line(), in the colour of advice."""
        if not self.quiet:
            print(
                f"{' ' * (10 - len(verb))}{paint(verb, CYAN, self.color)} {text}", file=sys.stderr
            )


def build(arguments: dict[str, Any]) -> int:
    """`mkimage`: the exit status."""
    started = time.perf_counter()
    progress = Progress(arguments)
    settings = config.settings(arguments)
    _refuse_formats(settings)
    if settings["print_flavour"]:
        print(needed_flavour(_build_options(settings)))
        return 0
    if settings["watch"]:
        return _watch(settings, progress)
    boots = settings["run"] and not settings["print_command"] and not settings["dry_run"]
    program = _prepare_run(settings) if boots else ""
    if settings["run"] or settings["print_command"]:
        _run_defaults(settings)
    image = _build(settings, progress)
    if settings["why"]:
        _show_why(image, settings["why"])
        return 0
    output = _store(image, settings, progress)
    seconds = time.perf_counter() - started
    written = " (nothing was written)" if settings["dry_run"] else ""
    progress.line("Finished", f"in {seconds:.2f}s{written}")
    if settings["print_command"]:
        return _print_command(settings, output, image.memory)
    outcome = None
    if boots:
        outcome = _boot(settings, output, image.memory, program, progress, image.options)
    elif not settings["dry_run"]:
        progress.hint("Try", _try_line(settings, image))
    if settings["json"]:
        from . import report

        format_ = _format(settings, output)
        print(json.dumps(report.as_json(image, output, format_, outcome, seconds), indent=1))
    return outcome.status if outcome else 0


def _watch(settings: dict[str, Any], progress: Progress) -> int:
    """Build and boot, again after every change of a file; until Ctrl-A X, or Ctrl-C in between."""
    from . import runner, watch

    if any(settings[key] for key in ("dry_run", "print_command", "json", "why")):
        raise failure(
            "M004",
            "--watch builds and boots; it goes with no other way to end",
            exit_code=EXIT_USAGE,
        )
    program = _prepare_run(settings)
    _run_defaults(settings)
    known: list[Path] = [settings["entry"]] if settings["entry"] else []

    def cycle() -> tuple[int, watch.Watch | None, bool]:
        image = _build(settings, progress)
        known[:] = image.sources
        files = watch.Watch(known)
        output = _store(image, settings, progress)
        outcome = _boot(
            settings, output, image.memory, program, progress, image.options, files.changed
        )
        left = outcome.status == runner.STATUS_INTERRUPTED
        return outcome.status, None if left else files, outcome.reason == runner.STOPPED

    def failed(error: ImageError) -> watch.Watch:
        for diagnostic in error.diagnostics:
            progress.warn(diagnostic)
        places = {Path(d.file) for d in error.diagnostics if d.file}
        return watch.Watch({*known, *places})

    def idle(status: int) -> None:
        progress.line("Waiting", f"for a change (status {status}); Ctrl-C ends")

    return watch.repeat(cycle, failed, idle)


def _build(settings: Mapping[str, Any], progress: Progress) -> Image:
    image = build_image(_build_options(settings))
    for warning in image.warnings:
        progress.warn(warning)
    return image


def _store(image: Image, settings: Mapping[str, Any], progress: Progress) -> Path:
    """Say what was built and write it; the path of the first output."""
    outputs = _output_paths(settings)
    _show_build(image, outputs[0], progress, settings)
    if not settings["dry_run"]:
        for path in outputs:
            write_image(image, path, _format(settings, path))
    if settings["report"]:
        _report(image, settings["report"], outputs[0].name)
    return outputs[0]


def _report(image: Image, where: str, name: str) -> None:
    if where == cli_types.REPORT_HERE:
        from . import report

        print(report.table(image), file=sys.stderr)
    else:
        from . import report_html

        write_atomically(Path(where), report_html.page(image, name).encode())


def run(arguments: dict[str, Any]) -> int:
    """`importos run`: the exit status."""
    settings = config.settings(
        {**arguments, "entry": arguments["image"], "extra": (), "run": True}
    )
    progress = Progress(arguments)
    entry: Path | None = arguments["image"]
    program = "" if settings["print_command"] else _prepare_run(settings)
    _run_defaults(settings)
    if entry is not None and disk_boot.format_of(entry):
        _refuse_making(arguments, entry)
        return _run_image(settings, entry, program, progress)
    image = _build_for_run(settings, progress)
    output = _output_paths(settings)[0]
    if settings["print_command"]:
        write_image(image, output, _format(settings, output))
        return _print_command(settings, output, image.memory)
    import tempfile

    with tempfile.TemporaryDirectory(prefix="importos-") as folder:
        if not settings["output"]:
            output = Path(folder) / output.name
        for path in settings["output"] or (output,):
            write_image(image, path, _format(settings, path))
        outcome = _boot(settings, output, image.memory, program, progress, image.options)
    return outcome.status


def _build_for_run(settings: dict[str, Any], progress: Progress) -> Image:
    """With the whole kernel, which has the prompt, if it is there and the machine can hold it."""
    if settings["flavour"] or kernel.FULL not in kernel.flavours(settings["kernel"]):
        return _build(settings, progress)
    try:
        return _build({**settings, "flavour": kernel.FULL}, progress)
    except ImageError as error:
        if any(diagnostic.code != "M301" for diagnostic in error.diagnostics):
            raise
    return _build(settings, progress)


def _run_image(settings: dict[str, Any], entry: Path, program: str, progress: Progress) -> int:
    from . import inspection

    opened = inspection.open_image(entry)
    memory = settings["memory"] or opened.memory
    opened.check_memory(memory)
    if settings["print_command"]:
        return _print_command(settings, entry, memory)
    return _boot(settings, entry, memory, program, progress, {}).status


def _refuse_making(arguments: Mapping[str, Any], image: Path) -> None:
    """Options that make an image change nothing in one that is made."""
    for key, option in MAKING.items():
        if config.is_given(arguments[key]):
            raise failure(
                "M004",
                f"{option} is for making an image, and {image.name} is one",
                hints=("give the script, or leave the option out",),
                exit_code=EXIT_USAGE,
            )


def _format(settings: Mapping[str, Any], output: Path) -> str:
    return settings["format"] or SUFFIXES.get(output.suffix, "elf")


def _refuse_formats(settings: Mapping[str, Any]) -> None:
    """A suffix that promises what the file would not be."""
    for output in settings["output"] if not settings["format"] else ():
        if output.suffix in CONVERTED:
            disk, kind = output.with_suffix(".img"), CONVERTED[output.suffix]
            hint = f"mkimage -o {disk}; qemu-img convert -O {kind} {disk} {output}"
        elif output.suffix in OTHERS:
            hint = "--format elf makes a file for QEMU, Firecracker and GRUB of any name"
        else:
            continue
        raise failure(
            "M004",
            f"mkimage makes no `{output.suffix}`: there are elf, iso and raw (.img)",
            hints=(hint,),
            exit_code=EXIT_USAGE,
        )


def _output_paths(settings: Mapping[str, Any]) -> tuple[Path, ...]:
    if settings["output"]:
        return settings["output"]
    entry: Path | None = settings["entry"]
    if entry is None:
        return (Path("repl" + FILE_SUFFIXES.get(settings["format"], ".elf")),)
    name = entry.resolve().name if entry.is_dir() else entry.stem
    return (Path(name + FILE_SUFFIXES.get(settings["format"], ".elf")),)


def _build_options(settings: Mapping[str, Any]) -> BuildOptions:
    fields = ("modules", "exclude", "optional", "native")
    names = {key: _split_names(settings[key]) for key in fields}
    return BuildOptions(
        entry=settings["entry"],
        extras=tuple(settings["extra"]),
        paths=tuple(settings["paths"]),
        manifests=tuple(settings["manifests"]),
        optimize=settings["optimize"],
        keep_source=settings["source"],
        memory=settings["memory"] or (64 << 20),
        boot=_boot_words(settings),
        kernel=settings["kernel"],
        compress=settings["compress"],
        flavour=settings["flavour"] or flavours.AUTO,
        needs=tuple(
            flavours.Need("DISKS", f"--{key[:-1]}", "command line")
            for key in ("disks", "shares")
            if settings[key]
        ),
        **names,
    )


def _split_names(values: tuple[str, ...]) -> tuple[str, ...]:
    """Names given by repeating the option, with commas, or both."""
    return tuple(n.strip() for value in values for n in value.split(",") if n.strip())


def _boot_words(settings: Mapping[str, Any]) -> dict[str, str]:
    words: dict[str, str] = {}
    for key in ("at_exit", "on_crash", "ip", "hostname", "heap", "console", "baud"):
        if settings[key] is not None:
            words[key.replace("_", "-")] = str(settings[key])
    if settings["override"]:
        words["override"] = "yes"
    for key, value in settings["env"]:
        if key.replace("_", "-") in config.BOOT_KEYS:
            raise failure(
                "M004",
                f"--env {key}: this is the name of a boot option",
                hints=(f"use --{key}, or another name",),
                exit_code=EXIT_USAGE,
            )
        words[key] = value
    return words


def _run_defaults(settings: dict[str, Any]) -> None:
    """A run that is to end does so when the app crashes too, so that its status is seen."""
    if settings["on_crash"] is None and settings["at_exit"] != "repl":
        settings["append_on_crash"] = True


def _prepare_run(settings: Mapping[str, Any]) -> str:
    """QEMU's program, when it and the ports can be used; asked before anything is built."""
    from . import qemu

    program = qemu.find_qemu()
    _check_medium(settings, _format(settings, _output_paths(settings)[0]))
    qemu.check_version(program)
    qemu.check_ports(settings["ports"])
    qemu.check_files(settings["disks"], settings["shares"])
    return program


def _check_medium(settings: Mapping[str, Any], format_: str) -> None:
    if format_ != "elf" and settings["machine"] == "microvm":
        raise failure(
            "M004",
            "microvm has no BIOS that boots disks",
            hints=("give it the .elf, or take another --machine",),
            exit_code=EXIT_USAGE,
        )


def _machine(settings: Mapping[str, Any], image: Path, memory: int) -> tuple[Any, str]:
    from . import qemu

    accel, why = qemu.choose_accel(settings["accel"] or "auto")
    append = ["on-crash=poweroff"] if settings.get("append_on_crash") else []
    if "image" in settings:  # `importos run IMAGE`: its words override those in the image
        append += [_quote(f"{k}={v}") for k, v in _boot_words(settings).items()]
    if settings.get("args"):
        append += ["--", *map(_quote, settings["args"])]
    name = settings["machine"] or MACHINE_DEFAULT
    found = disk_boot.format_of(image) or _format(settings, image)
    medium = "" if found == "elf" else found
    _check_medium(settings, found)
    machine = qemu.Machine(
        kernel=image,
        machine=name,
        medium=medium,
        bios=settings["bios"] or ("" if medium else qemu.choose_bios(name)),
        memory=memory,
        accel=accel,
        cpu=settings["cpu"] or ("host" if accel == "kvm" else ""),
        smp=settings["smp"] or 1,
        append=" ".join(append),
        ports=tuple(settings["ports"]),
        disks=tuple(settings["disks"]),
        shares=tuple(settings["shares"]),
        serial=settings["serial"] or "stdio",
        gdb=settings["gdb"] or "",
        extra=tuple(settings["qemu_args"]),
    )
    return machine, why


def _quote(word: str) -> str:
    if '"' in word:
        raise failure(
            "M004", f"{word!r}: a quote cannot be handed to the guest", exit_code=EXIT_USAGE
        )
    return f'"{word}"' if " " in word or not word else word


def _print_command(settings: Mapping[str, Any], output: Path, memory: int) -> int:
    from . import qemu

    machine, _ = _machine(settings, output, memory)
    program = os.environ.get("IMPORTOS_QEMU") or qemu.PROGRAM
    print(shlex.join(qemu.command(machine, program)))
    return 0


def _boot(
    settings: Mapping[str, Any],
    image: Path,
    memory: int,
    program: str,
    progress: Progress,
    words: Mapping[str, str],
    stop: Callable[[], bool] | None = None,
) -> Any:
    from . import qemu, runner

    machine, why = _machine(settings, image, memory)
    accel = machine.accel.upper() + (f" ({why})" if why else "")
    progress.line("Booting", f"{image.name}: {machine.machine}, {memory >> 20} MiB, {accel}")
    for port in machine.ports:
        scheme = {80: "http://", 8080: "http://", 443: "https://"}.get(port.guest_port, "")
        progress.line("", f"{scheme}{port.host}:{port.host_port} -> :{port.guest_port}")
    if sys.stdin and sys.stdin.isatty() and machine.serial == "stdio":
        progress.line("", "Ctrl-C interrupts Python, Ctrl-A X quits")
    if progress.verbose:
        progress.line("", shlex.join(qemu.command(machine, program)))
    output = sys.stderr.buffer if settings["json"] else sys.stdout.buffer
    outcome = runner.run(
        machine,
        program,
        timeout=settings["timeout"],
        expect=settings["expect"],
        reset_wanted=settings["at_exit"] == "reboot" or words.get("at-exit") == "reboot",
        output=output,
        stop=stop,
    )
    if outcome.crashed:
        progress.warn(_crash(outcome, image, seen=output.isatty()))
    return outcome


def _crash(outcome: Any, image: Path, seen: bool) -> Diagnostic:
    """What went wrong in the guest; the end of its console unless that was (seen) just above."""
    tail = "\n".join(["the last lines of the console:", *outcome.tail])
    return Diagnostic(
        "M401",
        f"{image.name}: {outcome.reason}",
        notes=(tail,) if any(outcome.tail) and not seen else (),
    )


def _show_build(image: Image, output: Path, progress: Progress, settings: Mapping) -> None:
    code = sum(m.size for m in image.modules)
    files = sum(size for _, size in image.files)
    packages = ", ".join(sorted({f"{m.dist} {m.version}" for m in image.modules if m.dist}))
    count = len(image.modules)
    plural = "module" if count == 1 else "modules"
    progress.line(
        "Tracing",
        f"{image.entry or 'no entry'}: {count} {plural}" + (f" ({packages})" if packages else ""),
    )
    what = "source" if settings["source"] else "bytecode"
    progress.line("Compiling", f"{count} {plural}: {kib(code)} KiB of {what}")
    kernel_size = image.plain_size - image.payload_size
    packed = ", compressed" if image.plain_size != len(image.data) else ""
    progress.line(
        "Building",
        f"{output.name}: {kib(len(image.file(_format(settings, output))))} KiB "
        f"(kernel {image.choice.meta.flavour} {kib(kernel_size)}, code {kib(code)}, "
        f"files {kib(files)}{packed})",
    )


def kib(size: int) -> str:
    """A size in KiB, with digits behind the point only where they say something."""
    value = size / 1024
    digits = 2 if value < 1 else 1 if value < 100 else 0
    return f"{value:.{digits}f}" if size else "0"


def _show_why(image: Image, name: str) -> None:
    tracer = image.tracer
    if name not in tracer.modules and name not in tracer.kernel_used:
        known = sorted({*tracer.modules, *tracer.kernel_used} - {"__main__"})
        raise failure(
            "M101", f"`{name}` is not imported", notes=("imported: " + ", ".join(known),)
        )
    print(" <- ".join(tracer.complaints.chain(name)))


def _try_line(settings: Mapping[str, Any], image: Image) -> str:
    entry = settings["entry"]
    ports = ""
    if any(m.name.partition(".")[0] == "microdot" for m in image.modules):
        ports = " -p 8080:80"
    return f"mkimage {entry} --run{ports}" if entry else "mkimage --run"
