"""How often is too often: decided in the database, exactly, in the caller's own transaction."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import bindparam, delete, select, text, tuple_

from nerava.kernel.errors import NeravaError
from nerava.platform.db.bulk import BulkInsert, BulkUpdate
from nerava.platform.limit_numbers import Limit, Per
from nerava.platform.limit_window import EPOCH, NOTHING, Counts, Standing, judge, microseconds, standing_of
from nerava.platform.limits_store import LimitState
from nerava.platform.secrets import SecretKind

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.orm import Session

    from nerava.platform.db import Database
    from nerava.platform.secrets import Secrets

Hit = tuple[Limit, str]
"""A limit, and the key it counts under: an address, a phone number, an id."""

INSTANT_BYTES: Final = 8
PURGED_AT_ONCE: Final = 5_000

_WITHOUT_WAITING: Final = text("SET LOCAL synchronous_commit = off")


class RateLimited(NeravaError):
    """It was tried too often; nothing was done and nothing was counted.

    Attributes:
        violated: The limits that refused, the one that lasts longest first.
        neutral: Whether the caller should be answered as if nothing had happened.
    """

    code = "rate-limited"
    status = HTTPStatus.TOO_MANY_REQUESTS
    title = "Too many requests"
    outcome = "not_executed"
    retry_after_s = 1

    def __init__(self, violated: Sequence[Standing]) -> None:
        self.violated = tuple(sorted(violated, key=lambda one: one.reset_after, reverse=True))
        longest = self.violated[0]
        self.retry_after_s = seconds(longest.reset_after)
        self.neutral = all(one.limit.neutral for one in self.violated)
        super().__init__(
            f"{longest.limit.id}: {longest.quota} in {seconds(longest.limit.window)} s; "
            f"try again in {self.retry_after_s} s"
        )
        self.headers = limit_headers(self.violated)


def seconds(span: timedelta) -> int:
    """Return a span in whole seconds, rounded up."""
    return -(-span // timedelta(seconds=1))


def limit_headers(standings: Sequence[Standing]) -> dict[str, str]:
    """Return `RateLimit-Policy` and `RateLimit`, as draft-ietf-httpapi-ratelimit-headers spells them."""
    if not standings:
        return {}
    policies = (f'"{one.limit.id}";q={one.quota};w={seconds(one.limit.window)}' for one in standings)
    states = (f'"{one.limit.id}";r={one.remaining};t={seconds(one.reset_after)}' for one in standings)
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(states)}


class Limits:
    """Counts hits in rows of the database. Safe to share between threads and processes.

    A quota up to 64 is an exact sliding window; a larger one is a bucket that holds `quota` hits and
    empties evenly within the window. A clock that steps back opens no window.
    """

    def __init__(
        self, database: Database, secrets: Secrets, *, tighter: Mapping[str, int] | None = None
    ) -> None:
        """Take note of smaller quotas, by the limit's id; a larger one than ours is not used."""
        self._database = database
        self._secrets = secrets
        self._tighter = dict(tighter or {})

    @property
    def are_shared(self) -> bool:
        """Whether several processes may count at once; on SQLite there is but one."""
        return not self._database.is_sqlite

    def hit(self, session: Session, hits: Sequence[Hit], now: datetime) -> tuple[Standing, ...]:
        """Count one hit for every key, or none at all; return where each key stands afterwards.

        The rows stay locked until the caller's transaction ends, and count only if it commits. Call
        it once in a transaction, or always in one order, so that nobody waits in a circle; within
        one call the order is its own.

        Raises:
            RateLimited: At least one limit refuses (429).
        """
        [answer] = self.hit_each(session, [hits], now) if hits else [()]
        if isinstance(answer, RateLimited):
            raise answer
        return answer

    def hit_now(self, hits: Sequence[Hit], now: datetime) -> tuple[Standing, ...]:
        """Do what `hit` does in a transaction of its own, so that the hits count whatever happens later.

        Counts even while the installation is read-only.

        Raises:
            RateLimited: At least one limit refuses (429).
            DatabaseUnavailable: Nothing can be counted, so nothing is let through (503).
        """
        return self._database.run(lambda session: self.hit(session, hits, now), essential=True)

    def hit_each(
        self, session: Session, asked: Sequence[Sequence[Hit]], now: datetime
    ) -> list[tuple[Standing, ...] | RateLimited]:
        """Do what `hit` does for each of many, one after the other, with two statements for all of them.

        Who is refused counts nowhere, and is answered `RateLimited` instead of being raised at.
        """
        at = microseconds(now)
        keyed = [{(limit.id, self._hmac(limit, key)): limit for limit, key in hits} for hits in asked]
        rows = _locked(session, sorted({place for one in keyed for place in one}), now)
        changed: dict[Place, Counts] = {}
        answers: list[tuple[Standing, ...] | RateLimited] = []
        for one in keyed:
            judged = {
                place: judge(limit, self.quota_of(limit), changed.get(place) or rows[place], at)
                for place, limit in one.items()
            }
            refused = [found.standing for found in judged.values() if not found.accepted]
            if refused:
                answers.append(RateLimited(refused))
                continue
            changed.update((place, found.counts) for place, found in judged.items())
            answers.append(tuple(found.standing for found in judged.values()))
        if changed:
            _write(session, changed, now)
        return answers

    def hit_each_now(
        self, asked: Sequence[Sequence[Hit]], now: datetime
    ) -> list[tuple[Standing, ...] | RateLimited]:
        """Do what `hit_each` does in a transaction of its own that does not wait for the disk.

        Counts even while the installation is read-only. A crash of a PostgreSQL may forget the hits
        of its last second.

        Raises:
            DatabaseUnavailable: Nothing can be counted, so nothing is let through (503).
        """

        def work(session: Session) -> list[tuple[Standing, ...] | RateLimited]:
            if not self._database.is_sqlite:
                session.execute(_WITHOUT_WAITING)
            return self.hit_each(session, asked, now)

        return self._database.run(work, essential=True)

    def check(self, session: Session, hits: Sequence[Hit], now: datetime) -> tuple[Standing, ...]:
        """Return where each key stands, counting nothing; for limits that count failures only.

        Raises:
            RateLimited: At least one limit would refuse a hit (429).
        """
        if not hits:
            return ()
        keyed = {(limit.id, self._hmac(limit, key)): limit for limit, key in hits}
        rows = _read(session, list(keyed))
        standings = [
            standing_of(limit, self.quota_of(limit), rows.get(place, NOTHING), microseconds(now))
            for place, limit in keyed.items()
        ]
        refused = [one for one in standings if one.remaining == 0]
        if refused:
            raise RateLimited(refused)
        return tuple(standings)

    def check_now(self, hits: Sequence[Hit], now: datetime) -> tuple[Standing, ...]:
        """Do what `check` does on a snapshot of its own.

        Raises:
            RateLimited: At least one limit would refuse a hit (429).
        """
        return self._database.read(lambda session: self.check(session, hits, now))

    def forgive(self, session: Session, hits: Sequence[Hit]) -> None:
        """Forget what was counted under these keys. Repeats safely."""
        places = sorted((limit.id, self._hmac(limit, key)) for limit, key in hits)
        session.execute(delete(LimitState).where(_PLACE.in_(places)))

    def purge(self, session: Session, now: datetime) -> int:
        """Forget rows that no longer count, at most 5,000; return how many. Repeats safely."""
        idle = (
            select(LimitState.limit_id, LimitState.key_hmac)
            .where(LimitState.expires_at < now)
            .limit(PURGED_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        places = [tuple(row) for row in session.execute(idle)]
        if places:
            session.execute(delete(LimitState).where(_PLACE.in_(places)))
        return len(places)

    def quota_of(self, limit: Limit) -> int:
        """Return the quota of this installation: the product's own, or a smaller one from the settings."""
        return min(limit.quota, self._tighter.get(limit.id, limit.quota))

    def _hmac(self, limit: Limit, key: str) -> bytes:
        secret = self._secrets.get(SecretKind.IDENTIFIER).reveal()
        return hmac.digest(secret, f"limit\0{limit.id}\0{key}".encode(), hashlib.sha256)


Place = tuple[str, bytes]
_PLACE: Final = tuple_(LimitState.limit_id, LimitState.key_hmac)


def _locked(session: Session, places: Sequence[Place], now: datetime) -> dict[Place, Counts]:
    """Lock the row of every place, making it where there is none, in the order given."""
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        values = (now, now, [limit_id for limit_id, _ in places], [key for _, key in places])
        return _counts(connection.exec_driver_sql(_LOCK, values))
    # One writer at a time: what is there now is there until the commit.
    _OPEN.run(session, [(limit_id, key, b"", 0, 0, now, now) for limit_id, key in places])
    return _read(session, places)


_TABLE: Final = cast("Table", LimitState.__table__)
_OPEN: Final = BulkInsert(
    _TABLE,
    ("limit_id", "key_hmac", "ring", "tat", "blocked_until", "updated_at", "expires_at"),
    if_new=True,
)
_CHANGE: Final = BulkUpdate(
    _TABLE,
    match=("limit_id", "key_hmac"),
    assign=("ring", "tat", "blocked_until", "updated_at", "expires_at"),
)

# The one statement that makes, waits for, locks and reads; it sets what is there already.
_LOCK: Final = """
INSERT INTO limit_state (limit_id, key_hmac, ring, tat, blocked_until, updated_at, expires_at)
SELECT id, key, ''::bytea, 0, 0, %s::timestamptz, %s::timestamptz
FROM unnest(%s::text[], %s::bytea[]) AS asked (id, key)
ON CONFLICT (limit_id, key_hmac) DO UPDATE SET limit_id = excluded.limit_id
RETURNING limit_state.limit_id, key_hmac, ring, tat, blocked_until
"""

# Built once: building a statement costs more than running it.
_LOOK: Final = select(
    _TABLE.c.limit_id, _TABLE.c.key_hmac, _TABLE.c.ring, _TABLE.c.tat, _TABLE.c.blocked_until
).where(_PLACE.in_(bindparam("places", expanding=True)))


def _read(session: Session, places: Sequence[Place]) -> dict[Place, Counts]:
    return _counts(session.execute(_LOOK, {"places": list(places)}))


def _counts(rows: Any) -> dict[Place, Counts]:  # noqa: ANN401 - rows of the columns above
    return {
        (limit_id, bytes(key)): Counts(_instants(bytes(ring)), tat, blocked_until)
        for limit_id, key, ring, tat, blocked_until in rows
    }


def _write(session: Session, counts: Mapping[Place, Counts], now: datetime) -> None:
    rows = [
        (
            *place,
            b"".join(at.to_bytes(INSTANT_BYTES, "big") for at in one.ring),
            one.tat,
            one.blocked_until,
            now,
            EPOCH + timedelta(microseconds=one.expires),
        )
        for place, one in counts.items()
    ]
    _CHANGE.run(session, rows)


def _instants(ring: bytes) -> tuple[int, ...]:
    return tuple(
        int.from_bytes(ring[at : at + INSTANT_BYTES], "big") for at in range(0, len(ring), INSTANT_BYTES)
    )


__all__ = ["Hit", "Limit", "Limits", "Per", "RateLimited", "Standing", "limit_headers", "seconds"]
