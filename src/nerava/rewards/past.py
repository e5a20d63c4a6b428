"""What a driver did before a session, as rules may ask: plain numbers, loaded by whoever evaluates."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from nerava.grid.facts import NOT_ASKED, GridFacts

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX: Final = "past_"


class Ask(StrEnum):
    """What a rule wants to know; only what some campaign asks for is loaded."""

    GRANTS = "grants"
    FIRST = "first"
    RUN = "run"
    YEAR = "year"
    PURCHASE = "purchase"
    GRID = "grid"


class Past(NamedTuple):
    """A driver as known when a session is decided. A session counts once it is verified.

    Attributes:
        sessions_granted: Other sessions that the campaign gave points for or holds some for.
        days_since_first: Whole days from the start of the driver's first session to the start of this
            one; -1 where this is the first.
        run_days: Local dates in a row with a session, the date of this one included.
        run_weeks: The same in weeks that begin on Monday.
        year_points: Points that all campaigns gave for sessions of the twelve months up to this one;
            those held are not among them.
        purchase_seconds: Between the session and the purchase that belongs to it; -1 where there is none.
        purchase_m: Metres between them.
        purchase_minor: What it came to, in minor units.
        earned: Points that the campaign's other rules gave for this session.
        grid: What the grid did meanwhile; kept beside the decision, and read anew when it is settled.
    """

    sessions_granted: int = 0
    days_since_first: int = -1
    run_days: int = 1
    run_weeks: int = 1
    year_points: int = 0
    purchase_seconds: int = -1
    purchase_m: int = 0
    purchase_minor: int = 0
    earned: int = 0
    grid: GridFacts = NOT_ASKED

    def facts(self) -> dict[str, int | str]:
        """Return it as facts of a decision, so that a later settlement can judge by the same past."""
        return {f"{_PREFIX}{name}": value for name, value in self._asdict().items() if name != "grid"}

    @classmethod
    def is_told_by(cls, facts: Mapping[str, int | str]) -> bool:
        """Return whether a past was written down in facts."""
        return any(name.startswith(_PREFIX) for name in facts)

    @classmethod
    def of_facts(cls, facts: Mapping[str, int | str]) -> Self:
        """Return what `facts` made; what is not there is as for somebody new."""
        known: dict[str, Any] = {
            name: int(facts[_PREFIX + name]) for name in cls._fields if _PREFIX + name in facts
        }
        return cls()._replace(**known)


SOMEBODY_NEW: Final = Past()
