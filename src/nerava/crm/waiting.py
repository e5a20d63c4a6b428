"""How long a row waits before it is tried again."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nerava.kernel.outcomes import Misconfigured, RetryLater

if TYPE_CHECKING:
    from datetime import datetime

    from nerava.kernel.outcomes import Refused, Unknown

log = logging.getLogger(__name__)

FIRST: Final = timedelta(seconds=10)
LONGEST: Final = timedelta(minutes=30)
"""Shorter than what rings as work that nobody does; a pause that was asked for may be longer."""

UNTIL_LOOKED_AT: Final = timedelta(minutes=15)


def after(outcome: RetryLater | Misconfigured | Unknown | Refused, attempts: int, now: datetime) -> datetime:
    """Return when to try again: as the other side says, or later from time to time."""
    if isinstance(outcome, Misconfigured):
        log.error("customer records cannot be written: %s", outcome.code)
        return now + UNTIL_LOOKED_AT
    gap: timedelta = min(LONGEST, FIRST * (1 << min(attempts, 10)))
    if isinstance(outcome, RetryLater) and outcome.not_before is not None:
        return max(outcome.not_before, now)
    return now + gap
