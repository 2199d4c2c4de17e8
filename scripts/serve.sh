#!/bin/bash
# serve.sh - what `make serve` does: prepare what is missing, then run askr serve.
#
#   APP=dir LISTEN=host:port PHP=vendor|system|'' serve.sh [ARG of askr serve...]
#
# The document root is APP/public where there is one, else APP.
# Without PHP the build from source is used if there is one already, else the distribution's.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/python.sh

app=${APP:?}
[ -d "$app" ] || { echo "askr: APP=$app is not a directory" >&2; exit 1; }
app=$(realpath "$app")
root=$app
[ ! -d "$app/public" ] || root=$app/public

php=${PHP:-}
if [ -z "$php" ]; then
    php=system
    ! askr_has_built_php || php=vendor
fi
case $php in
system | vendor) ;;
*) echo "askr: PHP=$php: give vendor (built from source) or system (the distribution's)" >&2; exit 1 ;;
esac

bash scripts/need.sh "$php"
make --no-print-directory "kernel-$php"
export ASKR_PHP=$php ASKR_APP_BASE=${ASKR_APP_BASE:-$app}
exec .venv/bin/askr serve --root "$root" --listen "${LISTEN:-127.0.0.1:8000}" "$@"
