# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""MicroPython's own tests, run on ImportOS: see README.md."""
