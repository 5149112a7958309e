# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""The commands `mkimage` and `importos`: parse, call, print. The work is done elsewhere."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from . import __version__, cli_disk, cli_types
from .errors import EXIT_ENVIRONMENT, EXIT_INTERNAL, EXIT_USAGE, ImageError
from .qemu import ACCELERATORS, MACHINES

FORMATS = ["elf", "iso", "raw"]
# Who opens a file tells best why it cannot be read.
PATH = click.Path(path_type=Path, readable=False)
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def options(*decorators: Callable) -> Callable:
    """Several click options as one decorator, in the order given."""

    def apply(function: Callable) -> Callable:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


build_options = options(
    click.option(
        "-o", "--output", type=PATH, multiple=True, help="Default: ENTRY's name with .elf."
    ),
    click.option(
        "-f",
        "--format",
        "format_",
        type=click.Choice(FORMATS),
        help="elf for QEMU, Firecracker and GRUB; iso, a disc, and raw, a disk, for a BIOS. "
        "Default: by the suffix of the output (.elf, .iso, .img).",
    ),
    click.option("-m", "--module", "modules", multiple=True, help="Put this module in too."),
    click.option("--exclude", multiple=True, help="Leave this module out."),
    click.option("--optional", multiple=True, help="The app can do without this module."),
    click.option("-I", "--path", "paths", type=PATH, multiple=True, help="Search here too."),
    click.option(
        "--manifest",
        "manifests",
        type=PATH,
        multiple=True,
        help="What MicroPython's manifest.py names goes in too.",
    ),
    click.option("--source", is_flag=True, help="Keep the .py text instead of bytecode."),
    click.option("-O", "--optimize", type=click.IntRange(0, 3), help="Default: 2."),
    click.option("--native", multiple=True, help="Compile this module to machine code."),
    click.option("--kernel", type=PATH, help="Another kernel.elf than the one that came along."),
    click.option(
        "--flavour",
        help="Of the kernel. Default: the smallest that the app can use; importos run: full.",
    ),
    click.option("--compress", is_flag=True, help="Half the size; takes 20 ms at each boot."),
    click.option("--config", type=PATH, help="Read this mkimage.toml."),
    click.option("--target", help="Use [tool.mkimage.target.NAME] too."),
)

boot_options = options(
    click.option("--memory", type=cli_types.SIZE, help="Of the machine. Default: 64M."),
    click.option("--heap", type=cli_types.HEAP, help="For Python: 50% or 16M. Default: all."),
    click.option("--ip", type=cli_types.IP, help="dhcp, off, or A.B.C.D/N[,GATEWAY]."),
    click.option("--hostname", help="Name of the machine."),
    click.option("--console", type=click.Choice(["serial", "none"]), help="Default: serial."),
    click.option("--baud", type=click.IntRange(300, 115200), help="Default: 115200."),
    click.option("--env", type=cli_types.BOOT_WORD, multiple=True, help="For os.getenv()."),
    click.option(
        "--at-exit",
        type=click.Choice(["poweroff", "reboot", "repl", "halt"]),
        help="When the app ends. Default: poweroff.",
    ),
    click.option(
        "--on-crash",
        type=click.Choice(["repl", "poweroff", "reboot"]),
        help="When an exception leaves the app. Default: repl; poweroff when it is run from here "
        "without --repl.",
    ),
    click.option("--repl", is_flag=True, help="A prompt when the app ends: --at-exit repl."),
    click.option(
        "--override/--no-override",
        default=None,
        help="Whether main.py, boot.py and modules on a disk go before the app. Default: no.",
    ),
)

run_options = options(
    click.option(
        "-p",
        "--port",
        "ports",
        type=cli_types.PORT,
        multiple=True,
        help="[[HOST:]PORT:]GUEST[/udp]",
    ),
    click.option("-M", "--machine", type=click.Choice(MACHINES), help="Default: q35."),
    click.option("--accel", type=click.Choice(ACCELERATORS), help="Default: auto."),
    click.option("--bios", help="QEMU's -bios. Default: qboot.rom; SeaBIOS: bios-256k.bin."),
    click.option("--cpu", help="QEMU's -cpu."),
    click.option("--smp", type=click.IntRange(1, 255), help="Processors; Python uses one."),
    click.option("--disk", "disks", type=PATH, multiple=True, help="A disk image (raw, qcow2)."),
    click.option(
        "--share",
        "shares",
        type=cli_types.SHARE,
        multiple=True,
        help="DIR[:/PATH][:ro]: a folder of the host. Default: at /host.",
    ),
    click.option("--serial", help="stdio (default), pty, unix:PATH or tcp:HOST:PORT."),
    click.option("--gdb", help="Wait for gdb here: tcp::1234, or unix:PATH,server=on."),
    click.option("--qemu-arg", "qemu_args", multiple=True, help="One more argument for QEMU."),
    click.option("--timeout", type=cli_types.DURATION, help="Give up after 30s, 2m ..."),
    click.option("--expect", multiple=True, help="End with status 0 when this text appears."),
    click.option("--print-command", is_flag=True, help="Print QEMU's command line; run nothing."),
)

