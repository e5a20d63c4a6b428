"""The decision behind a limit: given what was counted so far, is one more accepted?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from nerava.platform.limit_numbers import RING_MAX

if TYPE_CHECKING:
    from nerava.platform.limit_numbers import Limit

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted under one key. Times are microseconds since 1970.

    Attributes:
        ring: The last accepted hits, oldest first; for quotas up to 64.
        tat: When a bucket will have emptied; for larger quotas.
        blocked_until: The end of a penalty.
        expires: From then on it says nothing any more.
    """

    ring: tuple[int, ...] = ()
    tat: int = 0
    blocked_until: int = 0
    expires: int = 0


NOTHING: Final = Counts()


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a key stands with one limit.

    Attributes:
        quota: The quota of this installation, which may be smaller than the limit's.
        remaining: How many more hits would be accepted now.
        reset_after: Until when this is so at the latest: from then on one more is accepted.
    """

    limit: Limit
    quota: int
    remaining: int
    reset_after: timedelta


@dataclass(frozen=True, slots=True)
class Judged:
    """A decision about one hit, where the key stands after it, and what is counted then."""

    accepted: bool
    standing: Standing
    counts: Counts


def judge(limit: Limit, quota: int, counts: Counts, now: int) -> Judged:
    """Accept one more hit or refuse it; `now` in microseconds since 1970."""
    before = standing_of(limit, quota, counts, now)
    if before.remaining == 0:
        return Judged(accepted=False, standing=before, counts=counts)
    window = _microseconds_in(limit.window)
    # A host whose clock is behind the last hit's counts at that hit's time.
    at = max(now, counts.ring[-1] if counts.ring else 0)
    if quota <= RING_MAX:
        ring, tat = (*counts.ring, at)[-quota:], 0
        lasts = at + window
    else:
        ring, tat = (), max(counts.tat, now) + _interval(quota, window)
        lasts = tat
    after = Counts(ring, tat, counts.blocked_until, lasts + window)
    if limit.penalty is not None and standing_of(limit, quota, after, now).remaining == 0:
        until = at + _microseconds_in(limit.penalty)
        after = Counts(ring, tat, until, max(lasts, until) + window)
    return Judged(accepted=True, standing=standing_of(limit, quota, after, now), counts=after)


def standing_of(limit: Limit, quota: int, counts: Counts, now: int) -> Standing:
    """Return where a key stands before it is hit."""
    window = _microseconds_in(limit.window)
    if quota <= RING_MAX:
        # A row that was written under a larger quota may hold more than counts now.
        ring = counts.ring[-quota:]
        at = max(now, ring[-1]) if ring else now
        live = [one for one in ring if one > at - window]
        remaining = quota - len(live)
        free_at = live[0] + window if remaining == 0 else now
        reset_at = live[0] + window if live else now
    else:
        interval = _interval(quota, window)
        tat = max(counts.tat, now)
        remaining = min(quota, (interval * quota - (tat - now)) // interval)
        free_at = reset_at = tat - interval * quota + interval if remaining <= 0 else tat
        remaining = max(0, remaining)
    if counts.blocked_until > now:
        remaining, reset_at = 0, max(counts.blocked_until, free_at)
    return Standing(limit, quota, remaining, timedelta(microseconds=max(0, reset_at - now)))


def _interval(quota: int, window: int) -> int:
    return -(-window // quota)


def microseconds(at: datetime) -> int:
    """Return an instant as microseconds since 1970."""
    return (at - EPOCH) // MICROSECOND


def _microseconds_in(span: timedelta) -> int:
    return span // MICROSECOND
