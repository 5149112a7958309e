// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// Every choice that MicroPython leaves to its port, grouped. What is not named here has the
// default of the ROM level; each deviation says why. Compiles with MicroPython 1.25 and later.

#include <alloca.h>
#include <stddef.h>
#include <stdint.h>

#define MICROPY_CONFIG_ROM_LEVEL (MICROPY_CONFIG_ROM_LEVEL_EVERYTHING)

// The parts that a flavour of the kernel may lack; the Makefile defines each as 0 or 1:
// IMPORTOS_COMPILER (with the prompt, and machine code), IMPORTOS_DISKS (with their file systems,
// shares and virtio consoles), IMPORTOS_LFS1 (littlefs 1), IMPORTOS_NET (UDP at least),
// IMPORTOS_TCP (with sockets), IMPORTOS_TLS, IMPORTOS_LIBRARY and IMPORTOS_EXTRAS (modules, see
// below).

// Types. Representation A: 63-bit small integers, objects on the heap.

typedef intptr_t mp_int_t;
typedef uintptr_t mp_uint_t;
typedef int64_t mp_off_t;
#ifndef IMPORTOS_SSIZE_T
#define IMPORTOS_SSIZE_T
typedef long ssize_t;
#endif

#define INT_FMT "%ld"
#define UINT_FMT "%lu"
#define HEX_FMT "%lx"
#define MP_SSIZE_MAX (INTPTR_MAX)
#define MP_NORETURN __attribute__((noreturn)) // MicroPython 1.25 calls it NORETURN

#define MICROPY_OBJ_REPR (MICROPY_OBJ_REPR_A)
#define MICROPY_FLOAT_IMPL (MICROPY_FLOAT_IMPL_DOUBLE)
#define MICROPY_FLOAT_USE_NATIVE_FLT16 (0) // _Float16 calls libgcc, and none is linked
#define MICROPY_LONGINT_IMPL (MICROPY_LONGINT_IMPL_MPZ)
#define MP_NEED_LOG2 (1) // lib/libm_dbl has none

// Compiler and emitters. Machine code is written to the heap, then committed to the kernel's
// executable pool, because no memory is writable and executable at once (memory.h).

#define MICROPY_EMIT_X64 (IMPORTOS_COMPILER)
#define MICROPY_PERSISTENT_CODE_LOAD (1)
#define MICROPY_ENABLE_COMPILER (IMPORTOS_COMPILER)
#define MICROPY_HELPER_REPL (IMPORTOS_COMPILER)
#define MICROPY_COMP_CONST_FLOAT (IMPORTOS_COMPILER)
#define MICROPY_OPT_COMPUTED_GOTO (1)
void *port_exec_commit(void *code, size_t size, void *relocations);
#define MP_PLAT_COMMIT_EXEC(code, size, relocations) port_exec_commit(code, size, relocations)

// Memory. The heap starts small and takes in the machine's RAM as Python needs it (heap.c), so
// that booting with 2 GiB costs no more than with 16 MiB.

#define MICROPY_ENABLE_GC (1)
#define MICROPY_GC_SPLIT_HEAP (1)
#define MICROPY_GC_SPLIT_HEAP_AUTO (1)
void *heap_take(size_t size);
void heap_give_back(void *area);
#define MP_PLAT_ALLOC_HEAP(size) heap_take(size)
#define MP_PLAT_FREE_HEAP(area) heap_give_back(area)
#define MICROPY_ALLOC_GC_STACK_SIZE (1) // not this one: patches/py/gc.c.patch has its own
#define MICROPY_GC_STACK_ENTRY_TYPE uint32_t // counts blocks of 32 bytes: 128 GiB an area
#define MICROPY_MEM_STATS (1)
#define MICROPY_MALLOC_USES_ALLOCATED_SIZE (1)
#define MICROPY_PY_GC_COLLECT_RETVAL (1)
#define MICROPY_TRACKED_ALLOC (1) // Mbed TLS allocates through it
#define MICROPY_STACK_CHECK_MARGIN (1024)
#define MICROPY_ENABLE_EMERGENCY_EXCEPTION_BUF (1)
#define MICROPY_EMERGENCY_EXCEPTION_BUF_SIZE (256)
#define MICROPY_ALLOC_PATH_MAX (512)
#define MICROPY_QSTR_BYTES_IN_HASH (2)
#define MICROPY_OPT_MAP_LOOKUP_CACHE_SIZE (1024) // bytes; a name has two entries

// Errors.

