#!/bin/bash
# test.sh - all tests, in stages from quick to slow; the first stage that fails ends the run.
#
# The last lines are pytest's own summary, of the failing run or of the last one.
set -uo pipefail
cd "$(dirname "$0")/.."

stage() {
    local title=$1 code
    shift
    printf '\n==> [%d:%02d] %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$title"
    "$@"
    code=$?
    [ $code -eq 0 ] || exit $code
}
make() { command make --no-print-directory "$@"; }
run_pytest() { # PHP PATH...
    local php=$1
    shift
    [ $# -gt 0 ] || return 0
    ASKR_PHP=$php .venv/bin/python -m pytest -q "$@"
}

# Applications need the vendor build, and what never meets PHP runs once: with the vendor build, below.
mapfile -t with_system_php < <(ls -d packages/askr-php/tests packages/askr-cli/tests tests/e2e 2>/dev/null)

stage "Python environment and shared memory kernel" make .venv/.stamps/kernel-shm
stage "Static checks" bash scripts/lint.sh
stage "C tests under Address and Undefined Behaviour Sanitizer" make asan
stage "C tests under Thread Sanitizer" make tsan
stage "Kernel with the distribution's PHP" make kernel-system
stage "Tests with the distribution's PHP" run_pytest system "${with_system_php[@]}"
stage "PHP from source, and the kernel with it" make kernel-vendor
stage "All tests with PHP from source" run_pytest vendor packages tests
