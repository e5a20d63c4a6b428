"""Compares the provider's book with ours: every difference becomes a case, and none is corrected."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import or_, select, update

from nerava.kernel.ids import new_id
from nerava.kernel.outcomes import Ok
from nerava.payouts.books import MATCHED, Line, Period
from nerava.payouts.cases import open_case
from nerava.payouts.errors import ProviderUnsure, UnknownRun
from nerava.payouts.model import Payout, ReconciliationRun
from nerava.payouts.sponsor_books import DISPUTE, compare_payments, payments_of
from nerava.payouts.states import BEFORE_SUBMISSION, DRIFTS, IN_CLEARING, CaseKind, PayoutState, Step
from nerava.rewards.disputes import Told, note_if_new

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.orm import Session

    from nerava.kernel.clock import Clock
    from nerava.payouts.ports import Movement, PayoutProvider, Sent
    from nerava.platform.db import Database

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
SETTLES_WITHIN: Final = timedelta(hours=1)
"""A period is compared so long after its end: by then what was on its way is in both books."""

LOOKS_BACK: Final = timedelta(days=4)
"""What a nightly comparison covers, so that one that failed is made up for."""

HOURS_MADE_UP: Final = timedelta(days=2)
COLUMNS: Final = (
    "verdict",
    "at",
    "kind",
    "movement",
    "source",
    "payout_id",
    "amount_minor",
    "expected_minor",
    "currency",
)

TRANSFER: Final = "transfer"
REVERSAL: Final = "transfer_reversal"


class Reconciling:
    """Compares books. Safe to share between threads and processes: a period counts once."""

    def __init__(self, database: Database, clock: Clock, provider: PayoutProvider) -> None:
        self._database = database
        self._clock = clock
        self._provider = provider

    def run(self, now: datetime) -> int:
        """Compare the next hour, or night, that is due and was not compared; return how many that was.

        Raises:
            ProviderUnsure: The provider's book could not be read to its end (503).
        """
        name = self._provider.name
        period = self._database.read(lambda session: next_period(session, name, now))
        if period is None:
            return 0
        self.compare(period)
        return 1

    def compare(self, period: Period) -> ReconciliationRun | None:
        """Compare one period and return the comparison; None when another process was faster.

        Raises:
            ProviderUnsure: The provider's book could not be read to its end (503).
        """
        since, until = period.since - SETTLES_WITHIN, max(period.until, self._clock.now())
        movements = self._provider.movements(
            since_s=int(since.timestamp()), until_s=int(until.timestamp()) + 1
        )
        if not isinstance(movements, Ok):
            raise ProviderUnsure
        payouts = self._database.read(lambda session: self._concerned(session, period, movements.value))
        sent = {one.id: self._sent_for(one.id) for one in payouts if one.submitted_at is not None}
        payments = self._database.read(
            lambda session: payments_of(session, self._provider.name, period, movements.value)
        )
        lines = compare_books(period, movements.value, payouts, sent)
        lines += compare_payments(period, movements.value, payments)
        told = {
            one.source: Told(self._provider.name, one.source, one.payment, is_over=False)
            for one in movements.value
            if one.kind == DISPUTE and one.source
        }

        def work(session: Session) -> ReconciliationRun | None:
            run = self._store(session, period, lines)
            now = self._clock.now()
            for one in told.values() if run is not None else ():
                note_if_new(session, one, now)
            return run

        return self._database.run(work)

    def _sent_for(self, payout_id: UUID) -> Sequence[Sent]:
        read = self._provider.sent_for(payout_id)
        if not isinstance(read, Ok):
            raise ProviderUnsure
        return read.value

    def _concerned(self, session: Session, period: Period, movements: Iterable[Movement]) -> Sequence[Payout]:
        """Return the payouts of the period, and those that a movement names."""
        sources = {one.source for one in movements}
        groups = {group for one in movements if (group := _uuid(one.group)) is not None}
        within = (Payout.submitted_at >= period.since) & (Payout.submitted_at < period.until)
        named = or_(within, Payout.transfer_id.in_(sources), Payout.id.in_(groups))
        query = select(Payout).where(Payout.provider == self._provider.name, named)
        return session.scalars(query.order_by(Payout.id)).all()

    def _store(self, session: Session, period: Period, lines: Sequence[Line]) -> ReconciliationRun | None:
        now, provider = self._clock.now(), self._provider.name
        known = select(ReconciliationRun.id).where(
            ReconciliationRun.provider == provider, ReconciliationRun.period == period.name
        )
        if session.scalar(known) is not None:
            return None
        run = ReconciliationRun(
            id=new_id(),
            provider=provider,
            period=period.name,
            since_at=period.since,
            until_at=period.until,
            finished_at=now,
            counts=counts_of(lines),
            lines=[asdict(one) for one in lines],
        )
        session.add(run)
        session.flush()
        for line in lines:
            if line.verdict != MATCHED:
                _open(session, provider, line, run.id, now)
        _hurry(session, lines, now)
        return run


def next_period(session: Session, provider: str, now: datetime) -> Period | None:
    """Return the earliest period that is due and was not compared: hours in order, then the night."""
    settled = now - SETTLES_WITHIN
    last_hour = settled.replace(minute=0, second=0, microsecond=0)
    done = select(ReconciliationRun.until_at).where(
        ReconciliationRun.provider == provider, ReconciliationRun.period.startswith("hour:")
    )
    latest = session.scalar(done.order_by(ReconciliationRun.until_at.desc()).limit(1))
    since = last_hour - HOUR if latest is None else max(latest, last_hour - HOURS_MADE_UP)
    if since < last_hour:
        return Period(f"hour:{since:%Y-%m-%dT%H}", since, since + HOUR)
    midnight = settled.replace(hour=0, minute=0, second=0, microsecond=0)
    night = Period(f"night:{midnight:%Y-%m-%d}", midnight - LOOKS_BACK, midnight)
    known = select(ReconciliationRun.id).where(
        ReconciliationRun.provider == provider, ReconciliationRun.period == night.name
    )
    return night if session.scalar(known) is None else None


def compare_books(
    period: Period,
    movements: Sequence[Movement],
    payouts: Sequence[Payout],
    sent: Mapping[UUID, Sequence[Sent]],
) -> list[Line]:
    """Return a line for every movement of the period, and for every payout that has none. Pure.

    Args:
        period: What is compared.
        movements: The provider's book from an hour before the period until now.
        payouts: Ours of the period, and those that a movement names.
        sent: What the provider says was sent for each payout.
    """
    by_id = {str(one.id): one for one in payouts}
    by_transfer = {one.transfer_id: one for one in payouts if one.transfer_id is not None}
    lines, seen = [], Counter[UUID]()
    for one in sorted(movements, key=lambda movement: (movement.created_s, movement.id)):
        if one.kind not in {TRANSFER, REVERSAL}:
            continue
        payout = by_transfer.get(one.source) or by_id.get(one.group or "")
        if one.kind == TRANSFER and payout is not None:
            seen[payout.id] += 1
        if period.since.timestamp() <= one.created_s < period.until.timestamp():
            verdict = _verdict(one, payout, sent, seen)
            lines.append(_line(verdict, one, payout))
    lines += [
        _missing(one)
        for one in payouts
        if one.submitted_at is not None
        and period.since <= one.submitted_at < period.until
        and one.transfer_id is not None
        and seen[one.id] == 0
    ]
    return lines


def counts_of(lines: Iterable[Line]) -> dict[str, int]:
    """Return how many lines have which verdict, every verdict named."""
    found = Counter(one.verdict for one in lines)
    return {name: found[name] for name in (MATCHED, *(one.value for one in DRIFTS))}


def csv_of(run: ReconciliationRun) -> str:
    """Return the lines of a comparison as CSV with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(run.lines)
    return text.getvalue()