#define MICROPY_ERROR_REPORTING (MICROPY_ERROR_REPORTING_DETAILED)
#define MICROPY_WARNINGS (1)
#define MICROPY_USE_INTERNAL_ERRNO (1) // one set of numbers, whatever the build host's libc has
#define MICROPY_USE_INTERNAL_PRINTF (1)
// What an OSError calls by name: MicroPython's own list, and the numbers that events, files and
// sockets raise here besides.
#define MP_EDEADLK (35) // MicroPython has no name for it
#define MICROPY_PY_ERRNO_LIST \
    X(EPERM) X(ENOENT) X(EIO) X(EBADF) X(EAGAIN) X(ENOMEM) X(EACCES) X(EBUSY) X(EEXIST) \
    X(ENODEV) X(ENOTDIR) X(EISDIR) X(EINVAL) X(ENOSPC) X(EROFS) X(EPIPE) X(EDEADLK) \
    X(EOPNOTSUPP) X(EADDRINUSE) X(ECONNABORTED) X(ECONNRESET) X(ENOBUFS) X(ENOTCONN) \
    X(ETIMEDOUT) X(ECONNREFUSED) X(EHOSTUNREACH) X(EALREADY) X(EINPROGRESS)

// Events. Interrupt handlers schedule; 4 slots, the default, lose events silently.

#define MICROPY_ENABLE_SCHEDULER (1)
#define MICROPY_SCHEDULER_DEPTH (64)
#define MICROPY_SCHEDULER_STATIC_NODES (1)
#define MICROPY_SCHED_HOOK_SCHEDULED mp_hal_wake()
#define MICROPY_KBD_EXCEPTION (1)
// modules/os decides when Ctrl-C may interrupt: not in a callback.
#define MICROPY_WRAP_MP_SCHED_KEYBOARD_INTERRUPT(f) f##_now
#define MICROPY_ENABLE_VM_ABORT (1)
#define MICROPY_BEGIN_ATOMIC_SECTION() irq_save()
#define MICROPY_END_ATOMIC_SECTION(state) irq_restore(state)

// REPL. The raw-paste window is half the buffer: a large one spares round trips.

#define MICROPY_REPL_INFO (0) // times what runs, so that each boot would wait for the clock
#define MICROPY_REPL_STDIN_BUFFER_MAX (4096)
#define MICROPY_READLINE_HISTORY_SIZE (50)
#define MICROPY_REPL_EMACS_KEYS (1)
#define MICROPY_REPL_AUTO_INDENT (1)
#define MICROPY_BANNER_NAME_AND_VERSION \
    "MicroPython v" MICROPY_VERSION_STRING " on " MICROPY_BUILD_DATE
#define MICROPY_BANNER_MACHINE "ImportOS x86_64"
#define MICROPY_HW_BOARD_NAME "ImportOS"
#define MICROPY_HW_MCU_NAME "x86_64"

// Import. The entry script is imported with the name __main__, so that main.mpy works as main.py
// does; pyexec runs source files only.

#define MICROPY_MODULE_OVERRIDE_MAIN_IMPORT (1)
#define MICROPY_READER_VFS (1)
#define MICROPY_MODULE_WEAK_LINKS (1)
#if IMPORTOS_TLS
#define IMPORTOS_NO_MODULE MP_ERROR_TEXT("no module named '%q'")
#else
#define IMPORTOS_NO_MODULE MP_ERROR_TEXT( \
    "no module named '%q' (the kernel is the flavour '" IMPORTOS_FLAVOUR "', not 'full')")
#endif

// File systems.

#define MICROPY_VFS (1)
#define MICROPY_VFS_ROM (1)
#define MICROPY_VFS_ROM_IOCTL (1)
#define MICROPY_FATFS_ENABLE_LFN (2)
#define MICROPY_FATFS_LFN_CODE_PAGE 437
#define MICROPY_FATFS_RPATH (2)
#define MICROPY_FATFS_MAX_SS (4096)
#define MICROPY_FATFS_USE_LABEL (1)
#define MICROPY_FATFS_MULTI_PARTITION (0)
#define MICROPY_FATFS_EXFAT (0)

// sys, os, time, gc.

#define MICROPY_PY_SYS_PLATFORM "x86"
#define MICROPY_PY_SYS_ATEXIT (1)
#define MICROPY_PY_SYS_EXC_INFO (1)
#define MICROPY_PY_OS_INCLUDEFILE "os_port.c"
#define MICROPY_PY_OS_DUPTERM (2)
#define MICROPY_PY_OS_GETENV_PUTENV_UNSETENV (1)
#define MICROPY_PY_OS_SYNC (1)
#define MICROPY_PY_OS_UNAME (1)
#define MICROPY_PY_OS_URANDOM (1)
#define MICROPY_PY_TIME_INCLUDEFILE "time_port.c"
#define MICROPY_PY_TIME_GMTIME_LOCALTIME_MKTIME (1)
#define MICROPY_PY_TIME_TIME_TIME_NS (1)
#define MICROPY_EPOCH_IS_1970 (1)
#define MICROPY_TIMESTAMP_IMPL (MICROPY_TIMESTAMP_IMPL_LONG_LONG)

