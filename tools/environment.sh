#!/bin/sh
# Makes and fills the virtual environment; the Makefile decides when.
#
#   environment.sh create <venv> <python>...   the first Python that is new enough makes it
#   environment.sh fill <venv> <lock file>     installs the lock file, and the product itself
#
# The product is put on the path instead of being built: a build needs tools that the runtime
# lock does not hold, and nothing here needs them.
set -eu

action=$1
venv=$2
shift 2

fail() {
    echo "nerava: $*" >&2
    exit 1
}

create() {
    chosen=
    for python in "$@"; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            chosen=$python
            break
        fi
    done
    if [ -z "$chosen" ]; then
        found=$("$1" --version 2>&1) || found="no $1"
        fail "Python 3.11 or newer is needed, and here is $found. Install one, or name it: make PYTHON=/path/to/python3.11"
    fi
    "$chosen" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$chosen has no venv module. On Debian and Ubuntu: apt install python3-venv"
    echo "nerava: making $venv with $("$chosen" --version)"
    "$chosen" -m venv "$venv" || fail "$chosen cannot make $venv; see above"
    "$venv/bin/python" -m pip --quiet --disable-pip-version-check install --require-hashes -r requirements-setup.lock ||
        fail "pip could not install what requirements-setup.lock names; see above"
}

pip_setting() {
    # `pip config get` misses the system's file, `pip config list` does not.
    "$venv/bin/python" -m pip config list 2>/dev/null | sed -n "s/^global\.$1='\(.*\)'\$/\1/p"
}

hand_over() {
    eval "given=\${$1:-}"
    if [ -z "$given" ] && [ -n "$2" ]; then export "$1=$2"; fi
}

fill() {
    # uv reads none of pip's configuration: what pip is set up with is handed over. Indexes are
    # weighed as pip weighs them; that is safe, because the lock file names every hash.
    links=${PIP_FIND_LINKS:-$(pip_setting find-links)}
    hand_over UV_DEFAULT_INDEX "${PIP_INDEX_URL:-$(pip_setting index-url)}"
    hand_over UV_INDEX "${PIP_EXTRA_INDEX_URL:-$(pip_setting extra-index-url)}"
    hand_over UV_FIND_LINKS "$(echo "$links" | tr -s ' \n' ',,' | sed 's/,$//')"
    hand_over SSL_CERT_FILE "${PIP_CERT:-$(pip_setting cert)}"
    export UV_INDEX_STRATEGY=unsafe-best-match UV_SYSTEM_CERTS=1 UV_LINK_MODE=copy
    echo "nerava: installing $1"
    VIRTUAL_ENV=$venv "$venv/bin/uv" --quiet pip install --require-hashes -r "$1" ||
        fail "the packages of $1 could not be installed; see above"
    # A relative line is read from site-packages, so that a moved checkout keeps working.
    "$venv/bin/python" - <<'PYTHON'
import os
import sysconfig

site = sysconfig.get_path("purelib")
with open(os.path.join(site, "nerava.pth"), "w", encoding="utf-8") as path_file:
    path_file.write(os.path.relpath("src", site) + "\n")
PYTHON
    printf '#!/bin/sh\nexec "$(dirname "$0")/python" -m nerava "$@"\n' >"$venv/bin/nerava"
    chmod +x "$venv/bin/nerava"
}

case $action in
create) create "$@" ;;
fill) fill "$@" ;;
*) fail "environment.sh knows create and fill, not $action" ;;
esac
