"""Says how many mutants the tests noticed in each module, and which they did not; `make mutants` runs it."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Final

from mutmut.stats import status_by_exit_code

FLOOR_PERCENT: Final = 95
NOTICED: Final = ("killed", "timeout")
"""A mutant that runs for ever was noticed, too: its test does not end well."""


def counted(folder: Path) -> dict[str, dict[str, str]]:
    """Return what became of each mutant, by source file and the mutant's name."""
    files: dict[str, dict[str, str]] = {}
    for path in sorted(folder.rglob("*.py.meta")):
        codes = json.loads(path.read_text())["exit_code_by_key"]
        if codes:
            source = str(path.relative_to(folder)).removesuffix(".meta")
            files[source] = {name: status_by_exit_code[code] for name, code in codes.items()}
    return files


def percent(statuses: Counter[str]) -> str:
    """Return the share of noticed mutants with one decimal, rounded down."""
    tenths = 1_000 * sum(statuses[one] for one in NOTICED) // statuses.total()
    return f"{tenths // 10}.{tenths % 10}"


def main() -> int:
    """Print the table and the survivors; 1 when a module is below the floor or nothing was tried."""
    files = counted(Path("mutants"))
    failed = not files
    print(f"{'module':<55}{'mutants':>8}{'killed':>8}{'timeout':>8}{'left':>6}{'%':>7}")
    for source, outcomes in files.items():
        met = Counter(outcomes.values())
        noticed = sum(met[one] for one in NOTICED)
        left = met.total() - noticed
        print(f"{source:<55}{met.total():>8}{met['killed']:>8}{met['timeout']:>8}{left:>6}{percent(met):>7}")
        failed |= 100 * noticed < FLOOR_PERCENT * met.total()
    for outcomes in files.values():
        for name, status in outcomes.items():
            if status not in NOTICED:
                print(f"{status}: {name}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
