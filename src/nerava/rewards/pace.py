"""When something that waits for a provider is looked at again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

LOOKS: Final = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
)
THEN_EVERY: Final = timedelta(hours=6)
SOON: Final = timedelta(seconds=2)


def next_look(since: datetime, now: datetime) -> datetime:
    """Return the first look after `now`: 1, 5, 30 minutes and 2 hours after `since`, then every 6 hours."""
    for gap in LOOKS:
        if since + gap > now:
            return since + gap
    return now + THEN_EVERY


def again(attempts: int, now: datetime) -> datetime:
    """Return when a call that was definitely not carried out is made again: 2 s, doubling to 5 minutes."""
    return now + min(SOON * (1 << min(attempts - 1, 10)), timedelta(minutes=5))
