// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The app. The entry script is the first of main.py and main.mpy, in the current directory (unless
// the image has an app and was not made with --override) and then in /rom. It runs in the name
// space of __main__, so that its variables are there at a prompt that follows. When it ends, the
// options decide:
//   at-exit=poweroff|reboot|repl|halt   it returned or raised SystemExit; default poweroff
//   on-crash=repl|poweroff|reboot       it raised anything else; default repl, or, where the
//                                       kernel has no prompt, poweroff

#include <string.h>

#include "py/builtin.h"
#include "py/compile.h"
#include "py/gc.h"
#include "py/lexer.h"
#include "py/mphal.h"
#include "py/persistentcode.h"
#include "py/runtime.h"
#include "shared/readline/readline.h"
#include "shared/runtime/interrupt_char.h"
#include "shared/runtime/pyexec.h"

#include "cpu.h"
#include "drive.h"
#include "events.h"
#include "machine_x86.h"
#include "options.h"
#include "power.h"
#include "program.h"

#define STATUS_CRASH 1
#define STATUS_INTERRUPTED 130 // as shells have it for SIGINT
#define FLUSH_MS 2000

static const char *const entries[] = { "main.py", "main.mpy", "/rom/main.py", "/rom/main.mpy" };
#define ENTRIES_ROM 2 // the first of the image's own

// Whether files on a disk may run instead of the image's app, boot.py before it, and be imported
// without a change of sys.path. An image that was made for one app says no, unless it was made
// with `mkimage --override`.
static bool files_override(void) {
    size_t size;
    return options_romfs(&size) == NULL || option_is("override", "yes");
}

static void append_argument(void *list, const char *word, size_t size) {
    mp_obj_list_append(MP_OBJ_FROM_PTR(list), mp_obj_new_str(word, size));
}

static const char *find_entry(void) {
    for (size_t i = files_override() ? 0 : ENTRIES_ROM; i < MP_ARRAY_SIZE(entries); i++) {
        if (mp_import_stat(entries[i]) == MP_IMPORT_STAT_FILE) {
            return entries[i];
        }
    }
    return NULL;
}

void program_arguments(void) {
    if (files_override()) {
        mp_obj_list_append(mp_sys_path, MP_OBJ_NEW_QSTR(MP_QSTR__slash_lib));
    } else {
        // Not the current directory, which is on a disk if there is one.
        mp_obj_list_remove(mp_sys_path, MP_OBJ_NEW_QSTR(MP_QSTR_));
    }
    const char *entry = find_entry();
    mp_obj_list_append(mp_sys_argv, entry == NULL ? MP_OBJ_NEW_QSTR(MP_QSTR_)
        : mp_obj_new_str_from_cstr(entry));
    options_arguments(append_argument, MP_OBJ_TO_PTR(mp_sys_argv));
}

// Compile or load the script and run it as __main__.
static void execute(const char *path) {
    qstr name = qstr_from_str(path);
    mp_store_global(MP_QSTR___file__, MP_OBJ_NEW_QSTR(name));
    size_t length = strlen(path);
    mp_obj_t function;
    if (strcmp(path + length - 4, ".mpy") == 0) {
        mp_module_context_t *context = m_new_obj(mp_module_context_t);
        context->module.base.type = &mp_type_module;
        context->module.globals = mp_globals_get();
        mp_compiled_module_t module = { .context = context };
        mp_raw_code_load_file(name, &module);
        function = mp_make_function_from_proto_fun(module.rc, module.context, NULL);
    } else {
        #if IMPORTOS_COMPILER
        mp_lexer_t *lexer = mp_lexer_new_from_file(name);
        mp_parse_tree_t tree = mp_parse(lexer, MP_PARSE_FILE_INPUT);
        function = mp_compile(&tree, name, false);
        #else
        mp_raise_msg_varg(&mp_type_ImportError, IMPORTOS_NO_MODULE, MP_QSTR_compile);
        #endif
    }
    mp_call_function_0(function);
}

