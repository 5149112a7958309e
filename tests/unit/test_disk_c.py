# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""The parts of the disk code that touch no hardware, compiled here, under the sanitizers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import disk_images
import pytest

ROOT = Path(__file__).parents[2]
MIB = 1 << 20
pytestmark = pytest.mark.skipif(not shutil.which("gcc"), reason="no C compiler")


def build(directory: Path, program: str, source: str) -> Path:
    binary = directory / program
    command = ["gcc", "-g", "-O2", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    command += ["-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'port/x86'}", "-o", str(binary)]
    command += [str(ROOT / "tests/unit/c" / f"{program}.c"), str(ROOT / "port/x86" / source)]
    subprocess.run(command, check=True)
    return binary


@pytest.fixture(scope="module")
def blockcache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("c"), "blockcache_model", "blockcache.c")


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("c"), "volume_fuzz", "volume.c")


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("c"), "share_fuzz", "share.c")


def run(*command: object) -> list[str]:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("seed", range(1, 11))
def test_cache_never_differs_from_an_array(blockcache: Path, seed: int) -> None:
    run(blockcache, seed, 1000)


def look(volume: Path, directory: Path, image: bytes, unit: int = 512) -> list[str]:
    return run(volume, disk_images.write(directory / "image", image), unit, 0)


def test_primary_partitions_of_an_mbr(volume: Path, tmp_path: Path) -> None:
    image = disk_images.mbr(4 * MIB, [(0x0C, 64, 1000), (0, 0, 0), (0x83, 2048, 4096)])
    lines = look(volume, tmp_path, image)
    assert lines[:2] == [f"1 {64 * 512} {1000 * 512} 0c ", f"3 {2048 * 512} {4096 * 512} 83 "]


def test_partition_past_the_end_is_left_out(volume: Path, tmp_path: Path) -> None:
    image = disk_images.mbr(4 * MIB, [(0x83, 64, 1000), (0x83, 8000, 1000)])
    assert [line.split()[0] for line in look(volume, tmp_path, image)[:-1]] == ["1"]


def test_logical_partitions(volume: Path, tmp_path: Path) -> None:
    image = disk_images.logical(4 * MIB, (100, 6000), [(101, 500), (1000, 700)])
    lines = look(volume, tmp_path, image)
    assert lines[:2] == [f"5 {101 * 512} {500 * 512} 83 ", f"6 {1000 * 512} {700 * 512} 83 "]


def test_chain_of_logical_partitions_that_loops_ends(volume: Path, tmp_path: Path) -> None:
    image = disk_images.logical(4 * MIB, (100, 6000), [(101, 500), (1000, 700)])
    at = 999 * 512 + 446 + 16
    image[at : at + 16] = image[100 * 512 + 462 : 100 * 512 + 478]  # points to itself
    assert len(look(volume, tmp_path, image)) <= 33


@pytest.mark.parametrize("unit", [512, 4096])
@pytest.mark.parametrize("spoil", ["", "first"])
def test_gpt_and_its_copy(volume: Path, tmp_path: Path, unit: int, spoil: str) -> None:
    image = disk_images.gpt(8 * MIB, [("data", 64, 127), ("größe", 256, 300)], unit, spoil)
    lines = look(volume, tmp_path, image, unit)
    assert lines[:2] == [
        f"1 {64 * unit} {64 * unit} 00 data",
        f"2 {256 * unit} {45 * unit} 00 größe",
    ]


def test_gpt_with_two_bad_headers_has_no_partitions(volume: Path, tmp_path: Path) -> None:
    image = disk_images.gpt(8 * MIB, [("data", 64, 127)], spoil="both")
    assert len(look(volume, tmp_path, image)) == 1


@pytest.mark.parametrize("block_size", [512, 4096, 65536])
@pytest.mark.parametrize("torn", [False, True])
def test_littlefs_is_found_by_either_superblock(
    volume: Path, tmp_path: Path, block_size: int, torn: bool
) -> None:
    image = disk_images.littlefs(MIB, block_size=block_size)
    if torn:
        image[: block_size // 2] = bytes(block_size // 2)
    assert look(volume, tmp_path, image) == [f"format 1 {block_size} {MIB // block_size}"]


def test_fat_boot_sector_is_no_partition_table(volume: Path, tmp_path: Path) -> None:
    image = bytearray(MIB)
    image[0:3] = b"\xeb\x3c\x90"
    image[11:14] = b"\x00\x02\x04"
    image[54:59] = b"FAT16"
    image[510:512] = b"\x55\xaa"
    assert look(volume, tmp_path, image) == ["format 2 512 0"]


@pytest.mark.parametrize("kind", ["mbr", "logical", "gpt", "littlefs"])
def test_damaged_tables_are_survived(volume: Path, tmp_path: Path, kind: str) -> None:
    image = {
        "mbr": lambda: disk_images.mbr(MIB, [(0x0C, 64, 1000), (0x83, 1100, 200)]),
        "logical": lambda: disk_images.logical(MIB, (100, 1900), [(101, 200), (500, 700)]),
        "gpt": lambda: disk_images.gpt(MIB, [("data", 64, 127), ("more", 256, 300)]),
        "littlefs": lambda: disk_images.littlefs(MIB),
    }[kind]()
    run(volume, disk_images.write(tmp_path / "image", image), 512, 500)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_host_that_answers_nonsense_is_survived(share: Path, seed: int) -> None:
    run(share, seed, 3000)
