"""Stored answers: one row per (principal, key), written in the same commit as what it answers for."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import CheckConstraint, LargeBinary, SmallInteger, String, delete, exc, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from nerava.kernel.errors import NeravaError
from nerava.platform.db import Base, UtcDateTime
from nerava.platform.db.bulk import BulkInsert
from nerava.platform.db.errors import sqlstate_of
from nerava.platform.idempotency import (
    Answer,
    IdempotencyKeyCancelled,
    IdempotencyKeyUnknown,
    KeyedRequest,
    KeyReusedWithOtherBody,
    Replay,
    RequestInFlight,
    is_stored,
)
from nerava.platform.problem import NOWHERE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.orm import Session

    from nerava.platform.db import Database

LOCK_NOT_AVAILABLE: Final = "55P03"


class KeyState(StrEnum):
    """What became of a key. `claimed` is never seen outside the transaction that claims it."""

    CLAIMED = "claimed"
    ANSWERED = "answered"
    CANCELLED = "cancelled"


class StoredAnswer(Base):
    """A key that was used or burned, and the answer it will always get.

    There is no row for a request that has only begun, so nothing has to time out: the row becomes
    visible together with the effects it answers for, or not at all.
    """

    __tablename__ = "idempotency_key"
    __table_args__ = (
        CheckConstraint("state IN ('claimed', 'answered', 'cancelled')", name="state_known"),
        CheckConstraint(
            "(state = 'answered') = (status IS NOT NULL AND body IS NOT NULL AND content_type IS NOT NULL)",
            name="answer_whole",
        ),
        CheckConstraint("(state = 'cancelled') = (fingerprint IS NULL)", name="fingerprint_present"),
    )

    principal: Mapped[str] = mapped_column(String(80), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    state: Mapped[str] = mapped_column(String(16))
    fingerprint: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    status: Mapped[int | None] = mapped_column(SmallInteger)
    content_type: Mapped[str | None] = mapped_column(String(80))
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    stored_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


_STORE: Final = BulkInsert(
    StoredAnswer.__table__,  # type: ignore[arg-type]
    ("principal", "key", "state", "fingerprint", "status", "content_type", "body", "stored_at"),
    if_new=True,
)


@dataclass(frozen=True, slots=True)
class Given:
    """An answer, and whether it was given before."""

    answer: Answer
    replay: Replay = Replay.FIRST


def once(
    database: Database, request: KeyedRequest, work: Callable[[Session], Answer], *, now: datetime
) -> Given:
    """Run `work` at most once for this key and return its answer, or the one it gave before.

    Work, key and answer are one transaction. A refusal for good (409, 410, …) undoes the work and
    is stored as the answer; any other error undoes everything and leaves the key free. A second
    request with the key waits for the first, at most `lock_timeout` (2 s). Without a key the work
    simply runs.

    Raises:
        KeyReusedWithOtherBody: The key belongs to another request (409, final).
        IdempotencyKeyCancelled: The key was burned (409, final).
        RequestInFlight: The first request still runs (409 with `Retry-After`).
        NeravaError: What `work` raised and is not for good.
    """
    if request.key is None:
        return Given(database.run(work))

    def unit(session: Session) -> Given:
        known = _claim(session, request, now)
        if known is not None:
            return Given(known, Replay.STORED)
        answer = _attempt(session, request, work)
        session.execute(
            update(StoredAnswer)
            .where(StoredAnswer.principal == request.principal, StoredAnswer.key == request.key)
            .values(_answered(answer))
        )
        return Given(answer)

    return database.run(unit, repeatable=True)


def find(session: Session, request: KeyedRequest) -> Answer | None:
    """Return the answer stored for this very request, or None when the key is free.

    Raises:
        KeyReusedWithOtherBody: The key belongs to another request (409, final).
        IdempotencyKeyCancelled: The key was burned (409, final).
    """
    row = None if request.key is None else _row_of(session, request.principal, request.key)
    return None if row is None else _judge(row, request)


def store_many(
    session: Session, answers: Sequence[tuple[KeyedRequest, Answer]], *, now: datetime
) -> set[tuple[str, str]]:
    """Store answers by insert-if-absent and return which (principal, key) were free.

    For answers that commit together with a batch of postings. Where a row stands already it wins;
    the caller asks `find` what it says. Of two answers under one key the first counts.
    """
    rows: dict[tuple[str, str], tuple[object, ...]] = {}
    for request, answer in answers:
        if request.key is None:
            raise AssertionError("an answer without a key has nothing to be stored under")
        told = (KeyState.ANSWERED.value, request.fingerprint, answer.status, answer.content_type, answer.body)
        rows.setdefault((request.principal, request.key), (request.principal, request.key, *told, now))
    return {(principal, key) for principal, key in _STORE.run_telling(session, list(rows.values()))}


def look_up(session: Session, principal: str, key: str) -> Answer | None:
    """Return the answer stored under a key of this principal, or None for a burned key.

    Raises:
        IdempotencyKeyUnknown: Nothing is stored; the request may still be on its way (404).
    """
    row = _row_of(session, principal, key)
    if row is None:
        raise IdempotencyKeyUnknown
    return _answer_in(row)


def cancel(database: Database, principal: str, key: str, *, now: datetime) -> Answer | None:
    """Make a key definite: burn it, or return the answer of the request that used it.

    After None no request with this key can ever be carried out. Repeats safely.

    Raises:
        RequestInFlight: The request with this key runs right now (409 with `Retry-After`).
    """
    burned = KeyedRequest(principal, key, b"", NOWHERE)

    def unit(session: Session) -> Answer | None:
        row = _row(burned, now) | {"state": KeyState.CANCELLED, "fingerprint": None}
        if _insert_waiting(session, row):
            return None
        return look_up(session, principal, key)

    return database.run(unit, repeatable=True)


def forget(session: Session, *, before: datetime) -> int:
    """Delete answers stored before an instant and return how many; the ledger still knows the keys."""
    gone = session.execute(delete(StoredAnswer).where(StoredAnswer.stored_at < before))
    return int(gone.rowcount)  # type: ignore[attr-defined]  # a DELETE has a row count


def _claim(session: Session, request: KeyedRequest, now: datetime) -> Answer | None:
    """Take the key for this transaction, or return the answer of whoever had it."""
    if _insert_waiting(session, _row(request, now)):
        return None
    return find(session, request)


def _attempt(session: Session, request: KeyedRequest, work: Callable[[Session], Answer]) -> Answer:
    try:
        with session.begin_nested():
            return work(session)
    except NeravaError as refusal:
        if not is_stored(refusal):
            raise
        return Answer.refusal(refusal, request.reference)


def _insert_waiting(session: Session, row: dict[str, Any]) -> bool:
    """Insert unless the key exists, waiting for an open transaction that may yet take or free it."""
    try:
        return bool(_insert_if_absent(session, [row]))
    except exc.OperationalError as error:
        if sqlstate_of(error) == LOCK_NOT_AVAILABLE:
            raise RequestInFlight from error
        raise


def _insert_if_absent(session: Session, rows: Sequence[dict[str, Any]]) -> set[tuple[str, str]]:
    if not rows:
        return set()
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = (
        dialect.insert(StoredAnswer)
        .on_conflict_do_nothing()
        .returning(StoredAnswer.principal, StoredAnswer.key)
    )
    return {(one.principal, one.key) for one in session.execute(statement, list(rows))}


def _row_of(session: Session, principal: str, key: str) -> StoredAnswer | None:
    statement = select(StoredAnswer).where(StoredAnswer.principal == principal, StoredAnswer.key == key)
    return session.scalar(statement.execution_options(populate_existing=True))


def _row(request: KeyedRequest, now: datetime) -> dict[str, Any]:
    return {
        "principal": request.principal,
        "key": request.key,
        "state": KeyState.CLAIMED,
        "fingerprint": request.fingerprint,
        "status": None,
        "content_type": None,
        "body": None,
        "stored_at": now,
    }


def _answered(answer: Answer) -> dict[str, Any]:
    return {
        "state": KeyState.ANSWERED,
        "status": answer.status,
        "content_type": answer.content_type,
        "body": answer.body,
    }


def _judge(row: StoredAnswer, request: KeyedRequest) -> Answer:
    answer = _answer_in(row)
    if answer is None:
        raise IdempotencyKeyCancelled
    if not hmac.compare_digest(row.fingerprint or b"", request.fingerprint):
        raise KeyReusedWithOtherBody
    return answer


def _answer_in(row: StoredAnswer) -> Answer | None:
    match row.state:
        case KeyState.CANCELLED:
            return None
        case KeyState.ANSWERED if row.status is not None and row.body is not None:
            return Answer(row.status, row.body, row.content_type or "")
        case unexpected:
            raise AssertionError(f"a committed key cannot be {unexpected}")
