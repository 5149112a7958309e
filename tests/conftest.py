# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Images and booted guests for the tests, and the console log of those that failed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from guest import Boot, Guest
from support import LOGS, run_tool, without_multiboot

from importos import kernel, qemu, symbolize

# Every machine with every boot protocol. QEMU prefers Multiboot where an image offers both. The
# two with SeaBIOS can be started by microvm's firmware too, which is what `importos run` does.
PROTOCOLS = ("multiboot", "pvh")
MACHINES = [(m, p, "") for m in ("pc", "q35", "microvm") for p in PROTOCOLS] + [
    (m, p, qemu.QBOOT) for m in ("pc", "q35") for p in PROTOCOLS
]

BuildImage = Callable[..., Path]


@pytest.fixture(scope="session")
def build_image(tmp_path_factory: pytest.TempPathFactory) -> BuildImage:
    """build_image(app, *options) -> image; (app) is a program's text, or a path.

    The kernel is the whole one unless --flavour is among the options; "auto": mkimage's choice.
    """
    directory = tmp_path_factory.mktemp("images")
    count = 0

    def build(app: str | Path | None, *options: str | Path) -> Path:
        nonlocal count
        count += 1
        image = directory / f"image{count}.elf"
        arguments: list[str | Path] = ["build", "--output", image]
        if isinstance(app, str):
            source = directory / f"app{count}" / "app.py"
            source.parent.mkdir()
            source.write_text(app, encoding="utf-8")
            arguments.append(source)
            if "assert " in app:
                arguments += ["--optimize", "0"]  # by default mkimage leaves assertions out
        elif app is not None:
            arguments.append(app)
        if "--flavour" not in options:
            arguments += ["--flavour", "full"]
        result = run_tool(*arguments, *options)
        assert result.returncode == 0, result.stderr
        return image

    return build


@pytest.fixture(scope="session")
def repl_image(build_image: BuildImage) -> Path:
    """An image without an app: it boots to the prompt."""
    return build_image(None)


@pytest.fixture(params=MACHINES, ids=lambda three: "-".join(filter(None, three)))
def machine(request: pytest.FixtureRequest) -> dict[str, str]:
    """boot(image, **machine) on each machine by each protocol and firmware."""
    return dict(zip(("machine", "protocol", "bios"), request.param, strict=True))


@pytest.fixture
def boot(request: pytest.FixtureRequest) -> Iterator[Boot]:
    """boot(image, machine=, protocol=, bios=, megabytes=, cpu=, ...) -> a started Guest.

    A guest must have left by itself at the end, or stand at its prompt with `at_prompt` set.
    """
    guests: list[Guest] = []
    request.node.guests = guests

    def start(
        image: Path,
        *,
        machine: str = "microvm",
        protocol: str = "multiboot",
        bios: str = "",
        megabytes: int = 64,
        cpu: str = "qemu64",
        append: str = "",
        console: str = "socket",
        network: bool = False,
        ports: tuple[qemu.Port, ...] = (),
        edit: Callable[[list[str]], list[str]] | None = None,
        extra: tuple[str, ...] = (),
    ) -> Guest:
        if protocol == "pvh":
            image = without_multiboot(image)
        wanted = qemu.Machine(
            kernel=image,
            machine=machine,
            bios=bios,
            memory=megabytes << 20,
            cpu=cpu,
            append=append,
            network=network or bool(ports),
            ports=ports,
            extra=extra,
        )
        name = re.sub(r"[^\w.-]+", "_", request.node.nodeid.partition("tests/")[2])
        guests.append(Guest(wanted, LOGS / f"{name}.{len(guests)}.log", console))
        if edit is not None:
            guests[-1].edit = edit
        return guests[-1].start()

    yield start
    left_running = [guest for guest in guests if guest.close() and not guest.at_prompt]
    assert not left_running, "a guest still ran at the end of the test"


@pytest.fixture
def guest(boot: Boot, repl_image: Path) -> Iterator[Guest]:
    """A guest at its prompt; it must still answer at the end of the test, or have left."""
    booted = boot(repl_image)
    booted.prompt()
    yield booted
    if booted.process.poll() is None:
        assert booted.run("print(6 * 7)") == "42"
        booted.at_prompt = True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show the end of each console of a failed test, with names for its addresses."""
    report = yield
    if report.failed:
        for number, failed in enumerate(getattr(item, "guests", ())):
            if hasattr(failed, "log"):
                report.sections.append((f"console {number}: {failed.log_path}", named(failed)))
    return report


def named(failed: Guest) -> str:
    """The end of the console log, its addresses named."""
    text = failed.tail(60) if not failed.log.closed else failed.log_path.read_text("utf-8")
    try:
        symbols = (kernel.DATA / "kernel.sym").read_text("utf-8")
    except OSError:
        return text
    return symbolize.Symbols(symbolize.parse_symbols(symbols)).annotate(text)