// Modules that the ROM level leaves out or leaves unfinished.

#define MICROPY_PY_BUILTINS_HELP (IMPORTOS_COMPILER)
#define MICROPY_PY_BUILTINS_HELP_TEXT x86_help_text
#define MICROPY_PY_DEFLATE_COMPRESS (1)
#define MICROPY_PY_HASHLIB_MD5 (MICROPY_SSL_MBEDTLS)
#define MICROPY_PY_HASHLIB_SHA1 (MICROPY_SSL_MBEDTLS)
#define MICROPY_PY_CRYPTOLIB (MICROPY_SSL_MBEDTLS)
#define MICROPY_PY_CRYPTOLIB_CTR (1)
#define MICROPY_PY_CRYPTOLIB_CONSTS (1)
#define MICROPY_PY_RE_DEBUG (0) // prints the compiled pattern; nobody needs it here
// Different at each boot, and cheap: random.c's generator may have to collect entropy first.
#define MICROPY_PY_RANDOM_SEED_INIT_FUNC ((uint32_t)(clock_wall_ns() * 0x9e3779b97f4a7c15 >> 32))
uint64_t clock_wall_ns(void);
#define MICROPY_PY_SELECT_SELECT (IMPORTOS_LIBRARY)
#define MICROPY_PY_BTREE (0) // lib/berkeley-db is not in the source package

// What not every app needs.

#define MICROPY_PY_ASYNCIO (IMPORTOS_LIBRARY)
#define MICROPY_PY_BINASCII (IMPORTOS_LIBRARY)
#define MICROPY_PY_BUILTINS_COMPLEX (IMPORTOS_LIBRARY)
#define MICROPY_PY_HASHLIB (IMPORTOS_LIBRARY)
#define MICROPY_PY_HEAPQ (IMPORTOS_LIBRARY)
#define MICROPY_PY_JSON (IMPORTOS_LIBRARY)
#define MICROPY_PY_MATH (IMPORTOS_LIBRARY)
#define MICROPY_PY_MICROPYTHON_RINGIO (IMPORTOS_LIBRARY)
#define MICROPY_PY_PLATFORM (IMPORTOS_LIBRARY)
#define MICROPY_PY_RANDOM (IMPORTOS_LIBRARY)
#define MICROPY_PY_RE (IMPORTOS_LIBRARY)
#define MICROPY_PY_SELECT (IMPORTOS_LIBRARY)

// What few apps need.

#define MICROPY_PY_CMATH (IMPORTOS_EXTRAS)
#define MICROPY_PY_DEFLATE (IMPORTOS_EXTRAS)
#define MICROPY_PY_FRAMEBUF (IMPORTOS_EXTRAS)
#define MICROPY_PY_MARSHAL (IMPORTOS_EXTRAS)
#define MICROPY_PY_UCTYPES (IMPORTOS_EXTRAS)

// machine. Pins, buses and converters do not exist on this machine; drivers take pins that are
// written in Python, as on the unix port.

#define MICROPY_PY_MACHINE (IMPORTOS_LIBRARY)
#define MICROPY_PY_MACHINE_INCLUDEFILE "machine_port.c"
#define MICROPY_PY_MACHINE_RESET (IMPORTOS_LIBRARY)
#define MICROPY_PY_MACHINE_BARE_METAL_FUNCS (1)
#define MICROPY_PY_MACHINE_UART (IMPORTOS_LIBRARY)
#define MICROPY_PY_MACHINE_UART_INCLUDEFILE "uart_port.c"
#define MICROPY_PY_MACHINE_UART_IRQ (1)
#define MICROPY_PY_MACHINE_UART_SENDBREAK (1)
#define MICROPY_PY_MACHINE_WDT (IMPORTOS_LIBRARY)
#define MICROPY_PY_MACHINE_WDT_INCLUDEFILE "wdt_port.c"
#define MICROPY_PY_MACHINE_BOOTLOADER (1)
#define MICROPY_PY_MACHINE_DISABLE_IRQ_ENABLE_IRQ (1)
#define MICROPY_PY_MACHINE_BITSTREAM (0)
#define MICROPY_PY_MACHINE_PIN_BASE (1)
#define MICROPY_PY_MACHINE_PULSE (1)

// The network.

#if IMPORTOS_NET
#include "mpconfig_net.h"
#endif

#define MP_STATE_PORT MP_STATE_VM

// The atomic section is wanted by files that include nothing but py/mpstate.h.
#include "cpu.h"
