"""What may be done with charging sessions: start, close, attest, claim, judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson
from sqlalchemy import literal_column, select, update

from nerava.charging import telling
from nerava.charging.doubles import doubles_of
from nerava.charging.errors import DriverAlreadyCharging, SessionInvalid, UnknownSession, WrongSessionState
from nerava.charging.evidence import EvidenceLevel, body_sha256
from nerava.charging.evidenced import evidenced_query, session_of
from nerava.charging.ingest import NEW_EVIDENCE, check_names
from nerava.charging.model import ChargingSession
from nerava.charging.neighbours import contexts_of
from nerava.charging.prices import keep_prices, prices_of
from nerava.charging.states import SessionEvent, SessionState, transition
from nerava.charging.telling import Found
from nerava.charging.verification import NOTHING_AROUND, SCORE_OF_LEVEL, Verification, verify
from nerava.drivers import service as drivers
from nerava.drivers.nobody import NOBODY
from nerava.kernel.ids import new_id
from nerava.platform.db.bulk import BulkInsert, BulkUpdate

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row, Select
    from sqlalchemy.orm import Session

    from nerava.charging.evidence import EvidencedSession, NewEvidence, SessionPrice

_T: Final[Any] = ChargingSession.__table__
_S: Final[Any] = _T.c

_OPEN: Final = BulkInsert(
    _T,
    (
        "id",
        "source",
        "reference",
        "driver_id",
        "location_id",
        "connector_id",
        "started_at",
        "energy_wh",
        "evidence_level",
        "state",
        "findings",
        "evaluations",
        "created_at",
    ),
    if_new=True,
)
_JUDGE: Final = BulkUpdate(
    _T, match=("id", "state"), assign=("state", "score", "findings"), add=("evaluations",)
)
_ATTEST: Final = BulkUpdate(
    _T,
    match=("id", "state"),
    assign=("state", "evidence_level", "started_at", "ended_at", "energy_wh", "connector_id"),
)

_AGAIN: Final = BulkUpdate(_T, match=("id", "state"), assign=("state",))


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStart:
    """A session that begins now: who, where, and by which source."""

    source: str
    reference: str
    driver_id: UUID
    location_id: UUID
    connector_id: UUID | None
    started_at: datetime
    evidence_level: int = EvidenceLevel.PRESENCE


@dataclass(frozen=True, slots=True)
class JudgedSession:
    """A session, the state it is in, and what was found."""

    session: EvidencedSession
    verification: Verification


def start(session: Session, new: SessionStart, now: datetime) -> UUID:
    """Open a session and return its id; the same source and reference give the same id again.

    Raises:
        DriverAlreadyCharging: The driver has an open session (409).
        SessionInvalid: A name is empty or too long (422).
    """
    check_names(new.source, new.reference)
    session_id = new_id()
    row = (
        session_id,
        new.source,
        new.reference,
        new.driver_id,
        new.location_id,
        new.connector_id,
        new.started_at,
        0,
        int(new.evidence_level),
        SessionState.OPEN.value,
        "[]",
        0,
        now,
    )
    if _OPEN.run(session, [row]):
        return session_id
    known = select(_S.id).where(_S.source == new.source, _S.reference == new.reference)
    existing: UUID | None = session.scalar(known)
    if existing is None:
        raise DriverAlreadyCharging(driver=new.driver_id)
    return existing


def close(session: Session, session_id: UUID, *, ended_at: datetime, energy_wh: int) -> None:
    """Close an open session; being closed is what queues its one evaluation.

    Args:
        session: The caller's unit of work.
        session_id: Which one.
        ended_at: The instant of its last evidence plus grace, never simply now.
        energy_wh: What was delivered, in watt-hours.

    Raises:
        UnknownSession: No session has this id (404).
        WrongSessionState: It is closed already (409).
        SessionInvalid: It would end before it started, or its energy is negative (422).
    """
    state, started_at, _ = _locked(session, session_id)
    following = transition(state, SessionEvent.CLOSE)
    if ended_at < started_at or energy_wh < 0:
        raise SessionInvalid("a session ends after it starts and delivers no negative energy")
    values = {"state": following.value, "ended_at": ended_at, "energy_wh": energy_wh}
    session.execute(update(_T).where(_S.id == session_id).values(**values))


def resolve_review(session: Session, session_id: UUID, *, accepted: bool, now: datetime) -> None:
    """Record a person's decision about a session under review.

    Who accepts overrules the findings, so the score becomes what the evidence alone is worth; a
    rejected session scores 0. The findings stay as they were made.

    Raises:
        UnknownSession: No session has this id (404).
        WrongSessionState: It is not under review (409).
    """
    state, _, level = _locked(session, session_id)
    if state is not SessionState.REVIEW:
        raise WrongSessionState(f"the session is {state}, not under review", state=state)
    following = transition(state, SessionEvent.VERIFY if accepted else SessionEvent.REJECT)
    score = SCORE_OF_LEVEL[level] if accepted else 0
    change = update(_T).where(_S.id == session_id).values(state=following.value, score=score)
    row = session.execute(change.returning(_S.reference, _S.driver_id, _S.source)).one()
    telling.tell(session, [Found(session_id, row.reference, row.driver_id, row.source, following)], now)


def attest(session: Session, evidence: Sequence[NewEvidence], now: datetime) -> int:
    """Store further evidence and return how many sessions it made better proven.

    A piece of a higher level than the session had replaces what was measured so far, and a
    session that was decided is decided once more with it. A piece of the same or a lower level
    is only kept, unless it is a credit, which lowers what a detail record measured or what it cost. The
    same piece again changes nothing.

    Raises:
        UnknownSession: A piece is about a session that nobody knows (404).
        SessionInvalid: With a piece the session would end before it starts (422).
    """
    ids = {one.session_id for one in evidence}
    names = ("id", "state", "evidence_level", "started_at", "ended_at", "energy_wh", "connector_id")
    query: Select[Any] = select(*(_S[name] for name in names))
    rows = session.execute(query.where(_S.id.in_(ids)).order_by(_S.id).with_for_update(key_share=True))
    stored = {row.id: row for row in rows}
    if missing := ids - stored.keys():
        raise UnknownSession(f"no charging session {min(missing)}")
    for one in evidence:
        check_names(one.source, one.reference)
    NEW_EVIDENCE.run(
        session,
        [
            (
                new_id(),
                one.session_id,
                int(one.level),
                one.source,
                one.reference,
                one.at,
                now,
                orjson.dumps(one.body).decode(),
                body_sha256(one.body),
            )
            for one in evidence
        ],
    )
    best: dict[UUID, NewEvidence] = {}
    prices: dict[UUID, SessionPrice | None] = {**dict.fromkeys(ids), **prices_of(session, ids)}
    before = dict(prices)
    for one in evidence:
        key = one.session_id
        standing, row = best.get(key), stored[key]
        level = row.evidence_level if standing is None else standing.level
        measured = None if standing is None else standing.energy_wh
        if one.replaces(level, row.energy_wh if measured is None else measured, prices[key]):
            best[key], prices[key] = one, one.price_after(level, prices[key])
    keep_prices(session, {key: price for key, price in prices.items() if price != before[key]})
    return _ATTEST.run(session, [_better(stored[key], one) for key, one in best.items()])


def claim_closed(session: Session, limit: int, *, without: Collection[UUID] = ()) -> list[EvidencedSession]:
    """Return up to `limit` sessions that wait for evaluation, the earliest first, and lock them.

    On PostgreSQL sessions that another worker has, or whose driver another worker is busy with,
    are left to the next call, so workers never wait for each other here. On SQLite there is one
    writer anyway. Sessions of the drivers in `without` stay where they are.
    """
    query = evidenced_query().where(literal_column("charging_session.state = 'closed'"))
    if without:
        query = query.where(_S.driver_id.not_in(list(without)))
    claim = drivers.taking_turns(query, _S.driver_id, _T).order_by(_S.started_at, _S.id).limit(limit)
    claimed = [session_of(row) for row in session.execute(claim)]
    # Under a lock that was waited for PostgreSQL shows the newest session beside what was joined to it
    # before: a record that came meanwhile would be judged without its price.
    prices = prices_of(session, [one.id for one in claimed])
    return [one.costing(prices.get(one.id)) for one in claimed]


def lock_decided(session: Session, ids: Sequence[UUID]) -> dict[UUID, EvidencedSession]:
    """Return those sessions that were decided, not rejected, and name a driver; locked until the commit."""
    states = (SessionState.VERIFIED.value, SessionState.REVIEW.value)
    query = evidenced_query().where(_S.id.in_(ids), _S.state.in_(states), _S.driver_id != NOBODY)
    locked = query.order_by(_S.id).with_for_update(key_share=True, of=_T)
    return {row.id: session_of(row) for row in session.execute(locked)}


def decide_again(session: Session, ids: Sequence[UUID]) -> None:
    """Have sessions that `lock_decided` returned decided once more: more about them is known now."""
    rows = session.execute(select(_S.id, _S.state).where(_S.id.in_(ids))).all()
    moves = [
        (row.id, row.state, transition(SessionState(row.state), SessionEvent.ATTEST).value) for row in rows
    ]
    _AGAIN.run(session, moves)


def evidenced(session: Session, ids: Sequence[UUID]) -> dict[UUID, tuple[EvidencedSession, SessionState]]:
    """Return sessions that are over, each with its state; those still open are left out."""
    query = evidenced_query().where(_S.id.in_(ids), _S.ended_at.is_not(None))
    return {row.id: (session_of(row), SessionState(row.state)) for row in session.execute(query)}


def judge(session: Session, claimed: Sequence[EvidencedSession]) -> list[JudgedSession]:
    """Verify claimed sessions, each among those around it, and return them in the same order.

    One that may be the charge of another driver's session which another worker is busy with is left
    out: it waits in the queue until that one is decided.
    """
    doubles = doubles_of(session, claimed)
    contexts = contexts_of(session, claimed, doubles.earlier)
    judged = []
    for one in claimed:
        if one.id in doubles.waiting:
            continue
        verification = verify(one, contexts.get(one.id, NOTHING_AROUND))
        doubtful = verification.event is SessionEvent.DOUBT
        judged.append(
            JudgedSession(one.judged(score=verification.score, under_review=doubtful), verification)
        )
    return judged


def record(session: Session, judged: Sequence[JudgedSession], now: datetime) -> None:
    """Write and tell what was found about claimed sessions; they leave the queue with it."""
    following = [transition(SessionState.CLOSED, one.verification.event) for one in judged]
    rows = [
        (
            one.session.id,
            SessionState.CLOSED.value,
            state.value,
            one.verification.score,
            _findings_json(one.verification),
            1,
        )
        for one, state in zip(judged, following, strict=True)
    ]
    if _JUDGE.run(session, rows) != len(rows):
        message = "a claimed session was changed by somebody else"
        raise AssertionError(message)
    sessions = zip((one.session for one in judged), following, strict=True)
    telling.tell(
        session, (Found(it.id, it.reference, it.driver_id, it.source, state) for it, state in sessions), now
    )


def _findings_json(verification: Verification) -> str:
    if not verification.findings:
        return "[]"
    taken = dict(verification.parts[1:])
    return orjson.dumps([[one.code, taken[one.code], one.facts] for one in verification.findings]).decode()


def _locked(session: Session, session_id: UUID) -> tuple[SessionState, datetime, EvidenceLevel]:
    query = select(_S.state, _S.started_at, _S.evidence_level).where(_S.id == session_id)
    row = session.execute(query.with_for_update(key_share=True)).one_or_none()
    if row is None:
        raise UnknownSession(f"no charging session {session_id}")
    return SessionState(row.state), row.started_at, EvidenceLevel(row.evidence_level)


def _better(row: Row[Any], one: NewEvidence) -> tuple[Any, ...]:
    following = transition(SessionState(row.state), SessionEvent.ATTEST)
    started_at = one.started_at or row.started_at
    ended_at = row.ended_at and (one.ended_at or row.ended_at)
    energy_wh = row.energy_wh if one.energy_wh is None else one.energy_wh
    if energy_wh < 0 or (ended_at is not None and ended_at < started_at):
        raise SessionInvalid("a session ends after it starts and delivers no negative energy")
    connector_id = row.connector_id or one.connector_id
    return (row.id, row.state, following.value, int(one.level), started_at, ended_at, energy_wh, connector_id)
