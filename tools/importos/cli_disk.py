# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""The commands `importos disk create|ls|cp`: parse, call, print."""

from __future__ import annotations

from pathlib import Path

import click

from . import cli_types

PATH = click.Path(path_type=Path)


@click.group()
def disk() -> None:
    """Make disk images for --disk, and copy files into and out of them."""


@disk.command()
@click.argument("image", type=PATH)
@click.argument("files", type=click.Path(path_type=Path, exists=True), nargs=-1)
@click.option("--size", type=cli_types.DISK_SIZE, default="16M", help="Default: 16M.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["littlefs", "fat"]),
    default="littlefs",
    help="littlefs (default) survives power cuts; fat is read by every other system.",
)
def create(image: Path, files: tuple[Path, ...], size: int, format_: str) -> None:
    """Make IMAGE, with FILES in its root."""
    from . import disk as disks

    disks.create(image, size, format_)
    for path in files:
        disks.copy(str(path), f"{image}:/")


@disk.command("ls")
@click.argument("place")
def list_files(place: str) -> None:
    """List PLACE, an image or IMAGE:/FOLDER, and all below."""
    from . import disk as disks

    image, folder = disks.split(place)
    with disks.open_disk(image or Path(place)) as files:
        for entry in files.walk(folder if image else "/"):
            size = "" if entry.is_folder else f"{entry.size}"
            click.echo(f"{size:>10} {entry.path}{'/' if entry.is_folder else ''}")


@disk.command("cp")
@click.argument("source")
@click.argument("target")
@click.option("-q", "--quiet", is_flag=True, help="Do not name the files.")
def copy(source: str, target: str, quiet: bool) -> None:
    """Copy files and folders: from the host to IMAGE:/PATH, or from there to the host."""
    from . import disk as disks

    for path in disks.copy(source, target):
        if not quiet:
            click.echo(path)
