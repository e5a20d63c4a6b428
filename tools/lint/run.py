"""Runs every check over the files it holds for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tools.lint import shape, values, writing
from tools.lint.exceptions import EXCEPTIONS
from tools.lint.source import Check, Source, Violation
from tools.lint.tracked import addresses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_MONEY: Final = (
    "src/nerava/ledger",
    "src/nerava/kernel/money.py",
    "src/nerava/rewards",
    "src/nerava/merchants",
    "src/nerava/payouts",
)
_STEPS: Final = "src/nerava/migrations/versions"


def _product(source: Source) -> bool:
    return source.under("src")


def _everywhere(source: Source) -> bool:
    return not source.under(_STEPS)


CHECKS: Final = (
    Check(
        "unit-of-work", lambda one: _product(one) and not one.under("src/nerava/platform/db"), writing.commits
    ),
    Check("sql", lambda one: _product(one) and not one.under(_STEPS), writing.composed_sql),
    Check("value-rests-in-ledger", lambda one: _product(one) and not _is_ledgers(one), writing.resting_value),
    Check(
        "clock", lambda one: _product(one) and not one.under("src/nerava/kernel/clock.py"), values.time_reads
    ),
    Check("no-float", lambda one: one.under(*_MONEY), values.floats),
    Check("file-length", _everywhere, shape.long_files),
    Check("function-length", _everywhere, shape.long_functions),
    Check("names", _everywhere, shape.empty_names),
    Check("later", lambda _: True, shape.left_for_later),
)
"""A migration is written once and never changed: it may be long, and it writes statements of the schema."""


def _is_ledgers(source: Source) -> bool:
    return source.under("src/nerava/ledger/model.py") or (
        source.under(_STEPS) and source.path.stem.endswith("_ledger")
    )


def violations(source: Source, checks: Iterable[Check] = CHECKS) -> Iterator[Violation]:
    """Return what one file breaks, exceptions not yet considered."""
    for check in checks:
        if check.applies(source):
            for found in check.look(source):
                yield Violation(str(source.path), found.line, check.name, found.message)


def excused(
    found: Iterable[Violation], exceptions: Mapping[tuple[str, str], str], seen: frozenset[str]
) -> Iterator[Violation]:
    """Leave out what is broken on purpose, and add exceptions that excuse nothing in the files seen."""
    used = set()
    for one in found:
        if (one.check, one.path) in exceptions:
            used.add((one.check, one.path))
        else:
            yield one
    for check, path in exceptions.keys() - used:
        if path in seen:
            yield Violation(path, 1, check, "an exception in tools/lint/exceptions.py is no longer needed")


def lint(root: Path, folders: Iterable[str]) -> list[Violation]:
    """Return everything that is broken under these folders, sorted by place."""
    sources = [
        Source.of(path.relative_to(root).as_posix(), path.read_text("utf-8"))
        for folder in folders
        for path in sorted(Path(root, folder).rglob("*.py"))
    ]
    found = (one for source in sources for one in violations(source))
    seen = frozenset(str(source.path) for source in sources)
    return sorted([*excused(found, EXCEPTIONS, seen), *addresses(root)])
