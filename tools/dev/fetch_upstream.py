#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Fetch the upstream sources of port/x86/upstream.toml into build/upstream/.

They are Debian source packages, fetched by the ordinary apt client with a private
configuration: own package lists, own cache, own sources file. The mirror and its keyring are
those that the system already uses, so nothing on the system changes and apt's signature check
is the proof of origin. Each tree is unpacked by dpkg-source, and build/upstream/upstream.json
records what was used. Patches of ours are applied to copies when the kernel is built.

Runs before the virtual environment exists: standard library only.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UPSTREAM_TOML = ROOT / "port/x86/upstream.toml"
DEBIAN_KEYRINGS = (
    "/usr/share/keyrings/debian-archive-keyring.pgp",
    "/usr/share/keyrings/debian-archive-keyring.gpg",
)
ATTEMPTS = 3


class FetchError(Exception):
    """What went wrong and what the user can do about it."""


@dataclass(frozen=True)
class Source:
    """A place that apt knows: what one stanza of a .sources file says."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str  # "" when the stanza names none; may be a key block of several lines


# --- What the system's apt is configured with ---------------------------------------------------


def parse_deb822(text: str) -> list[Source]:
    """The enabled binary or source stanzas of a deb822 .sources file (sources.list(5))."""
    sources = []
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in (" ", "\t"):
                fields[name] = fields.get(name, "") + "\n" + line
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        for uri in fields.get("uris", "").split():
            suites = tuple(fields.get("suites", "").split())
            components = tuple(fields.get("components", "").split())
            sources.append(Source(uri, suites, components, fields.get("signed-by", "")))
    return sources


def parse_one_line(text: str) -> list[Source]:
    """The entries of a one-line-style sources.list (sources.list(5))."""
    pattern = re.compile(r"^\s*deb(?:-src)?\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*([^#]*)")
    sources = []
    for line in text.splitlines():
        match = pattern.match(line)
        if match:
            options, uri, suite, components = match.groups()
            signed = re.search(r"\bsigned-by=(\S+)", options or "")
            sources.append(
                Source(uri, (suite,), tuple(components.split()), signed[1] if signed else "")
            )
    return sources


def system_sources(etc_apt: Path) -> list[Source]:
    """Every source that the apt configuration in (etc_apt) enables."""
    sources = []
    for path in [etc_apt / "sources.list", *sorted(etc_apt.glob("sources.list.d/*"))]:
        if not path.is_file():
            continue
        if path.suffix == ".sources":
            sources += parse_deb822(path.read_text(encoding="utf-8", errors="replace"))
        elif path.suffix == ".list":
            sources += parse_one_line(path.read_text(encoding="utf-8", errors="replace"))
    return sources


def read_os_release(path: Path) -> dict[str, str]:
    """ID, VERSION_CODENAME and the rest of os-release(5); empty when there is no such file."""
    if not path.is_file():
        return {}
    pairs = (line.partition("=") for line in path.read_text(encoding="utf-8").splitlines())
    return {name: value.strip("\"'") for name, _, value in pairs}


def debian_mirror(sources: list[Source], release: dict[str, str]) -> Source | None:
    """The source that is the main archive of Debian, or None."""
    if release.get("ID") != "debian":
        return None
    suites = {release.get("VERSION_CODENAME"), "stable", "testing", "unstable", "sid"}
    candidates = [s for s in sources if suites & set(s.suites) and "main" in s.components]
    # A third party may use the same names; the archive is the one with Debian's own keyring.
    candidates.sort(key=lambda s: 0 if "debian-archive" in s.signed_by else bool(s.signed_by))
    return candidates[0] if candidates else None


def find_mirror(etc_apt: Path = Path("/etc/apt")) -> Source:
    """The Debian mirror to fetch from: DEBIAN_MIRROR, or that of the system.

    Raises FetchError when there is none, as on other distributions.
    """
    uri = os.environ.get("DEBIAN_MIRROR")
    if uri:
        keyring = next((path for path in DEBIAN_KEYRINGS if Path(path).is_file()), "")
        return Source(uri, (), ("main",), keyring)
    release = read_os_release(Path("/etc/os-release"))
    mirror = debian_mirror(system_sources(etc_apt), release)
    if mirror is None:
        raise FetchError(
            f"apt on this system ({release.get('PRETTY_NAME', 'unknown')}) has no Debian mirror "
            "to fetch the upstream sources from.\n"
            "Either name one: install debian-archive-keyring and add DEBIAN_MIRROR=URL;\n"
            "or use unpacked trees: MICROPY_DIR=... LWIP_DIR=... MBEDTLS_DIR=..."
        )
    return mirror


# --- apt with a configuration of its own --------------------------------------------------------


class Apt:
    """The apt client for one suite, with lists, cache and sources below (directory).

    (types) is "deb-src", or "deb" for a client that knows the packages instead of their sources.
    """

    def __init__(
        self, directory: Path, mirror: Source, suite: str, types: str = "deb-src"
    ) -> None:
        self.sources = directory / "sources.list.d/upstream.sources"
        for path in (self.sources.parent, directory / "lists/partial", directory / "cache"):
            path.mkdir(parents=True, exist_ok=True)
        stanza = f"Types: {types}\nURIs: {mirror.uri}\nSuites: {suite}\n"
        stanza += "Components: main\n"
        if mirror.signed_by:
            stanza += f"Signed-By: {mirror.signed_by}\n"
        self.sources.write_text(stanza, encoding="utf-8")
        options = {
            "Dir::State::Lists": directory / "lists",
            "Dir::Cache": directory / "cache",
            "Dir::Etc::SourceList": "/dev/null",
            "Dir::Etc::SourceParts": self.sources.parent,
            "Acquire::Languages": "none",
            "Acquire::AllowInsecureRepositories": "false",
            "APT::Get::AllowUnauthenticated": "false",
            "APT::Update::Error-Mode": "any",
        }
        if os.geteuid() == 0:
            # The unprivileged _apt user could not write here; apt would warn and do it as root.
            options["APT::Sandbox::User"] = "root"
        self.options = [
            word for key, value in options.items() for word in ("-o", f"{key}={value}")
        ]

    def update(self) -> None:
        """Refresh the package lists. Raises FetchError."""
        self.run("update")

    def source(self, package: str, version: str, directory: Path) -> None:
        """Download a source package into (directory). Raises FetchError."""
        self.run("source", "--download-only", f"{package}={version}", cwd=directory)

    def packages(self, names: list[str], directory: Path) -> None:
        """Download the packages (names) into (directory). Raises FetchError."""
        self.run("download", *names, cwd=directory)

    def depends(self, package: str) -> list[str]:
        """The packages that (package) depends on by name."""
        command = ["apt-cache", *self.options, "depends", package]
        result = subprocess.run(command, text=True, capture_output=True)
        return re.findall(r"^\s*Depends: ([^\s<]+)$", result.stdout, re.MULTILINE)

    def run(self, *arguments: str, cwd: Path | None = None) -> None:
        """Run apt-get, three times at most. Raises FetchError with apt's own words."""
        command = ["apt-get", "-q", *self.options, *arguments]
        for attempt in range(1, ATTEMPTS + 1):
            result = subprocess.run(
                command, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            if result.returncode == 0:
                return
            if attempt < ATTEMPTS:
                print(f"apt-get {arguments[0]} failed, attempt {attempt} of {ATTEMPTS}")
                time.sleep(5 * attempt)
        raise FetchError(
            f"apt-get {' '.join(arguments)} failed {ATTEMPTS} times. Its last words:\n"
            f"{result.stdout.strip()[-2000:]}\n"
            "If the network is down, try again later; unpacked trees work without it: MICROPY_DIR="
            "... LWIP_DIR=... MBEDTLS_DIR=..."
        )

    def versions(self, package: str) -> list[str]:
        """The versions of the source package (package) that the lists offer."""
        command = ["apt-cache", *self.options, "showsrc", "--only-source", package]
        result = subprocess.run(command, text=True, capture_output=True)
        return re.findall(r"^Version: (\S+)$", result.stdout, re.MULTILINE)


def newest_matching(versions: list[str], prefix: str) -> str | None:
    """The highest of (versions) that is (prefix) or begins with it; "1.2" is not "1.25.0"."""
    best = None
    for version in versions:
        if not re.match(re.escape(prefix) + r"(?!\d)", version):
            continue
        if best is None or debian_newer(version, best):
            best = version
    return best


def debian_newer(version: str, other: str) -> bool:
    """True if (version) is newer in Debian's order."""
    return subprocess.run(["dpkg", "--compare-versions", version, "gt", other]).returncode == 0


# --- The trees ----------------------------------------------------------------------------------


def key_of(entry: dict) -> str:
    """Changes when the entry does: then the tree must be made anew."""
    return hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(dsc: Path, tree: Path) -> None:
    """Unpack (dsc) as (tree), which appears only when all of it worked."""
    partial = tree.with_name(tree.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    # apt has checked the signature of the lists and the hash of every file against them.
    command = ["dpkg-source", "--no-check", "--no-copy", "-x", str(dsc), str(partial)]
    result = subprocess.run(
        command, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if result.returncode != 0:
        raise FetchError(f"cannot unpack: {' '.join(command)}\n{result.stdout.strip()}")
    shutil.rmtree(tree, ignore_errors=True)
    partial.rename(tree)


def download(apt: Apt, entry: dict, version: str, directory: Path) -> list[Path]:
    """Download one source package; returns its files, the .dsc first."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    package = entry["package"]
    apt.source(package, version, directory)
    files = sorted(directory.iterdir(), key=lambda path: (path.suffix != ".dsc", path.name))
    if not files or files[0].suffix != ".dsc":
        raise FetchError(f"apt-get source {package}={version} brought no .dsc file")
    return files


class Fetcher:
    """Brings the trees of one upstream.toml below (directory) and keeps the record of them."""

    def __init__(self, wanted: dict[str, dict], directory: Path) -> None:
        self.wanted = wanted
        self.directory = directory
        self.json = directory / "upstream.json"
        self.record: dict[str, dict] = {}
        if self.json.is_file():
            self.record = json.loads(self.json.read_text("utf-8"))
        self.apts: dict[str, Apt] = {}

    def fetch(self, name: str) -> None:
        """Bring the tree (name), unless it is there as wanted."""
        entry = self.wanted[name]
        key = key_of(entry)
        tree = self.directory / name
        if tree.is_dir() and self.record.get(name, {}).get("key") == key:
            return
        try:
            used, version, files = self.download(name, entry)
        except FetchError as error:
            if "fallback" not in entry:
                raise
            print(f"notice: {error}")
            used, version, files = self.download(name, self.wanted[entry["fallback"]])
        unpack(files[0], tree)
        self.record[name] = {
            "package": used["package"],
            "suite": used["suite"],
            "version": version,
            "files": {path.name: sha256_of(path) for path in files},
            "dsc_sha256": sha256_of(files[0]),
            "orig_sha256": next((sha256_of(p) for p in files if ".orig.tar" in p.name), None),
            "key": key,
        }
        self.write_record()

    def download(self, name: str, entry: dict) -> tuple[dict, str, list[Path]]:
        """Download what (entry) asks for; returns it with the version and the files."""
        apt = self.open_apt(entry["suite"])
        version = newest_matching(apt.versions(entry["package"]), entry["version"])
        if version is None:
            raise FetchError(
                f"{entry['suite']} has no {entry['package']} {entry['version']} any more.\n"
                f"Change {UPSTREAM_TOML.relative_to(ROOT)}, or use an unpacked tree: "
                f"{name.upper().replace('MICROPYTHON', 'MICROPY')}_DIR=..."
            )
        if version != entry["revision"]:
            print(f"notice: {entry['package']} is {version}, last tested with {entry['revision']}")
        print(f"fetching {entry['package']} {version} ({entry['suite']})")
        return entry, version, download(apt, entry, version, self.directory / "download" / name)

    def open_apt(self, suite: str) -> Apt:
        """The apt client for (suite), with fresh lists; made at the first need."""
        if suite not in self.apts:
            print(f"reading the package lists of {suite}")
            self.apts[suite] = Apt(self.directory / "apt" / suite, find_mirror(), suite)
            self.apts[suite].update()
        return self.apts[suite]

    def write_record(self) -> None:
        """Write upstream.json; its date is what make compares, so also when nothing changed."""
        partial = self.json.with_suffix(".partial")
        partial.write_text(json.dumps(self.record, indent=2, sort_keys=True) + "\n", "utf-8")
        partial.replace(self.json)


def main() -> int:
    parser = argparse.ArgumentParser(description="Fetch the upstream sources.")
    parser.add_argument("--directory", type=Path, default=ROOT / "build/upstream")
    parser.add_argument("trees", nargs="*", help="trees of upstream.toml; default: the usual ones")
    options = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)
    wanted = tomllib.loads(UPSTREAM_TOML.read_text("utf-8"))
    unknown = set(options.trees) - set(wanted)
    if unknown:
        parser.error(f"{UPSTREAM_TOML.name} names no {', '.join(sorted(unknown))}")
    directory = options.directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    names = options.trees or [name for name in wanted if not wanted[name].get("on_request")]
    fetcher = Fetcher(wanted, directory)
    try:
        for name in names:
            fetcher.fetch(name)
        fetcher.write_record()
    except FetchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
