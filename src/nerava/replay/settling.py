"""Lets recorded sessions take place elsewhere and lately, at the same hour of the same weekday."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from nerava.charging.zones import zone

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from nerava.charging.recordings import RecordedSession
    from nerava.replay.run import Sorted


class Ground(NamedTuple):
    """A charging location that sessions may be settled onto."""

    name: str
    location_id: UUID
    timezone: str


def settled(recording: Sorted, grounds: Sequence[Ground], now: datetime, *, seed: int = 7) -> Sorted:
    """Return a recording as if it had taken place on these grounds and ended yesterday or shortly before.

    All sessions of a station go to one location, which follows from the seed and the station's name. The
    wall clock and the weekday of the start stay, so dates move by whole weeks; how long a session took,
    what it delivered and its reference stay as recorded.
    """
    if not recording.sessions or not grounds:
        return recording
    ordered = sorted(grounds)
    last = max(one.ended_at.astimezone(zone(one.timezone)) for one in recording.sessions)
    yesterday = now.astimezone(zone(ordered[0].timezone)).date() - timedelta(days=1)
    later = timedelta(weeks=(yesterday - last.date()).days // 7)
    moved = [_moved(one, ordered[_place(one, seed, len(ordered))], later) for one in recording.sessions]
    moved.sort(key=lambda one: (one.started_at, one.ended_at, one.reference))
    return recording._replace(sessions=moved)


def _moved(one: RecordedSession, ground: Ground, later: timedelta) -> RecordedSession:
    wall = one.started_at.astimezone(zone(one.timezone)).replace(tzinfo=None) + later
    started_at = wall.replace(tzinfo=zone(ground.timezone)).astimezone(UTC)
    return replace(
        one,
        site=ground.name,
        timezone=ground.timezone,
        started_at=started_at,
        ended_at=started_at + (one.ended_at - one.started_at),
    )


def _place(one: RecordedSession, seed: int, places: int) -> int:
    text = f"{seed}:ground:{one.site}:{one.station}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) % places
