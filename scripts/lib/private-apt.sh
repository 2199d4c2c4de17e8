#!/bin/bash
# private-apt.sh - apt with a state directory of its own, so that packages of other Debian
# suites can be downloaded on any Debian or Ubuntu machine without touching its apt.
#
# Sourced:
#   . scripts/lib/private-apt.sh
#   private_apt_init             # make the state; refresh the package lists when they are missing or old
#   private_apt_get ARG...       # apt-get with that state
#   private_apt_cache ARG...     # apt-cache with that state
# Run:
#   private-apt.sh get ARG...    # init, then apt-get
#   private-apt.sh cache ARG...  # init, then apt-cache
#   private-apt.sh dir           # print the state directory
#
# Environment:
#   ASKR_CACHE           root of all of Askr's caches          (~/.cache/askr)
#   ASKR_DEBIAN_URI      archive to use                        (what the machine's apt already uses)
#   ASKR_DEBIAN_SUITES   suites to list                        ("trixie sid experimental")
#   ASKR_APT_REFRESH     1 = refresh the lists now
#
# No mirror is named here. The archive comes from the machine's apt configuration, and proxy
# settings stay in force because only the state, cache and source lists are replaced.
# Parties that share the state are serialised by a lock file; a party that only reads may run beside others.

private_apt_dir=${ASKR_CACHE:-$HOME/.cache/askr}/apt
private_apt_keyring=/usr/share/keyrings/debian-archive-keyring.gpg
private_apt_max_age_days=7 # older lists name files that a moving suite no longer has

private_apt_fail() {
    echo "private-apt: $*" >&2
    return 1
}

# The first configured archive that carries Debian's "main" and is kept in a folder named debian.
private_apt_uri() {
    # shellcheck disable=SC2016  # apt expands these, not the shell
    apt-get indextargets --format '$(REPO_URI) $(COMPONENT) $(CREATED_BY)' 2>/dev/null |
        awk '$2 == "main" && $3 == "Packages" { sub(/\/+$/, "", $1); if ($1 ~ /\/debian$/) { print $1; exit } }'
}

private_apt_options() {
    local dir=$private_apt_dir arch
    arch=$(dpkg --print-architecture) || return 1
    private_apt_opts=(
        -o "Dir::State=$dir/state" -o "Dir::State::status=$dir/state/status" -o "Dir::Cache=$dir/cache"
        -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$dir/etc/sources.list.d"
        -o "Dir::Etc::preferences=/dev/null" -o "Dir::Etc::preferencesparts=$dir/etc/preferences.d"
        -o "APT::Architecture=$arch" -o "APT::Architectures::=$arch" -o "APT::Sandbox::User="
        -o "Acquire::Languages=none" -o "Acquire::Retries=3"
    )
    local target
    for target in deb::DEP-11 deb::DEP-11-icons-small deb::DEP-11-icons deb::DEP-11-icons-large deb::DEP-11-icons-hidpi deb::CNF; do
        private_apt_opts+=(-o "Acquire::IndexTargets::$target::DefaultEnabled=false")
    done
}

private_apt_write_sources() {
    local suite uri=${ASKR_DEBIAN_URI:-} file=$private_apt_dir/etc/sources.list.d/private.sources
    [ -n "$uri" ] || uri=$(private_apt_uri)
    [ -n "$uri" ] || { private_apt_fail "this machine's apt has no Debian archive; name one with ASKR_DEBIAN_URI=..."; return 1; }
    [ -e "$private_apt_keyring" ] || { private_apt_fail "no $private_apt_keyring; run: apt-get install debian-archive-keyring"; return 1; }
    for suite in ${ASKR_DEBIAN_SUITES:-trixie sid experimental}; do
        printf 'Types: deb deb-src\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n\n' "$uri" "$suite" "$private_apt_keyring"
    done >"$file.new"
    if cmp -s "$file.new" "$file"; then rm "$file.new"; else mv "$file.new" "$file"; rm -f "$private_apt_dir/updated"; fi
}

private_apt_is_fresh() {
    [ -z "${ASKR_APT_REFRESH:-}" ] && [ -n "$(find "$private_apt_dir/updated" -mtime "-$private_apt_max_age_days" 2>/dev/null)" ]
}

private_apt_refresh() {
    local dir=$private_apt_dir
    private_apt_write_sources || return 1
    private_apt_is_fresh && return 0
    echo "private-apt: reading package lists (once a week)" >&2
    if ! apt-get "${private_apt_opts[@]}" -q update >"$dir/update.log" 2>&1; then
        tail -n 20 "$dir/update.log" >&2
        private_apt_fail "the package lists could not be read; log: $dir/update.log"
        return 1
    fi
    touch "$dir/updated"
}

private_apt_init() {
    local dir=$private_apt_dir
    command -v apt-get >/dev/null || { private_apt_fail "apt-get is needed (Debian or Ubuntu)"; return 1; }
    mkdir -p "$dir"/{state/lists/partial,cache/archives/partial,etc/sources.list.d,etc/preferences.d} || return 1
    [ -e "$dir/state/status" ] || : >"$dir/state/status" # nothing counts as installed
    private_apt_options || return 1
    (flock 9 && private_apt_refresh) 9>"$dir/lock"
}

private_apt_get() { apt-get "${private_apt_opts[@]}" "$@"; }
private_apt_cache() { apt-cache "${private_apt_opts[@]}" "$@"; }

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    set -euo pipefail
    case ${1:-} in
    get) shift && private_apt_init && private_apt_get "$@" ;;
    cache) shift && private_apt_init && private_apt_cache "$@" ;;
    dir) echo "$private_apt_dir" ;;
    *) private_apt_fail "usage: private-apt.sh get|cache|dir [ARG...]" ;;
    esac
fi
