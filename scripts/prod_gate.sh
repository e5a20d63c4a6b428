#!/usr/bin/env bash
# Everything that has to be true of a build before it serves production, as a table: docs/contributing.md.
# Exits with 0 only if every gate passed; 1 when one failed, 3 when one could not be looked at.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ ! -x .venv/bin/python ]; then
    make --no-print-directory setup >&2
fi
PYTHONPATH=".:src${PYTHONPATH:+:$PYTHONPATH}" exec .venv/bin/python -m tools.gate "$@"
