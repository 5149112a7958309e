# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Make the Linux guests of the race in build/bench/guests: python -m bench.linux_guests [--tiny]

As a sensible engineer would build them: Debian's cloud kernel, uncompressed, and an initramfs with
busybox, the interpreter, its libraries and the virtio modules. The packages come from Debian's
mirror as the upstream sources do (tools/dev/fetch_upstream.py); they are unpacked, not installed.
--tiny compiles Debian's kernel sources with tiny_kernel.config too: the stronger opponent.
"""

from __future__ import annotations

import argparse
import lzma
import os
import shutil
import subprocess
import sys
from pathlib import Path

from . import disk, vmlinux
from .cpio import Cpio
from .targets import GUESTS, HERE, ROOT

sys.path.insert(0, str(ROOT / "tools/dev"))
from fetch_upstream import Apt, FetchError, find_mirror

SUITE = "trixie"
KERNEL = "linux-image-cloud-amd64"
KERNEL_SOURCE = "linux-source-6.12"
PYTHON = "3.13"  # what SUITE has
PACKAGES = [
    "busybox-static", "libc6", "micropython", "libffi8", "libmbedtls21", "libmbedx509-7",
    "libmbedcrypto16", f"python{PYTHON}-minimal", f"libpython{PYTHON}-minimal",
    f"libpython{PYTHON}-stdlib", "zlib1g", "libexpat1",
]  # fmt: skip
LIBRARIES = {
    "mpy": ["libffi.so.8", "libmbedtls.so.21", "libmbedx509.so.7", "libmbedcrypto.so.16"],
    "cpy": ["libz.so.1", "libexpat.so.1"],
}
COMMANDS = {"mpy": "/usr/bin/micropython", "cpy": f"/usr/bin/python{PYTHON} -S -E"}
MODULES = ("failover", "net_failover", "virtio_net", "virtio_mmio")
LOADER = "ld-linux-x86-64.so.2"


def fetch(work: Path) -> Path:
    """Download the packages and unpack them; returns the root of what was in them."""
    apt = Apt(work / "apt", find_mirror(), SUITE, types="deb")
    print(f"reading the package lists of {SUITE}")
    apt.update()
    kernels = [name for name in apt.depends(KERNEL) if name.startswith("linux-image-")]
    if not kernels:
        raise FetchError(f"{SUITE} has no {KERNEL}")
    debs = work / "debs"
    debs.mkdir()
    print(f"fetching {kernels[0]} and {len(PACKAGES)} more packages")
    apt.packages([kernels[0], *PACKAGES], debs)
    return unpack(debs, work / "root")


def unpack(debs: Path, root: Path) -> Path:
    for deb in sorted(debs.glob("*.deb")):
        subprocess.run(["dpkg", "-x", deb, root], check=True)
    return root


def find(root: Path, name: str) -> Path:
    """The file called (name), links followed. Raises FetchError."""
    for path in sorted(root.rglob(name)):
        if path.is_file():
            return path.resolve()
    raise FetchError(f"the packages of {SUITE} have no {name}")


def module(root: Path, name: str) -> bytes:
    """A kernel module, uncompressed."""
    path = find(root, f"{name}.ko*")
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-qdc", path], check=True, capture_output=True).stdout
    return path.read_bytes()


def initramfs(root: Path, kind: str, library: Path | None) -> bytes:
    """The archive of the guest (kind); (library) is CPython's, trimmed."""
    archive = Cpio()
    for name in ("bin", "dev", "proc", "etc", "app", "lib", "lib/m", "lib64", "usr", "usr/bin"):
        archive.directory(name)
    archive.directory("usr/lib")
    archive.directory("usr/lib/x86_64-linux-gnu")
    archive.node("dev/console", 0o600, 5, 1)
    archive.node("dev/null", 0o666, 1, 3)
    archive.file("init", (HERE / "guest_init.sh").read_bytes(), 0o755)
    archive.file("bin/busybox", find(root, "busybox").read_bytes(), 0o755)
    archive.file("etc/python", f"{COMMANDS[kind]}\n".encode())
    archive.file(f"lib64/{LOADER}", find(root, LOADER).read_bytes(), 0o755)
    for name in MODULES:
        archive.file(f"lib/m/{name}.ko", module(root, name))
    for name in ("libc.so.6", "libm.so.6", *LIBRARIES[kind]):
        archive.file(f"usr/lib/x86_64-linux-gnu/{name}", find(root, name).read_bytes(), 0o755)
    program = COMMANDS[kind].partition(" ")[0]
    archive.file(program[1:], (root / program[1:]).resolve().read_bytes(), 0o755)
    if library:
        archive.directory(f"usr/lib/python{PYTHON}")
        for path in sorted(library.rglob("*")):
            name = f"usr/lib/python{PYTHON}/{path.relative_to(library)}"
            if path.is_dir():
                archive.directory(name)
            else:
                archive.file(name, path.read_bytes())
    return archive.finish()


def trimmed_library(root: Path, work: Path) -> Path:
    """What servers and benchmarks use of CPython's library, compiled by that CPython itself."""
    library = work / "library"
    run_python(root, HERE / "trim_stdlib.py", root / f"usr/lib/python{PYTHON}", library)
    options = ["-q", "-b", "-s", library, "--invalidation-mode", "unchecked-hash"]
    run_python(root, "-m", "compileall", *options, library)
    for path in library.rglob("*.py"):
        path.unlink()
    return library


def run_python(root: Path, *arguments: str | Path) -> None:
    """Run the guest's CPython here, with its own loader and libraries."""
    libraries = root / "usr/lib/x86_64-linux-gnu"
    program = root / f"usr/bin/python{PYTHON}"
    command = [find(root, LOADER), "--library-path", libraries, program, "-S", *arguments]
    environment = {
        **os.environ, "PYTHONHOME": str(root / "usr"), "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    subprocess.run(command, check=True, env=environment)


def make(work: Path) -> None:
    """Kernel and both archives, in GUESTS."""
    root = fetch(work)
    compressed = find(root, "vmlinuz-*").read_bytes()
    (GUESTS / "vmlinuz").write_bytes(compressed)
    (GUESTS / "vmlinux").write_bytes(vmlinux.extract(compressed))
    for kind in COMMANDS:
        library = trimmed_library(root, work) if kind == "cpy" else None
        (GUESTS / f"linux-{kind}.cpio").write_bytes(initramfs(root, kind, library))
    (GUESTS / "modules").mkdir(exist_ok=True)
    for name in disk.MODULES:
        (GUESTS / "modules" / f"{name}.ko").write_bytes(module(root, name))
    names = sorted(path.name.replace("%3a", ":") for path in (work / "debs").iterdir())
    (GUESTS / "packages.txt").write_text("\n".join(names) + "\n", encoding="utf-8")


def make_tiny(work: Path) -> None:
    """The kernel that is configured by hand: half an hour, 2.5 GB below (work)."""
    debs = work / "source"
    debs.mkdir()
    apt = Apt(work / "apt", find_mirror(), SUITE, types="deb")
    apt.update()
    apt.packages([KERNEL_SOURCE], debs)
    root = unpack(debs, work / "source-root")
    archive = find(root, "linux-source-*.tar.xz")
    subprocess.run(["tar", "xf", archive, "-C", work], check=True)
    tree = next(path for path in work.glob("linux-source-*") if path.is_dir())
    subprocess.run(["sh", HERE / "tiny_kernel.sh", tree, work / "objects", GUESTS], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="compile the tiny kernel too")
    options = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)
    work = GUESTS / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        make(work)
        if options.tiny:
            make_tiny(work)
    except FetchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    shutil.rmtree(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
