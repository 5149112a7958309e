# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# os.path: path names, as CPython's posixpath has them, on MicroPython's uos.

import uos as _uos

sep = "/"

_DIRECTORY = const(0x4000)  # noqa: F821
_FILE = const(0x8000)  # noqa: F821


def normcase(path):
    return path


def isabs(path):
    return path.startswith("/")


def join(path, *parts):
    for part in parts:
        if part.startswith("/"):
            path = part
        elif not path or path.endswith("/"):
            path += part
        else:
            path += "/" + part
    return path


def split(path):
    head, slash, tail = path.rpartition("/")
    return (head.rstrip("/") or slash, tail)


def dirname(path):
    return split(path)[0]


def basename(path):
    return split(path)[1]


def splitext(path):
    start = path.rfind("/") + 1
    dot = path.rfind(".")
    # Dots that a name begins with are part of it.
    if dot < start or not path[start:dot].strip("."):
        return (path, "")
    return (path[:dot], path[dot:])


def normpath(path):
    absolute = path.startswith("/")
    parts = []
    for part in path.split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in ("", ".", "..") or (part == ".." and not absolute):
            parts.append(part)
    return ("/" if absolute else "") + "/".join(parts) or "."


def abspath(path):
    return normpath(join(_uos.getcwd(), path))


realpath = abspath


def _mode(path):
    try:
        return _uos.stat(path)[0]
    except OSError:
        return 0


def exists(path):
    return _mode(path) != 0


def isdir(path):
    return bool(_mode(path) & _DIRECTORY)


def isfile(path):
    return bool(_mode(path) & _FILE)


def getsize(path):
    return _uos.stat(path)[6]
