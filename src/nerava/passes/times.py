"""Instants as Apple's phones hand them back: whole seconds, none of them twice for one pass."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final

SECOND: Final = timedelta(seconds=1)


def later_second(now: datetime, previous: datetime | None) -> datetime:
    """Return the whole second of an instant, or the one after `previous` if that is later."""
    whole = now.astimezone(UTC).replace(microsecond=0)
    return whole if previous is None else max(whole, previous + SECOND)


def as_http_date(at: datetime) -> str:
    """Return an instant as HTTP writes it."""
    return format_datetime(at.astimezone(UTC), usegmt=True)


def from_http_date(text: str | None) -> datetime | None:
    """Return the instant that a phone handed back, aware UTC; None if it is none."""
    if text is None:
        return None
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
