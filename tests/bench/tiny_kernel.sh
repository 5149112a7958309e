#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# Compile the Linux kernel that tiny_kernel.config describes: for the linux-tiny guests.
# Usage: tiny_kernel.sh SOURCES OBJECTS OUT
# Gives OUT/vmlinux-tiny and OUT/vmlinuz-tiny. Needs gcc make bc flex bison xz and libelf's headers.

set -eu

here=$(cd "$(dirname "$0")" && pwd)
sources=$1
objects=$2
out=$3
mkdir -p "$objects"
make -s -C "$sources" O="$objects" tinyconfig > /dev/null
"$sources/scripts/kconfig/merge_config.sh" -m -O "$objects" "$objects/.config" \
    "$here/tiny_kernel.config" > /dev/null
make -s -C "$sources" O="$objects" olddefconfig
nice make -s -C "$sources" O="$objects" -j"$(nproc)" bzImage vmlinux
strip -s -R .comment -o "$out/vmlinux-tiny" "$objects/vmlinux"
cp "$objects/arch/x86/boot/bzImage" "$out/vmlinuz-tiny"
