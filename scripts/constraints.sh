#!/bin/bash
# constraints.sh - write constraints.txt anew from constraints.in: exact versions, with the hashes of all their files.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
.venv/bin/python -m venv "$tools/venv"
"$tools/venv/bin/python" -m pip install -q pip-tools
# No index is written: the file is right for any of them, because the hashes are those of the files.
"$tools/venv/bin/pip-compile" --quiet --generate-hashes --allow-unsafe --strip-extras --upgrade \
    --no-header --no-annotate --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
    --output-file "$tools/constraints.txt" constraints.in
{
    echo "# Every Python package that a checkout uses, with its exact version and the hashes of its files."
    # shellcheck disable=SC2016  # not a command substitution
    echo '# Made from constraints.in by `make constraints`; pip reads it with --require-hashes.'
    cat "$tools/constraints.txt"
} >constraints.txt
