# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Disk images with littlefs or FAT, the file systems that an image mounts: make, list, copy.

    create(Path("data.img"), size=16 << 20)
    with open_disk(Path("data.img"), write=True) as files:
        files.write("/config.json", b"{}")

Raw images without partitions, up to 2 GiB. An image that a machine is using is refused.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from .errors import EXIT_ENVIRONMENT, EXIT_INPUT, ImageError, failure

FORMATS = ("littlefs", "fat")
SIZE_DEFAULT = 16 << 20
SIZE_MIN = 64 << 10
SIZE_MAX = 2 << 30
BLOCK_SIZE = 4096  # of littlefs; the kernel is fastest with it
SECTOR = 512
DEPTH_MAX = 64  # of folders; more is a damaged disk
ATTRIBUTE_TIME = 1  # where MicroPython's littlefs keeps the time of the last change
# QEMU locks bytes of an image that it uses, from 100 on (block/file-posix.c).
LOCK_START, LOCK_LENGTH = 100, 200


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder: (path) from the root, (size) in bytes."""

    path: str
    size: int
    is_folder: bool


class Files(ABC):
    """The files of a disk. Paths begin with "/". Raises ImageError M306."""

    def __init__(self, image: Path, file: BinaryIO) -> None:
        self.image = image
        self.file = file

    @abstractmethod
    def entries(self, folder: str) -> list[Entry]:
        """What is in (folder), sorted by name."""

    @abstractmethod
    def find(self, path: str) -> Entry | None:
        """The file or folder at (path); None if there is none."""

    @abstractmethod
    def read(self, path: str) -> bytes:
        """The contents of a file."""

    @abstractmethod
    def write(self, path: str, data: bytes, changed: float | None = None) -> None:
        """Make or replace a file; (changed) is its time, in seconds since 1970."""

    @abstractmethod
    def make_folder(self, path: str) -> None:
        """Make a folder whose parent is there."""

    @abstractmethod
    def close(self) -> None:
        """Unmount."""

    def make_folders(self, path: str) -> None:
        """Make a folder and its parents, unless they are there."""
        for parent in [*reversed(PurePosixPath(path).parents), PurePosixPath(path)]:
            if self.find(str(parent)) is None:
                self.make_folder(str(parent))

    def walk(self, folder: str = "/") -> Iterator[Entry]:
        """Everything below (folder), a folder before what is in it."""
        if folder.count("/") > DEPTH_MAX:
            raise failure("M306", "the folders do not end", file=str(self.image))
        for entry in self.entries(folder):
            yield entry
            if entry.is_folder:
                yield from self.walk(entry.path)


def create(path: Path, size: int = SIZE_DEFAULT, format_: str = "littlefs") -> None:
    """Make an image with an empty file system. A file that is there already is refused."""
    if not SIZE_MIN <= size <= SIZE_MAX:
        raise failure("M306", "a disk has 64 KiB to 2 GiB", file=str(path))
    size -= size % BLOCK_SIZE
    try:
        with path.open("x+b") as file:
            try:
                file.truncate(size)
                files = _open_files(path, file, format_, make=True)
                with _clear_errors(path):
                    files.close()
            except BaseException:
                path.unlink()
                raise
    except FileExistsError:
        raise failure("M306", "the file is there already", file=str(path)) from None
    except OSError as error:
        raise _os_failure(path, f"cannot be made: {error.strerror}", error) from None


@contextlib.contextmanager
def open_disk(path: Path, write: bool = False) -> Iterator[Files]:
    """The files of the image at (path), until the end of the with statement."""
    try:
        file = path.open("r+b" if write else "rb")
    except OSError as error:
        hints = (f"importos disk create {path}",) if error.errno == errno.ENOENT else ()
        what = f"cannot be {'written' if write else 'read'}: {error.strerror}"
        raise _os_failure(path, what, error, hints) from None
    with file:
        _lock(path, file, write)
        files = _open_files(path, file, detect(file) or _unknown(path))
        with _clear_errors(path):
            try:
                yield files
            finally:
                files.close()


def detect(file: BinaryIO) -> str:
    """Which file system an image has: "littlefs", "fat", or ""."""
    file.seek(0)
    start = file.read(SECTOR)
    if start[8:16] == b"littlefs":
        return "littlefs"
    for size in (1 << n for n in range(7, 17)):
        file.seek(size + 8)
        if file.read(8) == b"littlefs":
            return "littlefs"
    fat = start[510:512] == b"\x55\xaa" and b"FAT" in (start[54:57], start[82:85])
    return "fat" if fat else ""


def copy(source: str, target: str) -> list[str]:
    """Copy files and folders between the host and an image; the paths that were written.

    Places in an image are written IMAGE:/PATH. Into a folder that is there, (source) keeps its
    name; otherwise (target) is the new name.
    """
    from_image, from_path = split(source)
    to_image, to_path = split(target)
    if (from_image is None) == (to_image is None):
        raise failure(
            "M306",
            "one of the two places must be in an image, the other one outside",
            hints=("write data.img:/folder/file for what is in an image",),
        )
    if to_image is not None:
        with open_disk(to_image, write=True) as files:
            return _copy_in(Path(source), files, to_path)
    assert from_image is not None
    with open_disk(from_image) as files:
        return _copy_out(files, from_path, Path(target))


def split(place: str) -> tuple[Path | None, str]:
    """("data.img", "/x") of "data.img:/x"; (None, place) if it is on the host."""
    image, colon, path = place.rpartition(":/")
    if not colon or not image:
        return None, place
    return Path(image), str(PurePosixPath("/" + path))


def _copy_in(source: Path, files: Files, target: str) -> list[str]:
    if not source.exists():
        raise failure("M306", "there is no such file or folder", file=str(source))
    found = files.find(target)
    if found is not None and found.is_folder and source.name:
        target = str(PurePosixPath(target) / source.name)
    if source.is_file():
        files.make_folders(str(PurePosixPath(target).parent))
        files.write(target, source.read_bytes(), source.stat().st_mtime)
        return [target]
    files.make_folders(target)
    written = []
    for path in sorted(source.rglob("*")):
        place = str(PurePosixPath(target) / path.relative_to(source).as_posix())
        if path.is_dir():
            files.make_folders(place)
        elif path.is_file():
            files.write(place, path.read_bytes(), path.stat().st_mtime)
            written.append(place)
    return written


def _copy_out(files: Files, source: str, target: Path) -> list[str]:
    found = files.find(source)
    if found is None:
        raise failure("M306", "there is no such file or folder", file=f"{files.image}:{source}")
    if target.is_dir() and PurePosixPath(source).name:
        target = target / PurePosixPath(source).name
    if not found.is_folder:
        target.write_bytes(files.read(source))
        return [str(target)]
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for entry in files.walk(source):
        # Names come from the image: "..", or one with a separator, must not leave the target.
        relative = PurePosixPath(entry.path).relative_to(source)
        if any(part in ("..", ".") or os.sep in part or "\0" in part for part in relative.parts):
            raise failure("M306", f"the name {entry.path!r} cannot be", file=str(files.image))
        place = target.joinpath(*relative.parts)
        if entry.is_folder:
            place.mkdir(exist_ok=True)
        else:
            place.write_bytes(files.read(entry.path))
            written.append(str(place))
    return written


def _os_failure(path: Path, what: str, error: OSError, hints: tuple[str, ...] = ()) -> ImageError:
    rights = isinstance(error, PermissionError)
    status = EXIT_ENVIRONMENT if rights else EXIT_INPUT
    return failure("M306", what, file=str(path), hints=hints, exit_code=status)


def _lock(path: Path, file: BinaryIO, write: bool) -> None:
    """Refuse an image that QEMU is using (where locks of files are to be had)."""
    try:
        import fcntl
    except ImportError:
        return
    kind = fcntl.LOCK_EX if write else fcntl.LOCK_SH
    try:
        fcntl.lockf(file, kind | fcntl.LOCK_NB, LOCK_LENGTH, LOCK_START)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            raise failure(
                "M306", "a machine is using this disk", file=str(path), exit_code=EXIT_ENVIRONMENT
            ) from None


def _unknown(path: Path) -> Any:
    raise failure(
        "M306",
        "no littlefs and no FAT was found at the start of the disk",
        file=str(path),
        hints=("partitions are mounted by the guest, not by this tool",),
    )


def _open_files(path: Path, file: BinaryIO, format_: str, make: bool = False) -> Files:
    with _clear_errors(path):
        if format_ == "littlefs":
            from .disk_littlefs import LittleFiles

            return LittleFiles(path, file, make)
        try:
            from .disk_fat import FatFiles
        except ImportError:
            raise failure(
                "M306",
                "FAT needs a package that is not installed",
                hints=("pip install 'importos[fat]'",),
                exit_code=EXIT_ENVIRONMENT,
            ) from None
        return FatFiles(path, file, make)


@contextlib.contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    """Errors of the file system libraries as ImageError."""
    try:
        yield
    except BrokenPipeError:
        raise  # of standard output, not of the disk
    except OSError as error:
        what = os.strerror(error.errno) if error.errno else str(error)
        raise failure("M306", what, file=str(error.filename or path)) from None
    except UnicodeEncodeError as error:
        what = f"{error.object!r}: this tool can put only names in ASCII on FAT"
        raise failure(
            "M306", what, file=str(path), hints=("the guest has no such limit",)
        ) from None
    except Exception as error:
        # The libraries have exceptions of their own, which need not be imported to be named.
        if type(error).__module__.split(".")[0] not in ("littlefs", "fatfs"):
            raise
        code = getattr(error, "code", None)
        what = os.strerror(-code) if isinstance(code, int) and code < 0 else str(error)
        raise failure("M306", what, file=str(path)) from None


def age(seconds: float | None) -> int:
    """A time of change in nanoseconds since 1970, as littlefs keeps it; None: now."""
    return int((time.time() if seconds is None else seconds) * 1e9)
