"""`python -m tools.lint FOLDER…`: one line for each violation; exits with 1 if there is any."""

from __future__ import annotations

import sys
from pathlib import Path

from tools.lint.run import CHECKS, lint


def main(folders: list[str]) -> int:
    """Print what is broken and return the status to exit with."""
    if not folders:
        print("name the folders to look at, for example: src tests", file=sys.stderr)
        return 2
    found = lint(Path.cwd(), folders)
    for one in found:
        print(one)
    print(f"own rules: {len(found)} broken" if found else f"own rules: {len(CHECKS) + 1} checks, clean")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
