"""`python -m tools.gate`: runs the gates, prints a table, and exits with 0 only if every one passed."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tools.gate.gates import GATES
from tools.gate.verdict import Asked, Gate, State, Verdict, failed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PASSED, FAILED, USAGE, NOT_LOOKED_AT = 0, 1, 2, 3
"""Exit codes; the last one says that nothing failed, and that something could not be looked at."""

ROOT: Final = Path(__file__).resolve().parents[2]
THRESHOLD: Final = re.compile(r"--cov-fail-under=(\d+)")


def main(arguments: Sequence[str], gates: Sequence[Gate] = GATES) -> int:
    """Run the gates that were asked for and return the status to exit with."""
    said = _read(arguments, [one.name for one in gates])
    if isinstance(said, str):
        print(said, file=sys.stderr)
        return USAGE
    asked = Asked(
        root=said.root.resolve(),
        threshold_percent=said.threshold,
        tests=tuple(said.tests),
        processes=said.processes,
    )
    wanted = [one for one in gates if not said.only or one.name in said.only]
    verdicts: list[tuple[Gate, Verdict, float]] = []
    for gate in wanted:
        print(f"{gate.name}: {gate.what} …", file=sys.stderr, flush=True)
        begun = time.monotonic()
        verdict = _judged(gate, asked)
        verdicts.append((gate, verdict, time.monotonic() - begun))
    for gate, verdict, _ in verdicts:
        if verdict.state is State.FAILED and verdict.said:
            print(f"--- {gate.name}\n{verdict.said}\n")
    print(_table(verdicts))
    return _status(verdicts, set(said.allow_skipped), len(gates))


def _judged(gate: Gate, asked: Asked) -> Verdict:
    try:
        return gate.judge(asked)
    except Exception as error:  # noqa: BLE001 - a gate that breaks has not passed, and the others are run
        return failed(f"the gate itself broke: {type(error).__name__}", str(error))


def _status(verdicts: Sequence[tuple[Gate, Verdict, float]], allowed: set[str], every: int) -> int:
    by_state = {state: [gate.name for gate, one, _ in verdicts if one.state is state] for state in State}
    left_out = [name for name in by_state[State.SKIPPED] if name not in allowed]
    if by_state[State.FAILED]:
        print(f"failed: {', '.join(by_state[State.FAILED])}")
        return FAILED
    if left_out:
        print(f"not looked at: {', '.join(left_out)}; --allow-skipped NAME lets one pass that is known")
        return NOT_LOOKED_AT
    part = f"; {len(verdicts)} of {every} gates were asked" if len(verdicts) < every else ""
    known = (
        f"; not looked at, as allowed: {', '.join(by_state[State.SKIPPED])}"
        if by_state[State.SKIPPED]
        else ""
    )
    print(f"passed{part}{known}")
    return PASSED


def _table(verdicts: Iterable[tuple[Gate, Verdict, float]]) -> str:
    rows = [("gate", "verdict", "seconds", "")]
    rows += [(gate.name, one.state.value, f"{took_s:.1f}", one.why) for gate, one, took_s in verdicts]
    widths = [max(len(row[at]) for row in rows) for at in range(3)]
    lines = [
        f"{name:<{widths[0]}}  {state:<{widths[1]}}  {seconds:>{widths[2]}}  {why}".rstrip()
        for name, state, seconds, why in rows
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _read(arguments: Sequence[str], names: Sequence[str]) -> argparse.Namespace | str:
    known = ", ".join(names)
    reader = argparse.ArgumentParser(prog="scripts/prod_gate.sh", description=f"Gates: {known}.")
    one = {"metavar": "NAME", "action": "append", "default": []}
    reader.add_argument("--only", help="run this gate only; may be repeated", **one)  # type: ignore[arg-type]
    reader.add_argument("--allow-skipped", help="a skip of this gate is known and lets pass", **one)  # type: ignore[arg-type]
    reader.add_argument("--tests", metavar="PATH", nargs="+", default=[], help="a part of the tests; no pass")
    reader.add_argument("--processes", type=int, default=2, help="of pytest")
    reader.add_argument("--root", type=Path, default=ROOT, help="another checkout to judge")
    said = reader.parse_args(arguments)
    unknown = sorted({*said.only, *said.allow_skipped} - set(names))
    if unknown:
        return f"no such gate: {', '.join(unknown)}; there are {known}"
    threshold = os.environ.get("COVERAGE_THRESHOLD") or _threshold_of(said.root)
    if not threshold.isdecimal() or not 1 <= int(threshold) <= 100:  # noqa: PLR2004 - percent
        return "COVERAGE_THRESHOLD is a whole number from 1 to 100"
    said.threshold = int(threshold)
    return said


def _threshold_of(root: Path) -> str:
    """Return the threshold of the project, as it stands in pytest.ini."""
    found = THRESHOLD.search((root / "pytest.ini").read_text("utf-8"))
    return found[1] if found else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
