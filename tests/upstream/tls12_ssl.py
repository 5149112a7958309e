# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# ssl for a guest that is to speak TLS 1.2, found before the frozen module: that, with another
# default. It lies on the guest as /ssl.py.

import sys

_path = sys.path[:]
sys.path[:] = [".frozen"]
del sys.modules["ssl"]
import ssl  # noqa: E402

sys.path[:] = _path
_init = ssl.SSLContext.__init__


def _init_1_2(self, protocol):
    _init(self, protocol)
    self.maximum_version = ssl.TLSVersion.TLSv1_2


ssl.SSLContext.__init__ = _init_1_2
globals().update({name: value for name, value in ssl.__dict__.items() if name[0] != "_"})