report_options = options(
    click.option(
        "--report",
        type=cli_types.REPORT,
        metavar="[=FILE.html]",
        help="Show what takes how much room, here or on a page.",
    ),
    click.option("--why", metavar="MODULE", help="Show who imports MODULE."),
    click.option(
        "--print-flavour",
        is_flag=True,
        help="Print the flavour of the kernel that it needs, built or not; make nothing.",
    ),
    click.option("--dry-run", is_flag=True, help="Write no image."),
    click.option("--json", "json_", is_flag=True, help="One JSON object on standard output."),
)

general_options = options(
    click.option("-q", "--quiet", is_flag=True, help="Only warnings and errors."),
    click.option("-v", "--verbose", is_flag=True, help="Say more."),
    click.option(
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        help="Default: auto.",
    ),
)


def _explain(ctx: click.Context, _: click.Parameter, code: str | None) -> None:
    if code is None:
        return
    from .diagnostics import EXPLAIN

    text = EXPLAIN.get(code.upper())
    if text is None:
        raise click.UsageError(f"there is no code {code}; codes are {', '.join(sorted(EXPLAIN))}")
    click.echo(f"{code.upper()}: {text}")
    ctx.exit()


version_option = click.version_option(__version__, message="importos %(version)s")
explain_option = click.option(
    "--explain",
    metavar="CODE",
    callback=_explain,
    is_eager=True,
    expose_value=False,
    help="Say what an error code means.",
)


class _Mkimage(click.Command):
    """click would take the word behind a bare --report, mostly ENTRY, for its value."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        bare = {"--report": f"--report={cli_types.REPORT_HERE}"}
        return super().parse_args(ctx, [bare.get(a, a) for a in args[:end]] + args[end:])


@click.command(cls=_Mkimage, context_settings=CONTEXT)
@click.argument("entry", type=PATH, required=False)
@click.argument("extra", nargs=-1)
@build_options
@boot_options
@click.option("-r", "--run", is_flag=True, help="Boot the image in QEMU now.")
@click.option("-w", "--watch", is_flag=True, help="Build and boot again when a file changes.")
@run_options
@report_options
@general_options
@explain_option
@version_option
def mkimage(**arguments: Any) -> None:
    """Make a bootable image of the Python script ENTRY and of what it imports.

    ENTRY is a script or a folder with main.py; without ENTRY the image starts at the prompt.
    EXTRA are files and folders to put into /rom, as SRC or SRC:DEST.
    """
    from . import commands

    sys.exit(commands.build(arguments))


@click.group(context_settings=CONTEXT)
@explain_option
@version_option
def importos() -> None:
    """Build, boot and look into images of ImportOS: Python on bare (virtual) metal."""


importos.add_command(mkimage, "build")
importos.add_command(cli_disk.disk)


@importos.command(context_settings=CONTEXT)
@click.argument("image", type=PATH, required=False)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@build_options
@boot_options
@run_options
@general_options
def run(**arguments: Any) -> None:
    """Boot an IMAGE, or make one of a script and boot it. ARGS become sys.argv[1:].

    Without IMAGE it boots to the prompt.
    The console is here: Ctrl-C interrupts Python, Ctrl-A X leaves.
    """
    from . import commands

    sys.exit(commands.run(arguments))


@importos.command(context_settings=CONTEXT)
@click.argument("image", type=PATH)
@click.option("--json", "json_", is_flag=True, help="One JSON object.")
def info(image: Path, json_: bool) -> None:
    """Tell what IMAGE is made of."""
    from . import inspection

    click.echo(inspection.info_json(image) if json_ else inspection.info_text(image))


@importos.command("ls", context_settings=CONTEXT)
@click.argument("image", type=PATH)
@click.argument("folder", default="/rom")
def list_files(image: Path, folder: str) -> None:
    """List the files in IMAGE with their sizes."""
    from . import inspection

    for line in inspection.list_lines(image, folder):
        click.echo(line)


@importos.command(context_settings=CONTEXT)
@click.argument("image", type=PATH)
def tree(image: Path) -> None:
    """Show the files in IMAGE as a tree."""
    from . import inspection

    for line in inspection.tree_lines(image):
        click.echo(line)


@importos.command(context_settings=CONTEXT)
@click.argument("image", type=PATH)
@click.argument("path")
def cat(image: Path, path: str) -> None:
    """Write one file of IMAGE to standard output."""
    from . import inspection

    sys.stdout.buffer.write(inspection.file_bytes(image, path))
    sys.stdout.buffer.flush()


@importos.command(context_settings=CONTEXT)
@click.argument("image", type=PATH, required=False)
@click.option("--log", type=click.File("r", errors="replace"), default="-", help="Default: stdin.")
def symbolize(image: Path | None, log: Any) -> None:
    """Add <function+offset> to the addresses in a console log.

    IMAGE is an ELF with symbols, or an image; without it, the kernel that came along.
    """
    from . import inspection

    symbols = inspection.symbols_for(image)
    for line in log:
        click.echo(symbols.annotate(line), nl=False)


@importos.command(context_settings=CONTEXT)
@click.argument("port")
def console(port: str) -> None:
    """Talk to a guest: PORT is a tty, unix:PATH or tcp:HOST:PORT. Ctrl-] leaves."""
    from . import terminal

    sys.exit(terminal.talk(port))


@importos.command(context_settings=CONTEXT)
@click.option("--kernel", type=PATH, help="Look at this kernel.elf.")
def doctor(kernel: Path | None) -> None:
    """Check this installation, and say what is missing."""
    from . import inspection

    lines, healthy = inspection.doctor(kernel)
    for line in lines:
        click.echo(line)
    sys.exit(0 if healthy else 3)


@importos.command(context_settings=CONTEXT)
@click.argument("name", type=PATH)
def new(name: Path) -> None:
    """Make a folder NAME with a small app to begin with."""
    from . import scaffold

    for line in scaffold.create(name):
        click.echo(line)


@importos.command(context_settings=CONTEXT)
@click.argument("folder", type=PATH, default="typings")
def stubs(folder: Path) -> None:
    """Put types of the guest's modules into FOLDER (typings), for editors and type checkers."""
    from . import scaffold

    for line in scaffold.copy_stubs(folder):
        click.echo(line)


