// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Interned strings that the scan of the sources does not find: paths with characters that no C
// identifier has, and those that only a patch uses.

Q(/lib)
Q(/rom)
Q(fileno)
Q(maximum_version)
Q(minimum_version)
Q(suppress_ragged_eofs)
Q(unwrap)
Q(version)
