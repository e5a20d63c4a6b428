"""How large a year is: the quick form around a change of clocks, and the long one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Size:
    """How many of everything there are, and how much of it happens.

    Attributes:
        first: The first day; sessions are at places in Chicago, whose clocks change within the year.
        payees: Drivers who have themselves paid out.
        copies: How often a day of the recording happens at once.
        codes: Codes that drivers ask for on a day.
        cashouts: Cash-outs asked for on a day that has some.
        expires_days: Life of the points of campaigns whose points expire.
        chores_every: Days from one round of the background work to the next.
        audit_every: Days from one audit of all of history to the next; what is there now is audited daily.
        seed: Everything that is left to chance follows from it.
    """

    first: date
    days: int
    sponsors: int
    campaigns: int
    merchants: int
    drivers: int
    payees: int
    copies: int
    codes: int
    cashouts: int
    expires_days: int
    chores_every: int
    audit_every: int
    seed: int = 7


QUICK = Size(
    first=date(2027, 2, 24),
    days=28,
    sponsors=2,
    campaigns=3,
    merchants=5,
    drivers=20,
    payees=4,
    copies=2,
    codes=3,
    cashouts=2,
    expires_days=20,
    chores_every=3,
    audit_every=7,
)
"""Four weeks around 14 March 2027, when clocks go forward."""

FULL = Size(
    first=date(2027, 1, 1),
    days=365,
    sponsors=3,
    campaigns=20,
    merchants=40,
    drivers=2_000,
    payees=60,
    copies=8,
    codes=15,
    cashouts=8,
    expires_days=90,
    chores_every=1,
    audit_every=7,
)
"""A calendar year, with both changes of clocks."""