@importos.command(context_settings=CONTEXT)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete the commands: eval "$(importos completion bash)"."""
    from click.shell_completion import get_completion_class

    for command, name in ((mkimage, "mkimage"), (importos, "importos")):
        kind = get_completion_class(shell)
        assert kind is not None
        click.echo(kind(command, {}, name, f"_{name.upper()}_COMPLETE").source())


def main(command: click.Command = importos, name: str = "importos") -> None:
    """Run a command; every way out of the program is here."""
    color = _early_color(sys.argv)
    _check_folder()
    try:
        command.main(prog_name=name, standalone_mode=False)
        sys.stdout.flush()
    except ImageError as error:
        from .diagnostics import show

        for diagnostic in error.diagnostics:
            show(diagnostic, color)
        sys.exit(error.exit_code)
    except click.UsageError as error:
        if "-A" in sys.argv and "-d" in sys.argv:
            click.echo("hint: this is ImportOS's mkimage, not U-Boot's", err=True)
        error.show()
        sys.exit(EXIT_USAGE)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        _drop_output()
        sys.exit(1)
    except Exception as error:
        sys.exit(_unexpected(error))


def _check_folder() -> None:
    try:
        Path.cwd()
    except OSError:
        click.echo("error[M304]: the current folder is gone", err=True)
        sys.exit(EXIT_ENVIRONMENT)


def _unexpected(error: Exception) -> int:
    """The status for an exception that nobody caught: a bug of ours, unless a disk is full."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        click.echo(f"error[M304]: the output cannot be written: {error.strerror}", err=True)
        _drop_output()
        return EXIT_ENVIRONMENT
    _internal_error()
    return EXIT_INTERNAL


def _drop_output() -> None:
    """What is still in standard output's buffer has nowhere to go."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def mkimage_main() -> None:
    """The `mkimage` script."""
    main(mkimage, "mkimage")


def _early_color(argv: list[str]) -> str:
    for index, word in enumerate(argv):
        if word.startswith("--color="):
            return word.partition("=")[2]
        if word == "--color" and index + 1 < len(argv):
            return argv[index + 1]
    return "auto"


def _internal_error() -> None:
    import tempfile
    import traceback

    text = traceback.format_exc()
    with tempfile.NamedTemporaryFile(
        "w", prefix="importos-error-", suffix=".txt", delete=False
    ) as file:
        file.write(f"importos {__version__}, python {sys.version}\n{sys.argv}\n{text}")
    click.echo(
        f"internal error: {text.strip().splitlines()[-1]}\n"
        f"note: this is a bug of the tools; please report it with {file.name}",
        err=True,
    )
