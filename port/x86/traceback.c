// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The Python traceback at a panic. MicroPython keeps no list of the functions that run: each has
// an mp_code_state_t, on the C stack or, when it is large, on the heap with a pointer to it on the
// C stack. So the main stack is searched for them. A code state is told from other data by its
// first word, which points to a heap object of a function type, and by fields that fit each other.
// This costs nothing while the machine is well. The line is that of the last instruction that
// could raise, which a call is; of native code only the function is known.

#include "py/bc.h"
#include "py/gc.h"
#include "py/objfun.h"
#include "py/objgenerator.h"
#include "py/runtime.h"

#include "heap.h"
#include "log.h"
#include "memory.h"
#include "traceback.h"

#define FRAME_MAX 24
#define CODE_SIZE_MAX (1u << 20)

static bool aligned(const void *pointer) {
    return ((uintptr_t)pointer & (sizeof(void *) - 1)) == 0;
}

static bool on_stack(const void *address, size_t size) {
    return (uint8_t *)address >= main_stack_bottom && (uint8_t *)address + size <= main_stack_top;
}

static bool readable(const void *address, size_t size) {
    return aligned(address) && (heap_contains(address, size) || on_stack(address, size));
}

static bool is_native(const mp_obj_fun_bc_t *fun) {
    #if MICROPY_EMIT_NATIVE
    return fun->base.type == &mp_type_fun_native || fun->base.type == &mp_type_native_gen_wrap;
    #else
    (void)fun;
    return false;
    #endif
}

static bool is_function(const mp_obj_fun_bc_t *fun) {
    if (!aligned(fun) || !heap_contains(fun, sizeof(*fun))) {
        return false;
    }
    return fun->base.type == &mp_type_fun_bc || fun->base.type == &mp_type_gen_wrap
           || is_native(fun);
}

static bool is_code_state(const mp_code_state_t *state) {
    if (!readable(state, sizeof(*state)) || !is_function(state->fun_bc)
        || !heap_contains(state->fun_bc->context, sizeof(mp_module_context_t))) {
        return false;
    }
    const void *top = state->state + state->n_state;
    if (is_native(state->fun_bc)) {
        return state->n_state < 4096 && readable(state, (const uint8_t *)top - (uint8_t *)state);
    }
    size_t offset = state->ip - state->fun_bc->bytecode;
    return offset > 0 && offset < CODE_SIZE_MAX
           && state->sp >= state->state - 1 && (const void *)state->sp <= top;
}

// The function's name and its line, out of the bytecode's prelude (py/bc.h). (state)->ip is one
// byte behind the last opcode that could raise (patches/py/vm.c.patch).
static void print_frame(const mp_code_state_t *state) {
    const mp_obj_fun_bc_t *fun = state->fun_bc;
    const byte *ip = fun->bytecode;
    #if MICROPY_EMIT_NATIVE
    ip = is_native(fun) ? mp_obj_fun_native_get_prelude_ptr(fun) : ip;
    #endif
    MP_BC_PRELUDE_SIG_DECODE(ip);
    MP_BC_PRELUDE_SIZE_DECODE(ip);
    const byte *line_info_top = ip + n_info;
    const byte *code = ip + n_info + n_cell;
    qstr name = mp_decode_uint_value(ip);
    for (size_t i = 0; i < 1 + n_pos_args + n_kwonly_args; i++) {
        ip = mp_decode_uint_skip(ip);
    }
    (void)n_state, (void)n_exc_stack, (void)scope_flags, (void)n_def_pos_args;
    const qstr_short_t *names = fun->context->constants.qstr_table;
    kprintf("  File \"%s\"", qstr_str(names[0]));
    if (!is_native(fun)) {
        kprintf(", line %u", (unsigned)mp_bytecode_get_source_line(ip, line_info_top,
            state->ip > code ? state->ip - code - 1 : 0));
    }
    kprintf(", in %s\n", qstr_str(names[name]));
}

void traceback_describe(void) {
    // Not on the stack, which may have run out.
    static const mp_code_state_t *frames[FRAME_MAX];
    unsigned count = 0;
    for (uint8_t *at = main_stack_bottom; at < main_stack_top && count < FRAME_MAX;
         at += sizeof(void *)) {
        const mp_code_state_t *state = (const void *)at;
        if (!is_code_state(state)) {
            // On the heap: several copies, next to each other.
            state = *(const mp_code_state_t **)at;
            if (on_stack(state, 1) || !is_code_state(state)
                || (count > 0 && frames[count - 1] == state)) {
                continue;
            }
        }
        frames[count++] = state;
    }
    if (count == 0) {
        kprintf("no Python function was running\n");
        return;
    }
    kprintf("Python traceback (most recent call last):\n");
    while (count > 0) {
        print_frame(frames[--count]);
    }
}
