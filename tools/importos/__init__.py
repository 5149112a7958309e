# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors

"""ImportOS host tools: freeze a Python app into one bootable image, boot it, look into it."""

__version__ = "0.1.0"
