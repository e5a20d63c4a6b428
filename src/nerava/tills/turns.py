"""Whose turn it is to ask a provider for an order or a refund, and when it is asked again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import or_

from nerava.kernel.outcomes import Misconfigured, RetryLater

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from nerava.kernel.outcomes import Outcome
    from nerava.tills.model import TillLink, TillOrder, TillRefund

LEASE: Final = timedelta(seconds=90)
"""Longer than one worker needs for what it takes at once, when every call takes all of its time."""

AT_ONCE: Final = 5
FOLLOWED: Final = tuple(timedelta(seconds=one) for one in (1, 2, 4, 8, 16, 60))
"""When something is read after we were told of it: providers tell before they show, and show in parts."""

GAPS: Final = (timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=5), timedelta(hours=1))
GIVEN_UP_AFTER: Final = timedelta(hours=24)


def is_due(rows: type[TillLink | TillOrder | TillRefund], now: datetime) -> ColumnElement[bool]:
    """Return the condition of rows that are due and that nobody works on."""
    return (rows.next_at <= now) & or_(rows.leased_until.is_(None), rows.leased_until <= now)


def tell_of(row: TillOrder | TillRefund, now: datetime) -> None:
    """Let something be followed from now on; being told several times at once is being told once.

    Who reads it at this moment may have seen it as it was before, and writes nothing any more.
    """
    if row.next_at is None or row.looks > 0 or row.leased_until is not None:
        row.told_at, row.next_at, row.looks, row.attempts = now, now + FOLLOWED[0], 0, 0
        row.leased_until = None


def look_again(row: TillOrder | TillRefund, now: datetime) -> None:
    """Count a look, and plan the next one; none after a minute, and none for those that were missed."""
    row.looks, row.attempts, row.leased_until = row.looks + 1, 0, None
    row.next_at = next((row.told_at + one for one in FOLLOWED if row.told_at + one > now), None)


def put_off(row: TillOrder | TillRefund, answer: Outcome[Any], now: datetime) -> None:
    """Plan another attempt after one that brought no answer; none once it was told of a day ago."""
    row.attempts, row.leased_until = row.attempts + 1, None
    row.trouble = getattr(answer, "code", "unknown")[:80]
    again = now + (GAPS[-1] if isinstance(answer, Misconfigured) else GAPS[min(row.attempts, len(GAPS)) - 1])
    told = answer.not_before if isinstance(answer, RetryLater) else None
    row.next_at = max(again, told or again) if now - row.told_at < GIVEN_UP_AFTER else None
