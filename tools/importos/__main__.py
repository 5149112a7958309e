# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""`python -m importos` is the `importos` command."""

from .cli import main

main()
