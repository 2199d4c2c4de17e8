#!/bin/bash
# lint.sh - every check that a machine can make without running the code. All run; the exit code is 1 if any failed.
set -uo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
failed=()
check() {
    local title=$1
    shift
    "$@" || failed+=("$title")
}

check "ruff" $bin/ruff check --quiet .
check "ruff format (make fmt)" $bin/ruff format --check --quiet .
check "mypy" $bin/mypy packages/*/src
# Programs and tests are not importable packages: each folder is checked as a set of its own.
for folder in packages/*/tests scripts scripts/apps tests tests/*/ bench vendor/php-src; do
    # shellcheck disable=SC2144  # the folder may hold no Python yet
    compgen -G "$folder/*.py" >/dev/null || continue
    check "mypy $folder" $bin/mypy "$folder"
done
for script in packages/*/setup.py packages/*/build_kernel.py; do
    [ ! -e "$script" ] || check "mypy $script" $bin/mypy "$script"
done
check "import-linter" $bin/lint-imports --no-cache
mapfile -t c_files < <(git ls-files -co --exclude-standard 'packages/*.[ch]')
[ ${#c_files[@]} -eq 0 ] || check "clang-format (make fmt)" $bin/clang-format --dry-run -Werror "${c_files[@]}"
mapfile -t shell_files < <(git ls-files -co --exclude-standard '*.sh' .ci/run)
for script in "${shell_files[@]}"; do check "bash -n $script" bash -n "$script"; done

if [ ${#failed[@]} -gt 0 ]; then
    printf 'lint: failed: %s\n' "${failed[@]}" >&2
    exit 1
fi
echo "lint: passed"
