"""Four eyes: what one person asks for, another one agrees to or refuses, and nobody both."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import func, select, text, update

from nerava.audit import Result, record
from nerava.identity.access_store import Approval
from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import new_id
from nerava.ledger.switches import SelfApproval

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from nerava.identity.acting import Actor

LIFE: Final = timedelta(days=7)
"""How long a request waits for its second person."""

DAY: Final = timedelta(hours=24)


class ApprovalState(StrEnum):
    """What became of a request."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"
    EXPIRED = "expired"


class UnknownApproval(NeravaError):
    """Nobody asked for this."""

    code = "unknown-approval"
    status = HTTPStatus.NOT_FOUND
    title = "No such request for approval"


class AlreadyDecided(NeravaError):
    """Somebody has decided already, or the request waited too long."""

    code = "already-decided"
    status = HTTPStatus.CONFLICT
    title = "This request waits no longer"


class AllowanceSpent(NeravaError):
    """What the last 24 hours have seen approved leaves no room for this."""

    code = "allowance-spent"
    status = HTTPStatus.CONFLICT
    title = "The allowance of the day is spent"


@dataclass(frozen=True, slots=True)
class Kind:
    """Something that needs two people.

    Attributes:
        daily: What all approvals of the kind may weigh together within any 24 hours.
    """

    name: str
    daily: int


@dataclass(frozen=True, slots=True)
class Request:
    """A request for somebody else's agreement.

    Attributes:
        asked: What is asked for, in the words of its kind.
        maker: Who asked, and `checker` who decided.
    """

    id: UUID
    kind: str
    asked: Mapping[str, Any]
    weight: int
    maker: UUID
    asked_at: datetime
    expires_at: datetime
    state: ApprovalState
    checker: UUID | None = None
    decided_at: datetime | None = None


def ask(
    session: Session, actor: Actor, kind: Kind, asked: Mapping[str, Any], *, weight: int, now: datetime
) -> Request:
    """Ask for a second person's agreement and return the request; nothing else happens yet."""
    row = Approval(
        id=new_id(),
        kind=kind.name,
        asked=dict(asked),
        weight=weight,
        maker=actor.subject,
        asked_at=now,
        expires_at=now + LIFE,
        state=ApprovalState.WAITING.value,
    )
    session.add(row)
    session.flush()
    record(session, actor.entry("approval.asked", "approval", row.id, after=_told(row)), now)
    return _shown(row, now)


def find(session: Session, approval_id: UUID, now: datetime) -> Request:
    """Return a request.

    Raises:
        UnknownApproval: Nobody asked for this (404).
    """
    row = session.scalar(select(Approval).where(Approval.id == approval_id))
    if row is None:
        raise UnknownApproval
    return _shown(row, now)


def waiting(session: Session, now: datetime, *, after: UUID | None, limit: int) -> list[Request]:
    """Return what waits for a second person, the oldest first, from behind the id `after`."""
    found = select(Approval).where(Approval.state == ApprovalState.WAITING.value, Approval.expires_at > now)
    if after is not None:
        found = found.where(Approval.id > after)
    return [_shown(row, now) for row in session.scalars(found.order_by(Approval.id).limit(limit))]


def approve(session: Session, actor: Actor, kind: Kind, approval_id: UUID, now: datetime) -> Request:
    """Agree to a request as its second person; the caller does what was asked for in the same transaction.

    Of two who agree at once one does. What follows must take its key from the request's id.

    Raises:
        UnknownApproval: Nobody asked for this (404).
        SelfApproval: The actor asked for it (403).
        AlreadyDecided: It waits no longer (409).
        AllowanceSpent: Together with it the day would be too expensive (409).
    """
    _lock(session, kind)
    decided = _decide(session, actor, kind, approval_id, to=ApprovalState.APPROVED, now=now)
    spent = session.scalar(
        select(func.sum(Approval.weight)).where(
            Approval.kind == kind.name,
            Approval.state == ApprovalState.APPROVED.value,
            Approval.decided_at > now - DAY,
        )
    )
    if spent is not None and spent > kind.daily:
        raise AllowanceSpent(f"{kind.daily} in 24 hours, and this would make it {spent}")
    record(session, actor.entry("approval.approved", "approval", approval_id, after=decided.asked), now)
    return decided


def refuse(
    session: Session, actor: Actor, kind: Kind, approval_id: UUID, *, reason: str, now: datetime
) -> Request:
    """Refuse a request as its second person, for good.

    Raises:
        UnknownApproval: Nobody asked for this (404).
        SelfApproval: The actor asked for it (403).
        AlreadyDecided: It waits no longer (409).
    """
    decided = _decide(session, actor, kind, approval_id, to=ApprovalState.REFUSED, now=now)
    record(session, actor.entry("approval.refused", "approval", approval_id, reason=reason), now)
    return decided


def record_attempt(session: Session, actor: Actor, approval_id: UUID, now: datetime) -> None:
    """Note in the audit log that somebody tried to decide on their own request."""
    entry = actor.entry("approval.self", "approval", approval_id, result=Result.DENIED)
    record(session, entry, now)


def _decide(
    session: Session, actor: Actor, kind: Kind, approval_id: UUID, *, to: ApprovalState, now: datetime
) -> Request:
    one = (Approval.id == approval_id) & (Approval.kind == kind.name)
    decided = session.scalar(
        update(Approval)
        .where(
            one,
            Approval.state == ApprovalState.WAITING.value,
            Approval.expires_at > now,
            Approval.maker != actor.subject,
        )
        .values(state=to.value, checker=actor.subject, decided_at=now)
        .returning(Approval)
        .execution_options(populate_existing=True)
    )
    if decided is not None:
        return _shown(decided, now)
    row = session.scalar(select(Approval).where(one))
    if row is None:
        raise UnknownApproval
    if row.maker == actor.subject:
        raise SelfApproval
    raise AlreadyDecided


def _lock(session: Session, kind: Kind) -> None:
    """Let approvals of a kind wait for each other, so that their sum is what it will be."""
    if session.get_bind().dialect.name == "postgresql":
        lock = zlib.crc32(f"approve:{kind.name}".encode())
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})


def _shown(row: Approval, now: datetime) -> Request:
    state = ApprovalState(row.state)
    if state is ApprovalState.WAITING and row.expires_at <= now:
        state = ApprovalState.EXPIRED
    return Request(
        id=row.id,
        kind=row.kind,
        asked=row.asked,
        weight=row.weight,
        maker=row.maker,
        asked_at=row.asked_at,
        expires_at=row.expires_at,
        state=state,
        checker=row.checker,
        decided_at=row.decided_at,
    )


def _told(row: Approval) -> dict[str, object]:
    return {"kind": row.kind, "weight": row.weight, "asked": row.asked}
