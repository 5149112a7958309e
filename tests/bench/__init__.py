# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""The race: ImportOS beside Linux guests on the same QEMU. README.md in this directory."""
