"""What a comparison of two books is about, and what it says line by line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

MATCHED: Final = "matched"


@dataclass(frozen=True, slots=True)
class Period:
    """A span of the provider's book, [since, until), and its name."""

    name: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a comparison; amounts in minor units, `at` in Unix seconds.

    Attributes:
        verdict: `matched`, or the kind of drift.
        amount_minor: What the provider's book says; None where it says nothing.
        expected_minor: What ours says.
    """

    verdict: str
    at: int | None
    kind: str
    movement: str | None
    source: str | None
    payout_id: str | None
    amount_minor: int | None
    expected_minor: int | None
    currency: str | None