def find_run(session: Session, run_id: UUID) -> ReconciliationRun:
    """Return a comparison.

    Raises:
        UnknownRun: There was none with this id (404).
    """
    found = session.scalars(select(ReconciliationRun).where(ReconciliationRun.id == run_id)).one_or_none()
    if found is None:
        raise UnknownRun
    return found


def list_runs(session: Session, *, after: UUID | None, limit: int) -> Sequence[ReconciliationRun]:
    """Return comparisons, the newest first, from behind the id `after`."""
    query = select(ReconciliationRun)
    if after is not None:
        query = query.where(ReconciliationRun.id < after)
    return session.scalars(query.order_by(ReconciliationRun.id.desc()).limit(limit)).all()


def _verdict(
    one: Movement, payout: Payout | None, sent: Mapping[UUID, Sequence[Sent]], seen: Mapping[UUID, int]
) -> str:
    if payout is None or PayoutState(payout.state) in (*BEFORE_SUBMISSION, PayoutState.CANCELED):
        return CaseKind.EXTRA
    transfers = {transfer.transfer: transfer for transfer in sent.get(payout.id, ())}
    mine = transfers.get(one.source)
    stands = mine is not None and mine.reversed_minor < mine.amount_minor
    if one.kind == REVERSAL:
        over = PayoutState(payout.state) in (PayoutState.FAILED, PayoutState.RETURNED)
        expected = over or payout.step == Step.TAKE_BACK
        drift = None if expected else CaseKind.LATE_REVERSAL
    elif payout.transfer_id not in {None, one.source} or seen[payout.id] > 1:
        drift = CaseKind.DUPLICATE
    elif payout.state in {PayoutState.FAILED, PayoutState.RETURNED} and stands:
        drift = CaseKind.EXTRA
    elif one.currency != payout.currency:
        drift = CaseKind.CURRENCY
    elif -one.amount_minor != payout.amount_minor:
        drift = CaseKind.AMOUNT
    elif mine is not None and mine.account != payout.account:
        drift = CaseKind.WRONG_ACCOUNT
    else:
        drift = None
    return MATCHED if drift is None else drift


