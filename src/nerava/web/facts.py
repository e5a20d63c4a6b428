"""What the database says of the installation, for metrics: read when somebody asks, kept for seconds."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, literal, select

from nerava.charging.model import ChargingSession
from nerava.identity.session_store import AuthSession
from nerava.kernel.switch_names import FIXED, OTHERS, PARTIES
from nerava.ledger import gauges
from nerava.ledger.audit import CHECKS as LEDGER_CHECKS
from nerava.ledger.switches import switches_on
from nerava.ledger.watching import EVERY_LOOK
from nerava.outbox.queries import ORDER, behind
from nerava.payouts.model import Payout, PayoutCase
from nerava.payouts.states import OPEN, CaseKind
from nerava.platform.beat_store import beats
from nerava.platform.metrics import catalogue as metrics
from nerava.platform.metrics.sample import Sample
from nerava.web.checks import CHECKS
from nerava.web.queues import QUEUES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import InstrumentedAttribute, Session

    from nerava.kernel.clock import Clock
    from nerava.platform.db import Database

log = logging.getLogger(__name__)

KEPT_S: Final = 5.0
SHARE_OF_TIME: Final = 20
"""What took a second to read is kept for twenty."""

COUNTED_MAX: Final = 10_000
BREAKS: Final = (
    *(check.name for check in (*LEDGER_CHECKS, *CHECKS)),
    *gauges.CHAIN_BREAKS,
    *EVERY_LOOK,
)
"""Everything that the watch over the books may find."""

_PAYOUT: Final[Any] = Payout
_CASE: Final[Any] = PayoutCase


class Facts:
    """Reads the facts when somebody asks, at most one at a time, and keeps them for a moment.

    The rest of the process is not held up: what took long is asked for less often. What cannot be
    read is left out, and `nerava_facts_up` is 0.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._found: list[Sample] | None = None
        self._read_at = 0.0
        self._took_s = 0.0
        self._keep_until = 0.0

    def __call__(self) -> Iterator[Sample]:
        """Yield every fact, a few seconds old at most."""
        with self._lock:
            if time.monotonic() >= self._keep_until:
                self._look()
            found, age_s, took_s = self._found, time.monotonic() - self._read_at, self._took_s
        yield Sample(metrics.FACTS_UP, (), 0.0 if found is None else 1.0)
        if found is not None:
            yield Sample(metrics.FACTS_AGE, (), age_s)
            yield Sample(metrics.FACTS_READ, (), took_s)
            yield from found

    def _look(self) -> None:
        began = time.monotonic()
        try:
            now = self._clock.now()
            self._found = self._database.read(lambda session: list(read_facts(session, now)))
        except Exception as error:  # noqa: BLE001 - whatever fails, the rest is told, and this told as missing
            log.warning("the facts could not be read: %s", error)
            self._found = None
        self._read_at = time.monotonic()
        self._took_s = self._read_at - began
        self._keep_until = self._read_at + max(KEPT_S, SHARE_OF_TIME * self._took_s)


def read_facts(session: Session, now: datetime) -> Iterator[Sample]:
    """Yield every fact there is: some fifty statements, each by an index."""
    yield from _books(session, now)
    yield from _payouts(session, now)
    yield from _queues(session, now)
    yield from _outbox(session, now)
    yield from _life(session, now)


def _books(session: Session, now: datetime) -> Iterator[Sample]:
    broken = dict.fromkeys(BREAKS, 0) | gauges.breaks(session)
    for name, number in broken.items():
        yield Sample(metrics.AUDIT_BREAKS, (name,), number)
    for scope, at in gauges.looks(session).items():
        yield Sample(metrics.AUDIT_LOOK_AGE, (scope,), _age_s(at, now))
    backing = gauges.backing(session)
    yield Sample(metrics.RESERVE, (), backing.reserve_minor)
    yield Sample(metrics.CIRCULATION, (), backing.circulation)
    cover = backing.reserve_minor / backing.circulation if backing.circulation else 1.0
    yield Sample(metrics.COVER, (), cover)
    yield Sample(metrics.NOVA_ISSUED, (), backing.issued)
    yield Sample(metrics.NOVA_BURNT, (), backing.burnt)
    unsealed = gauges.unsealed(session)
    yield Sample(metrics.UNSEALED, (), unsealed.number)
    yield Sample(metrics.UNSEALED_AGE, (), _age_s(unsealed.since, now))


def _payouts(session: Session, now: datetime) -> Iterator[Sample]:
    query = (
        select(_PAYOUT.state, func.count(), func.min(_PAYOUT.requested_at))
        .where(_PAYOUT.state.in_([state.value for state in OPEN]))
        .group_by(_PAYOUT.state)
    )
    found = {state: (number, since) for state, number, since in session.execute(query)}
    for state in OPEN:
        number, since = found.get(state.value, (0, None))
        yield Sample(metrics.PAYOUTS_OPEN, (state.value,), number)
        yield Sample(metrics.PAYOUTS_AGE, (state.value,), _age_s(since, now))
    cases = select(_CASE.kind, func.count()).where(_CASE.closed_at.is_(None)).group_by(_CASE.kind)
    numbers = dict.fromkeys((kind.value for kind in CaseKind), 0) | dict(map(tuple, session.execute(cases)))
    for kind, number in numbers.items():
        yield Sample(metrics.PAYOUT_CASES, (kind,), number)


def _queues(session: Session, now: datetime) -> Iterator[Sample]:
    for line in QUEUES:
        queue = line.read(session, now)
        yield Sample(metrics.QUEUE_WAITING, (queue.name,), queue.waiting)
        yield Sample(metrics.QUEUE_LATE, (queue.name,), queue.late)
        yield Sample(metrics.QUEUE_AGE, (queue.name,), _age_s(queue.oldest_due_at, now))
        yield Sample(metrics.QUEUE_GIVEN_UP, (queue.name,), queue.given_up)


def _outbox(session: Session, now: datetime) -> Iterator[Sample]:
    for one in behind(session, now):
        if one.reader == ORDER:
            yield Sample(metrics.OUTBOX_UNORDERED, (), one.events)
        else:
            yield Sample(metrics.OUTBOX_UNREAD, (one.reader,), one.events)
        yield Sample(metrics.OUTBOX_LAG, (one.reader,), one.lag.total_seconds())


def _life(session: Session, now: datetime) -> Iterator[Sample]:
    charging: Any = ChargingSession
    signed_in: Any = AuthSession
    # As a constant: an index over the open ones alone is not used for a parameter.
    is_open = charging.state == literal("open", literal_execute=True)
    yield Sample(metrics.SESSIONS_OPEN, (), _counted(session, charging.driver_id, is_open))
    lasts = (signed_in.expires_at > now) & signed_in.ended_at.is_(None)
    yield Sample(metrics.SIGN_INS_OPEN, (), _counted(session, signed_in.expires_at, lasts))
    on = Counter(name.partition(":")[0] for name in switches_on(session))
    for name in (*FIXED, *PARTIES, *OTHERS):
        yield Sample(metrics.SWITCHES, (name,), on[name])
    for share, at in beats(session).items():
        yield Sample(metrics.BEAT_AGE, (share,), _age_s(at, now))


def _counted(session: Session, column: InstrumentedAttribute[Any], which: ColumnElement[bool]) -> int:
    """Return how many rows there are, counted up to 10,000."""
    some = select(column).where(which).limit(COUNTED_MAX).subquery()
    return session.scalar(select(func.count()).select_from(some)) or 0


def _age_s(at: datetime | None, now: datetime) -> float:
    return 0.0 if at is None else max(0.0, (now - at).total_seconds())
