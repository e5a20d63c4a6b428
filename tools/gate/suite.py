"""The tests as gates: that they pass on both databases, what they run through, the migrations alone."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from tools.gate.verdict import Verdict, ask, failed, passed, python, skipped

if TYPE_CHECKING:
    from tools.gate.verdict import Asked

DATABASES: Final = ("sqlite", "postgresql")
LONGEST_S: Final = 3_600
COMPLETE: Final = "src/nerava/ledger/*"
"""Every line and branch of it is run through, whatever the threshold for the rest."""

_LAST: Final = re.compile(r"^TOTAL.*?(\d+)%", re.MULTILINE)


def tests(asked: Asked) -> Verdict:
    """Judge that the quick suite passes, and that it ran on both databases. Counts lines for `coverage`."""
    for old in asked.root.glob(".coverage*"):
        old.unlink()
    covered = ("--cov", "--cov-report=", "--cov-fail-under=0")
    return _pytest(asked, *(asked.tests or ("tests",)), *covered, is_whole=not asked.tests)


def migrations(asked: Asked) -> Verdict:
    """Judge that every step goes up and down, on both databases, and ends where the models are."""
    return _pytest(asked, "tests/migrations", is_whole=True)


def coverage(asked: Asked) -> Verdict:
    """Judge how much the tests ran through, as `tests` has counted it last."""
    if not list(asked.root.glob(".coverage*")):
        return failed("nothing was counted: run the gate `tests` first")
    ended = ask(asked, python("-m", "coverage", "report", f"--fail-under={asked.threshold_percent}"))
    complete = ask(asked, python("-m", "coverage", "report", "--include", COMPLETE, "--fail-under=100"))
    total = _LAST.search(ended.said)
    percent = f"{total[1]} %" if total else "unknown"
    if ended.code or complete.code or total is None:
        wanted = f"{percent}, {asked.threshold_percent} % are asked"
        return failed(
            wanted if ended.code else "the ledger is not covered whole", ended.said[-2_000:] + complete.said
        )
    return passed(f"{percent} of {asked.threshold_percent} %")


def _pytest(asked: Asked, *arguments: str, is_whole: bool) -> Verdict:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        spread = ("-n", str(asked.processes), "--dist", "worksteal")
        command = python("-m", "pytest", *spread, f"--junitxml={report}", *arguments)
        ended = ask(asked, command, timeout_s=LONGEST_S)
        if ended.code or not report.exists():
            return failed(f"pytest ended with {ended.code}", ended.said)
        return _judged(report, is_whole=is_whole)


def _judged(report: Path, *, is_whole: bool) -> Verdict:
    cases = list(ET.parse(report).iter("testcase"))  # noqa: S314 - what pytest has just written
    ran = [one for one in cases if one.find("skipped") is None]
    missing = [name for name in DATABASES if not any(name in (one.get("name") or "") for one in ran)]
    if missing:
        return failed(f"nothing ran on {', '.join(missing)}")
    said = f"{len(ran)} on both databases" + (
        f", {len(cases) - len(ran)} skipped" if len(ran) < len(cases) else ""
    )
    return passed(said) if is_whole else skipped(f"a part of the tests only: {said}")
