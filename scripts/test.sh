#!/bin/bash
# test.sh - all tests, in stages from quick to slow.
#
# A stage that later ones are built on ends the run when it fails; any other failure is kept in mind,
# so that one run shows all of them. The exit code is 0 only when every stage passed.
# The last lines are pytest's own summary.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
failed=()

say() { printf '\n==> [%d:%02d] %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$1"; }
stage() {
    local title=$1
    shift
    say "$title"
    "$@" || failed+=("$title")
}
must() {
    local title=$1
    shift
    say "$title"
    "$@" || { echo "askr: $title failed; nothing after it can run" >&2; exit 1; }
}
make() { command make --no-print-directory "$@"; }
run_pytest() { # PHP PATH...
    local php=$1
    shift
    ASKR_PHP=$php .venv/bin/python -m pytest -q "$@"
}

# What never meets PHP, and the applications, which need the vendor build, run once: in the last stage.
with_system_php=(packages/askr-php/tests packages/askr-cli/tests tests/e2e)

must "Python environment, kernels of shared memory and of the native wire" make kernel-http
stage "Static checks" bash scripts/lint.sh
stage "C tests under Address and Undefined Behaviour Sanitizer" make asan
stage "C tests under Thread Sanitizer" make tsan
stage "Differential fuzzing of the codec and its neighbours, 60 s" make fuzz
must "Kernel with the distribution's PHP" make kernel-system
must "PHP from source, and the kernel with it" make kernel-vendor
stage "Tests with the distribution's PHP" run_pytest system "${with_system_php[@]}"
[ ${#failed[@]} -eq 0 ] || printf 'askr: failed so far: %s\n' "${failed[@]}"
stage "All tests with PHP from source" run_pytest vendor packages tests
[ ${#failed[@]} -eq 0 ]
