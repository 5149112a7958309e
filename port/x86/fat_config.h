// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// FatFs's settings: MicroPython's, but for names in UTF-8, which Python's strings are. With the
// code page of upstream's choice a name with any other letter can be neither listed nor opened.

#include "lib/oofatfs/ffconf.h"

#undef FF_LFN_UNICODE
#undef FF_LFN_BUF
#undef FF_SFN_BUF
#define FF_LFN_UNICODE 2
#define FF_LFN_BUF (255 * 3) // bytes: a name has up to 255 units of UTF-16
#define FF_SFN_BUF (12 * 3)
