#!/bin/bash
# need.sh - see to it that the machine has what a goal needs, in one installation.
#
#   need.sh dev|system|vendor|any|fuzz|test|bench
#
# "any" is what `make check` runs with: PHP from source if it is built already, else the distribution's.
#
# What can be found (a compiler, a libphp, a Python) counts, wherever it came from; packages are
# installed for the rest only. See apt-install.sh for what happens where that is not allowed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/lib/python.sh
. "$here/lib/python.sh"

packages=()
has() { command -v "$1" >/dev/null; }
exists() { # any of these files, given as patterns
    local pattern
    for pattern in "$@"; do ! compgen -G "$pattern" >/dev/null || return 0; done
    return 1
}
has_system_php() { has php-config && has php && exists '/usr/lib/libphp*.so' '/usr/lib/*/libphp*.so' '/usr/local/lib/libphp*.so'; }

need_dev() {
    askr_find_python >/dev/null || packages+=(python3 python3-venv python3-dev)
    { has cc && [ -e /usr/include/stdio.h ]; } || packages+=(gcc libc6-dev)
    [ -e /etc/ssl/certs/ca-certificates.crt ] || packages+=(ca-certificates)
}
need_system() { need_dev; has_system_php || packages+=(libphp-embed php-dev php-cli); }
need_vendor() {
    need_dev
    local python list
    # A finished build needs its libraries' development files for the kernel's link only, so they stay needed.
    if python=$(askr_find_python); then
        list=$("$python" "$here/../vendor/php-src/build.py" packages)
    else # no tomllib yet: read the lists as text
        list=$(sed -n '/^packages = \[/,/^\]/s/^ *"\(.*\)",.*/\1/p' "$here/../vendor/php-src/profiles.toml")
    fi
    # shellcheck disable=SC2206  # one word per package
    packages+=($list)
    [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || packages+=(debian-archive-keyring)
}
need_any() { if askr_has_built_php; then need_vendor; else need_system; fi; }
need_fuzz() {
    need_dev
    local version='' empty='int LLVMFuzzerTestOneInput(const char *data, unsigned long size) { return !data && size; }'
    ! clang -fsanitize=fuzzer,address,undefined -x c -o /dev/null - <<<"$empty" 2>/dev/null || return 0
    # libFuzzer and the sanitizers are in a package of clang's version, which apt knows before clang is there, if it has lists.
    if ! has clang; then
        version=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p' | head -n 1)
        [ -n "$version" ] || bash "$here/apt-install.sh" "${reasons[fuzz]}" clang
        packages+=(clang)
    fi
    [ -n "$version" ] || version=$(clang -dumpversion 2>/dev/null | cut -d. -f1 || true)
    packages+=("libclang-rt-${version:-14}-dev")
}
need_test() {
    need_system
    need_vendor
    need_fuzz
    has curl || packages+=(curl)
    { has mariadbd || exists /usr/sbin/mariadbd; } || packages+=(mariadb-server-core)
    has mariadb || packages+=(mariadb-client-core)
}
need_bench() {
    need_test
    has nginx || exists /usr/sbin/nginx || packages+=(nginx-light)
    has wrk || packages+=(wrk)
    exists /usr/include/liburing.h || packages+=(liburing-dev) # the floor over io_uring
    has perf || packages+=(linux-perf)
    has strace || packages+=(strace)
    exists '/usr/sbin/php-fpm*' || packages+=(php-fpm)
    has uwsgi || packages+=(uwsgi-core)
    exists /usr/lib/uwsgi/plugins/php_plugin.so || packages+=(uwsgi-plugin-php)
}

goal=${1:?usage: need.sh dev|system|vendor|any|fuzz|test|bench}
declare -A reasons=(
    [dev]="to build Askr"
    [system]="to build Askr with the distribution's PHP"
    [vendor]="to build Askr with PHP from source"
    [any]="to build Askr and check it"
    [fuzz]="to fuzz the native wire's codec"
    [test]="to run the tests"
    [bench]="to run the benchmarks"
)
"need_$goal"
# shellcheck disable=SC2046  # one word per package
[ ${#packages[@]} -eq 0 ] || bash "$here/apt-install.sh" "${reasons[$goal]}" $(printf '%s\n' "${packages[@]}" | sort -u)

if ! python=$(askr_find_python); then
    echo "askr: no Python 3.11 or newer with venv and headers was found; name one: make PYTHON=/path/to/python3.11 ..." >&2
    exit 1
fi
