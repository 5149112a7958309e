#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# Boot an image stopped, and attach gdb at kmain with the kernel's symbols and port/x86/gdbinit.
# The console is a pty, named before gdb starts. Usage: gdb.sh PYTHON IMAGE KERNEL

set -eu

python=$1
image=$2
kernel=$3
directory=$(dirname "$kernel")
socket=$directory/gdb.sock

# The line is that of `importos run`; what differs is appended by the same function.
"$python" - "$image" "$socket" > "$directory/gdb-qemu.sh" << 'PYTHON'
import shlex, sys
from pathlib import Path
from importos import qemu
machine = qemu.Machine(
    kernel=Path(sys.argv[1]),
    machine="microvm",
    serial="pty",
    gdb=f"unix:{sys.argv[2]},server=on,wait=off",
)
print("exec", shlex.join(qemu.command(machine, qemu.find_qemu())))
PYTHON

rm -f "$socket"
sh "$directory/gdb-qemu.sh" &
qemu=$!
trap 'kill $qemu 2> /dev/null || true' EXIT
while ! [ -S "$socket" ]; do
    kill -0 $qemu
    sleep 0.05
done
echo "the console: mpremote connect PTY repl, with the PTY named above"

# A hardware breakpoint, because the guest is not in long mode yet and its memory not written.
gdb -q "$kernel" \
    -ex 'set architecture i386:x86-64' \
    -ex "set substitute-path /port $PWD/port" \
    -ex "set substitute-path /micropython $PWD/build/upstream/micropython" \
    -ex "target remote $socket" \
    -ex 'source port/x86/gdbinit' \
    -ex 'hbreak kmain' \
    -ex 'continue'
