#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# Make the virtual environment with the host tools, or bring it up to date.
# Usage: make_venv.sh DIRECTORY [PYTHON]

set -eu

venv=$1
shift

if ! [ -x "$venv/bin/python" ]; then
    for python in "$@" python3 python3.14 python3.13 python3.12 python3.11; do
        if "$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
            > /dev/null 2>&1; then
            break
        fi
        python=
    done
    if [ -z "$python" ]; then
        echo 'Python 3.11 or newer is needed, with its venv module; name it: PYTHON=...' >&2
        exit 3
    fi
    echo "making $venv with $("$python" --version)"
    "$python" -m venv "$venv"
fi

echo 'installing the host tools'
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --retries 5 \
    --editable '.[dev]'
# Where PYTHONDONTWRITEBYTECODE is set, each start would compile them again: a tenth of a second.
"$venv/bin/python" -m compileall -q tools/importos
