"""What the acceptance tests of reliability share: which form runs, and a town to do harm to."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final

import pytest

from tests.chaos.life import Life, Town
from tests.helpers.financial_helpers import Books

if TYPE_CHECKING:
    from collections.abc import Callable

    from nerava.ledger import Ledger
    from nerava.platform.db import Database

SEED: Final = 20_261_122
"""What every random choice of these tests comes from; a failure repeats."""


@pytest.fixture
def books(database: Database, ledger: Ledger) -> Books:
    """The books of a new house, on both engines."""
    return Books.opened(database, ledger)


@pytest.fixture
def town(books: Books) -> Town:
    """A town that does its business through these books."""
    return Town.founded(books)


@pytest.fixture
def rng() -> Random:
    """Chance that repeats."""
    return Random(SEED)


@pytest.fixture
def live(books: Books, rng: Random) -> Callable[[Town, int], None]:
    """Let so many chains of business happen, one after the other, each a batch of its own."""

    def go(town: Town, chains: int) -> None:
        life = Life(town, "resident", rng)
        for _ in range(chains):
            if not books.post(life.chain()).ok:
                life.refused()

    return go


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured beneath the results."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "measured":
                terminalreporter.write_line(str(value))


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Keep a line of numbers for the report."""
    return lambda line: record_property("measured", line)
