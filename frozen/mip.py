# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# mip: install packages over the network, by MicroPython's names (docs/reference/packages.rst).
# The index is an argument, or what the environment calls MIP_INDEX.

import os
import sys

import requests

_MPY_VERSION = sys.implementation._mpy & 0xFF


def _default_target():
    for entry in sys.path:
        if entry.endswith("/lib") and not entry.startswith("/rom"):
            return entry
    raise OSError("no folder of sys.path ends in /lib: name a target")


def _make_folders(path):
    at = 0
    while (at := path.find("/", at + 1)) > 0:
        try:
            os.mkdir(path[:at])
        except OSError as error:
            if error.errno != 17:  # EEXIST
                raise


def _download(url, path):
    response = requests.get(url, stream=True)
    with response:
        response.raise_for_status()
        _make_folders(path)
        with open(path + ".part", "wb") as file:
            for data in response.iter_content():
                file.write(data)
    try:
        os.remove(path)
    except OSError:
        pass
    os.rename(path + ".part", path)


def _is_installed(path, short_hash):
    import binascii
    import hashlib

    try:
        with open(path, "rb") as file:
            digest = hashlib.sha256()
            while data := file.read(4096):
                digest.update(data)
    except OSError:
        return False
    return binascii.hexlify(digest.digest())[: len(short_hash)].decode() == short_hash


def _join(base, url):
    return url if "://" in url else base.rpartition("/")[0] + "/" + url


def _install_json(url, index, target, version, mpy):
    with requests.get(url, stream=True) as response:
        response.raise_for_status()
        package = response.json()
    for path, short_hash in package.get("hashes", ()):
        if not _is_installed(target + "/" + path, short_hash):
            source = f"{index}/file/{short_hash[:2]}/{short_hash}"
            print("Installing", target + "/" + path)
            _download(source, target + "/" + path)
    for path, source in package.get("urls", ()):
        print("Installing", target + "/" + path)
        _download(_join(url, source), target + "/" + path)
    for name, wanted in package.get("deps", ()):
        _install(name, index, target, wanted, mpy)


def _install(package, index, target, version, mpy):
    if package.startswith(("http://", "https://")):
        if package.endswith(".json"):
            _install_json(package, index, target, version, mpy)
        elif package.endswith((".py", ".mpy")):
            name = package.rpartition("/")[2]
            print("Installing", target + "/" + name)
            _download(package, target + "/" + name)
        else:
            _install_json(package.rstrip("/") + "/package.json", index, target, version, mpy)
        return
    if not index:
        raise ValueError("no index: mip.install(name, index=...), or MIP_INDEX in the environment")
    kind = _MPY_VERSION if mpy else "py"
    url = f"{index}/package/{kind}/{package}/{version or 'latest'}.json"
    _install_json(url, index, target, version, mpy)


def install(package, index=None, target=None, version=None, mpy=True):
    index = (index or os.getenv("MIP_INDEX") or "").rstrip("/")
    _install(package, index, target or _default_target(), version, mpy)
    print("Done")
