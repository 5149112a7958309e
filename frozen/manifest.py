# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# The Python that every kernel carries. (The names called here come from MicroPython's
# tools/manifestfile.py.)

module("_boot.py", base_path=".")  # noqa: F821
module("net.py", base_path=".")  # noqa: F821
module("_net_tls.py", base_path=".")  # noqa: F821
module("ntptime.py", base_path=".")  # noqa: F821
module("requests.py", base_path=".")  # noqa: F821
module("mip.py", base_path=".")  # noqa: F821
module("ssl.py", base_path=".")  # noqa: F821
module("unittest.py", base_path=".")  # noqa: F821
module("webrepl.py", base_path=".")  # noqa: F821
package("os", base_path=".")  # noqa: F821
include("$(MPY_DIR)/extmod/asyncio")  # noqa: F821
