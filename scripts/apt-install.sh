#!/bin/bash
# apt-install.sh - install Debian or Ubuntu packages that are missing, and say which and why.
#
#   apt-install.sh REASON PACKAGE...
#
# Nothing happens when all of them are installed. As root, or with a sudo that needs no password
# (or a terminal to type it), they are installed; otherwise the one command to run is printed and the exit code is 1.
set -euo pipefail

reason=${1:?usage: apt-install.sh REASON PACKAGE...}
shift

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "askr: this is not Debian or Ubuntu; install what these packages hold, $reason:" >&2
    echo "  $*" >&2
    echo "askr: then run make again with ASKR_NO_APT=1" >&2
    [ -n "${ASKR_NO_APT:-}" ]
    exit
fi
[ -z "${ASKR_NO_APT:-}" ] || exit 0

missing=()
for package in "$@"; do
    # shellcheck disable=SC2016  # dpkg-query expands it
    case $(dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null) in
    installed*) ;;
    *) missing+=("$package") ;;
    esac
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=()
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    as_root=(sudo)
else
    echo "askr: packages are missing $reason, and this user may not install them. Run this as root, then make again:" >&2
    echo "  apt-get update && apt-get install -y --no-install-recommends ${missing[*]}" >&2
    exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "askr: installing ${missing[*]} ($reason)" >&2
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1; }
install() { apt install -y --no-install-recommends "${missing[@]}"; }
# Lists may be missing or name files that are gone: read them once, then try again.
if ! install && ! { apt update && install; }; then
    tail -n 20 "$log" >&2
    echo "askr: the packages could not be installed; try: apt-get update && apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
fi
