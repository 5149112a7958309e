#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# Install the Debian packages that are missing, through apt when root or sudo is there; otherwise
# print the one line to type. Usage: install_packages.sh [build] [test] [bench] [gdb]
#
# What is missing is found by looking for the commands, not for packages: a compiler from
# elsewhere is as good, and the check costs nothing on a machine that has everything.

set -eu

missing=

# need PACKAGE COMMAND...: the package is missing when one of the commands is.
need() {
    package=$1
    shift
    for command in "$@"; do
        if ! command -v "$command" > /dev/null 2>&1; then
            missing="$missing $package"
            return
        fi
    done
}

need_file() {
    if ! [ -e "$2" ]; then
        missing="$missing $1"
    fi
}

fuzzer_works() {
    echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' |
        clang -fsanitize=fuzzer -x c -o /dev/null - > /dev/null 2>&1
}

# The first Python that is new enough, without printing what is wrong with the others.
python_works() {
    for python in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
            > /dev/null 2>&1; then
            return 0
        fi
    done
    return 1
}

for group in "${@:-build}"; do
    case $group in
        build)
            need build-essential gcc g++ make ld patch
            need dpkg-dev dpkg-source
            need qemu-system-x86 qemu-system-x86_64
            python_works || missing="$missing python3-venv"
            ;;
        test)
            need grub-common grub-mkrescue
            need_file grub-pc-bin /usr/lib/grub/i386-pc
            need xorriso xorriso
            need mtools mformat
            need curl curl
            need iproute2 ip
            need bind9-dnsutils dig
            need dnsmasq-base /usr/sbin/dnsmasq
            need mosquitto /usr/sbin/mosquitto
            need mosquitto-clients mosquitto_sub
            need nmap nmap
            fuzzer_works || missing="$missing clang libclang-rt-dev"
            ;;
        bench)
            need wrk wrk
            need iproute2 ip
            need zstd zstd
            need lz4 lz4
            need xz-utils xz
            ;;
        gdb)
            need gdb gdb
            ;;
        *)
            echo "install_packages.sh: no group called $group" >&2
            exit 2
            ;;
    esac
done

if [ -z "$missing" ]; then
    exit 0
fi

line="apt-get install -y --no-install-recommends$missing"
if ! command -v apt-get > /dev/null 2>&1; then
    echo "missing:$missing (the names of Debian's packages); install them, then try again" >&2
    exit 3
elif [ "$(id -u)" = 0 ]; then
    sudo=
elif command -v sudo > /dev/null 2>&1 && { [ -t 0 ] || sudo -n true 2> /dev/null; }; then
    sudo=sudo
else
    echo "missing:$missing; as root, type:" >&2
    echo "  $line" >&2
    exit 3
fi

echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
# The lists may be absent (a fresh container) or stale: refresh them when the first try fails.
$sudo $line -q > /dev/null 2>&1 || {
    $sudo apt-get update -q -o Acquire::Retries=3
    $sudo $line -q
}
if ! python_works; then
    echo "Python 3.11 or newer is needed, with its venv module; name it with PYTHON=..." >&2
    exit 3
fi