def _line(verdict: str, one: Movement, payout: Payout | None) -> Line:
    sign = 1 if one.kind == REVERSAL else -1
    return Line(
        verdict=str(verdict),
        at=one.created_s,
        kind=one.kind,
        movement=one.id,
        source=one.source,
        payout_id=None if payout is None else str(payout.id),
        amount_minor=one.amount_minor,
        expected_minor=None if payout is None else sign * payout.amount_minor,
        currency=one.currency,
    )


def _missing(payout: Payout) -> Line:
    return Line(
        verdict=CaseKind.MISSING.value,
        at=None,
        kind=TRANSFER,
        movement=None,
        source=payout.transfer_id,
        payout_id=str(payout.id),
        amount_minor=None,
        expected_minor=-payout.amount_minor,
        currency=payout.currency,
    )


def _open(session: Session, provider: str, line: Line, run_id: UUID, now: datetime) -> None:
    told = asdict(line) | {"run": str(run_id)}
    payout = None
    if line.payout_id is not None:
        payout = session.scalars(select(Payout).where(Payout.id == UUID(line.payout_id))).one_or_none()
    subject = f"{provider}:{line.movement or line.source}"
    open_case(session, CaseKind(line.verdict), subject, told, now, payout=payout)


def _hurry(session: Session, lines: Iterable[Line], now: datetime) -> None:
    """Have payouts read whose transfer the provider's book shows and whose end nobody knows."""
    named = [UUID(one.payout_id) for one in lines if one.payout_id is not None and one.kind == TRANSFER]
    waiting = update(Payout).where(
        Payout.id.in_(named),
        Payout.state.in_([one.value for one in IN_CLEARING]),
        Payout.transfer_id.is_(None),
    )
    session.execute(waiting.values(next_at=now))


def _uuid(text: str | None) -> UUID | None:
    try:
        return None if text is None else UUID(text)
    except ValueError:
        return None
