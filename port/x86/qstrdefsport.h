// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Interned strings that the scan of the sources does not find: paths with characters that no C
// identifier has.

Q(/lib)
Q(/rom)
