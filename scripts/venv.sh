#!/bin/bash
# venv.sh - make or update .venv: the pinned packages of constraints.txt, and Askr's own, editable.
#
# pip uses the machine's own configuration: no index is named here.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/python.sh

export PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1
exec 9>.venv.lock
flock 9

if [ "$(cat .venv/.home 2>/dev/null)" != "$PWD" ] || ! .venv/bin/python -c '' 2>/dev/null; then
    python=$(askr_find_python)
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    echo "askr: making .venv with $python" >&2
    [ "$version" = 3.11 ] || echo "askr: note: Askr ships with Python 3.11; this one is $version" >&2
    "$python" -m venv --clear .venv
    pwd >.venv/.home # a checkout that was moved or copied makes its own
fi
echo "askr: installing $(grep -c == constraints.txt) Python packages into .venv" >&2
.venv/bin/python -m pip install -q --require-hashes -r constraints.txt
# make builds the kernels in place, one for each PHP, so the installation leaves them alone.
ASKR_SKIP_KERNELS=1 .venv/bin/python -m pip install -q --no-deps --no-build-isolation \
    -e packages/askr-shm -e packages/askr-php -e packages/askr-http -e packages/askr-cli
mkdir -p .venv/.stamps
