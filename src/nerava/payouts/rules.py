"""Every number of payouts: limits, holds, when a provider is read again, when people are called."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

AMOUNT_MIN: Final = 100
WEEK_MAX: Final = 100_000
WEEK: Final = timedelta(days=7)
BATCH_MAX: Final = 200
"""The most payouts in one batch; each is one row that stays locked while it is let go."""

METHOD_AGE: Final = timedelta(hours=24)
"""A younger method needs a step-up."""

STRONG_FRESH: Final = timedelta(minutes=5)
CHANGE_HOLD: Final = timedelta(hours=72)
CONTACT_CHANGED: Final = timedelta(days=7)

LEASE: Final = timedelta(seconds=60)
"""How long a worker has a payout for one step; every provider's own deadline is far below."""

READ_GAPS: Final = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2))
READ_EVERY: Final = timedelta(hours=6)
KEY_GOOD_FOR: Final = timedelta(hours=23)
"""Providers keep keys for 24 hours at least; later nothing is sent under an old one."""

FIRST_LISTING_AFTER: Final = timedelta(hours=25)
LISTINGS_APART: Final = timedelta(hours=1)
STUCK_AFTER: Final = timedelta(hours=24)
BANK_TAKES: Final = timedelta(days=5)
"""What the provider has handed to a bank arrives after two business days, and a weekend may be among them."""

WATCHED_EVERY: Final = timedelta(days=1)
"""What a bank sends back is told by the provider at once; reading is for what was not told."""

WATCHED_FOR: Final = timedelta(days=10)
"""Banks send money back for five business days, and there are weekends and holidays among them."""

CLEARING_MAX: Final = timedelta(days=14)
"""Money on its way for longer is a finding of the audit."""

FUNDS_AGAIN: Final = timedelta(minutes=30)
METHOD_READ_GAPS: Final = (
    timedelta(seconds=10),
    timedelta(seconds=30),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
)
METHOD_READ_EVERY: Final = timedelta(hours=6)
METHOD_READY_READ_EVERY: Final = timedelta(days=1)
"""Of one that can be paid; the provider tells of changes, and reading is for what was not told."""

WAITS_FOR_FUNDS: Final = frozenset({"balance_insufficient", "insufficient_funds", "insufficient-funds"})
"""Words of providers for a refusal that passes when money arrives."""

_ANSWERED_5XX: Final = re.compile(r"api_error|(status-)?5\d\d")


@dataclass(frozen=True, slots=True)
class PayoutRules:
    """What an operator decides about payouts; amounts in minor units.

    Attributes:
        fee_minor: What a driver pays for a cash-out, on top of the amount.
        day_max_minor: What may be let go within 24 hours, everybody together.
    """

    fee_minor: int = 25
    day_max_minor: int = 5_000_000


def read_again_at(since: datetime, now: datetime) -> datetime:
    """Return when the provider is read next: 1, 5, 30 min and 2 h after the first send, then every 6 h."""
    for gap in READ_GAPS:
        if since + gap > now:
            return since + gap
    return now + READ_EVERY


def is_stored_error(code: str) -> bool:
    """Whether a provider answered with an error of its own, which it would answer for ever to this key."""
    return _ANSWERED_5XX.fullmatch(code) is not None
