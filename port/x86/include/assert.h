// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Private libc: assert() ends in panic() (C11 7.2). NDEBUG removes it from MicroPython only.

#ifndef IMPORTOS_ASSERT_H
#define IMPORTOS_ASSERT_H

#ifdef NDEBUG
#define assert(condition) ((void)0)
#else
__attribute__((noreturn)) void __assert_func(const char *file, int line, const char *function,
    const char *condition);
#define assert(condition) \
    ((condition) ? (void)0 : __assert_func(__FILE__, __LINE__, __func__, #condition))
#endif

#ifndef static_assert
#define static_assert _Static_assert
#endif

#endif // IMPORTOS_ASSERT_H
