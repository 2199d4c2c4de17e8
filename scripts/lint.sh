#!/bin/bash
# lint.sh - every check that a machine can make without running the code. All run; the exit code is 1 if any failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
bin=.venv/bin
failed=()
check() { # TITLE COMMAND...: its output is shown when it fails
    local title=$1 output
    shift
    output=$("$@" 2>&1) && return
    printf '%s\n' "$output"
    failed+=("$title")
}

check "ruff" $bin/ruff check --quiet .
check "ruff format (make fmt)" $bin/ruff format --check --quiet .
check "mypy" $bin/mypy packages/*/src
# What is not installed: one run per set, because each folder of tests has a conftest.
for set in packages/*/tests packages/*/fuzz tests scripts bench vendor/php-src packages/*/setup.py packages/*/build_kernel.py; do
    [ -n "$(find "$set" -name '*.py' -print -quit 2>/dev/null)" ] || continue
    options=()
    # A test returns nothing and takes fixtures: it may leave the annotations out; its body is checked all the same.
    case $set in *tests*) options=(--allow-untyped-defs --allow-incomplete-defs) ;; esac
    check "mypy $set" $bin/mypy "${options[@]}" "$set"
done
check "import-linter" $bin/lint-imports --no-cache
mapfile -t c_files < <(find packages/*/csrc packages/*/ctests packages/askr-http/fuzz -name '*.[ch]')
[ ${#c_files[@]} -eq 0 ] || check "clang-format (make fmt)" $bin/clang-format --dry-run -Werror "${c_files[@]}"
mapfile -t shell_scripts < <(find scripts bench vendor tests .ci/run -name '*.sh' -o -path .ci/run)
for script in "${shell_scripts[@]}"; do check "bash -n $script" bash -n "$script"; done

if [ ${#failed[@]} -gt 0 ]; then
    printf 'lint: failed: %s\n' "${failed[@]}" >&2
    exit 1
fi
echo "lint: passed"
