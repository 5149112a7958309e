# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

from net import Interface as LAN  # noqa: N814 (MicroPython calls it so)
from typing import Any, overload

__all__ = ["AP_IF", "LAN", "STA_IF", "country", "hostname", "ipconfig", "route"]

AP_IF: int
STA_IF: int

@overload
def hostname() -> str: ...
@overload
def hostname(name: str, /) -> None: ...
@overload
def country() -> str: ...
@overload
def country(code: str, /) -> None: ...
def ipconfig(name: str = ..., /, **settings: Any) -> Any: ...
def route(*_: Any) -> Any: ...
