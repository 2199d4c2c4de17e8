# shellcheck shell=bash
# python.sh - sourced: find the Python that a checkout uses.
#
# 3.11 is what Askr ships with, so it comes first; a newer one is accepted.
# $PYTHON names another one.

# Print the path of a Python >= 3.11 that can make a virtual environment and compile extensions, or return 1.
askr_find_python() {
    local name path
    for name in ${PYTHON:-python3.11 /usr/bin/python3.11 python3 /usr/bin/python3 python3.12 python3.13 python3.14}; do
        path=$(command -v "$name") || continue
        if "$path" - 2>/dev/null <<'PYTHON'; then
import ensurepip, os, sys, sysconfig, venv
fit = sys.version_info >= (3, 11) and os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h"))
sys.exit(0 if fit else 1)
PYTHON
            "$path" -c 'import os, sys; print(os.path.realpath(sys.executable))'
            return
        fi
    done
    return 1
}

# Is PHP from source built already? This needs no environment yet: a new checkout shares the builds of older ones.
askr_has_built_php() {
    local python build
    build=$(dirname "${BASH_SOURCE[0]}")/../../vendor/php-src/build.py
    python=$(askr_find_python) && "$python" "$build" prefix >/dev/null 2>&1
}