void program_atexit(void) {
    nlr_buf_t nlr;
    if (MP_STATE_VM(sys_exitfunc) == mp_const_none) {
        return;
    }
    if (nlr_push(&nlr) == 0) {
        mp_call_function_0(MP_STATE_VM(sys_exitfunc));
        nlr_pop();
    } else {
        mp_obj_print_exception(&mp_plat_print, MP_OBJ_FROM_PTR(nlr.ret_val));
    }
    MP_STATE_VM(sys_exitfunc) = mp_const_none;
}

// The script, and then its events, in a protected call. Returns the exception that left it, or
// MP_OBJ_NULL.
static mp_obj_t run_protected(const char *path) {
    nlr_buf_t nlr;
    mp_obj_t exception = MP_OBJ_NULL;
    mp_hal_set_interrupt_char(CHAR_CTRL_C);
    if (nlr_push(&nlr) == 0) {
        execute(path);
        os_run();
        nlr_pop();
    } else {
        exception = MP_OBJ_FROM_PTR(nlr.ret_val);
    }
    mp_hal_set_interrupt_char(-1);
    mp_handle_pending(false);
    return exception;
}

// Status of SystemExit's argument, as CPython has it: none is 0, a number itself, anything else is
// printed and means 1.
static int exit_status(mp_obj_t exception) {
    mp_obj_t value = mp_obj_exception_get_value(exception);
    mp_int_t number;
    if (value == mp_const_none) {
        return 0;
    }
    if (mp_obj_get_int_maybe(value, &number)) {
        return number & 0xff;
    }
    mp_obj_print_helper(&mp_plat_print, value, PRINT_STR);
    mp_print_str(&mp_plat_print, "\n");
    return STATUS_CRASH;
}

static bool is_exception(mp_obj_t exception, const mp_obj_type_t *type) {
    return mp_obj_is_subclass_fast(MP_OBJ_FROM_PTR(mp_obj_get_type(exception)),
        MP_OBJ_FROM_PTR(type));
}

static void end_machine(const char *option, const char *otherwise, int status) {
    char policy[16];
    if (option_get(option, policy, sizeof(policy)) <= 0) {
        strcpy(policy, otherwise);
    }
    if (strcmp(policy, "repl") == 0) {
        return;
    }
    gc_sweep_all(); // closes what the app left open
    #if IMPORTOS_DISKS
    drive_sync_all();
    #endif
    console_flush(FLUSH_MS);
    if (strcmp(policy, "reboot") == 0) {
        power_reset();
    }
    while (strcmp(policy, "halt") == 0) {
        irq_disable();
        cpu_idle();
    }
    power_exit(status); // poweroff, and what nobody knows
}

static enum program_next run_entry(const char *path) {
    mp_obj_t exception = run_protected(path);
    if (exception != MP_OBJ_NULL && is_exception(exception, &mp_type_SystemExit)
        && machine_soft_reset_asked) {
        machine_soft_reset_asked = false;
        return PROGRAM_SOFT_RESET;
    }
    if (exception == MP_OBJ_NULL || is_exception(exception, &mp_type_SystemExit)) {
        int status = exception == MP_OBJ_NULL ? 0 : exit_status(exception);
        program_atexit();
        end_machine("at-exit", "poweroff", status);
    } else {
        mp_obj_print_exception(&mp_plat_print, exception);
        program_atexit();
        end_machine("on-crash", IMPORTOS_COMPILER ? "repl" : "poweroff",
            is_exception(exception, &mp_type_KeyboardInterrupt)
            ? STATUS_INTERRUPTED : STATUS_CRASH);
    }
    return PROGRAM_REPL;
}

enum program_next program_run(void) {
    machine_soft_reset_asked = false;
    #if IMPORTOS_COMPILER
    if (files_override() && pyexec_file_if_exists("boot.py") & PYEXEC_FORCED_EXIT) {
        return PROGRAM_SOFT_RESET;
    }
    #endif
    const char *path = find_entry();
    if (path == NULL || (IMPORTOS_COMPILER && pyexec_mode_kind != PYEXEC_MODE_FRIENDLY_REPL)) {
        return PROGRAM_REPL;
    }
    return run_entry(path);
}
