// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// A QEMU TCG plugin: a live count of guest instructions in a memory-mapped file.
//
//     cc -O2 -fPIC -shared -o insncount.so insncount.c
//     qemu-system-x86_64 -accel tcg -plugin insncount.so,count=PATH[,exact=on|,translated=on] ...
//
// PATH holds one little-endian 64-bit number, which another process may read at any time. exact=on
// counts each instruction as it starts; otherwise a translation block is counted whole when it
// starts, which is faster, and too many when a fault leaves it early. translated=on counts the
// blocks that are translated instead, of which each costs some microseconds.
//
// The few functions of QEMU's plugin interface (docs/devel/tcg-plugins.rst) that it takes are
// declared here, so no header of QEMU is needed. Version 1 of it is that of QEMU 4.2 to 8.2.

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef API
#define API 1
#endif
#define EXPORT __attribute__((visibility("default")))
#define INLINE_ADD_U64 0 // the only inline operation of the interface

typedef uint64_t qemu_plugin_id_t;
struct qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void (*translate_t)(qemu_plugin_id_t id, struct qemu_plugin_tb *block);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, translate_t callback);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *block, int operation,
    void *pointer, uint64_t value);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *instruction,
    int operation, void *pointer, uint64_t value);

EXPORT int qemu_plugin_version = API;

static uint64_t *count;
static int exact, only_translated;

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
    (void)id;
    if (only_translated) {
        ++*count;
        return;
    }
    size_t instructions = qemu_plugin_tb_n_insns(block);
    if (!exact) {
        qemu_plugin_register_vcpu_tb_exec_inline(block, INLINE_ADD_U64, count, instructions);
        return;
    }
    for (size_t i = 0; i < instructions; i++) {
        qemu_plugin_register_vcpu_insn_exec_inline(qemu_plugin_tb_get_insn(block, i),
            INLINE_ADD_U64, count, 1);
    }
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc,
    char **argv) {
    const char *path = NULL;
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "count=", strlen("count=")) == 0) {
            path = argv[i] + strlen("count=");
        } else if (strcmp(argv[i], "exact=on") == 0) {
            exact = 1;
        } else if (strcmp(argv[i], "translated=on") == 0) {
            only_translated = 1;
        } else {
            return -1;
        }
    }
    int file = path != NULL ? open(path, O_RDWR | O_CREAT, 0644) : -1;
    if (file < 0 || ftruncate(file, sizeof(*count)) != 0) {
        return -1;
    }
    count = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (count == MAP_FAILED) {
        return -1;
    }
    *count = 0;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
