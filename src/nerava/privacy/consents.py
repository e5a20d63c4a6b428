"""Consents: what people agreed to, to which text, and what they took back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from sqlalchemy import exists, select
from sqlalchemy.orm import aliased

from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import new_id
from nerava.outbox.catalogue import ConsentEvent
from nerava.outbox.publishing import publish
from nerava.privacy.model import Consent

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.audit import AuditLog
    from nerava.identity.acting import Actor


class Purpose(StrEnum):
    """What somebody may agree to."""

    TERMS = "terms"
    PRIVACY = "privacy"
    MARKETING = "marketing"
    RESEARCH = "research"


TEXTS: Final[dict[Purpose, tuple[str, ...]]] = {
    Purpose.TERMS: ("terms-2026-11",),
    Purpose.PRIVACY: ("privacy-2026-11",),
    Purpose.MARKETING: ("marketing-2026-11",),
    Purpose.RESEARCH: ("research-2026-11",),
}
"""Every text there was, the newest last; only the newest can be agreed to, any can be taken back."""


class ConsentTextUnknown(NeravaError):
    """There is no such text for this purpose."""

    code = "consent-text-unknown"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "There is no such text"
    outcome = "not_executed"


class ConsentTextOutdated(NeravaError):
    """A newer text took its place; nobody can agree to the old one any more."""

    code = "consent-text-outdated"
    status = HTTPStatus.CONFLICT
    title = "There is a newer text; show that one"
    outcome = "not_executed"


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody says about one purpose: yes to a text, or no more."""

    purpose: Purpose
    text_id: str
    is_given: bool


@dataclass(frozen=True, slots=True)
class Stance:
    """How somebody stands to one purpose.

    Attributes:
        text_id: The text that was agreed to or taken back; None where nothing was ever said.
        current_text_id: The text that counts today.
        since: When it was said, aware UTC.
    """

    purpose: Purpose
    is_given: bool
    text_id: str | None
    current_text_id: str
    since: datetime | None


def stances_of(session: Session, user_id: UUID) -> list[Stance]:
    """Return how a user stands to every purpose, in a stable order."""
    rows = select(Consent).where(Consent.user_id == user_id).order_by(Consent.id)
    last = {row.purpose: row for row in session.scalars(rows)}
    return [_stance(purpose, last.get(purpose.value)) for purpose in Purpose]


def agreed(session: Session, user_ids: Collection[UUID], purpose: Purpose) -> set[UUID]:
    """Return those of the users who agree to a purpose now."""
    rows = select(Consent.user_id, Consent.is_given).where(
        Consent.user_id.in_(user_ids), Consent.purpose == purpose.value
    )
    last = {row.user_id: row.is_given for row in session.execute(rows.order_by(Consent.id))}
    return {user_id for user_id, is_given in last.items() if is_given}


def everybody_agreed(session: Session, purpose: Purpose) -> set[UUID]:
    """Return all users who agree to a purpose now."""
    later = aliased(Consent)
    newer = exists().where(
        later.user_id == Consent.user_id, later.purpose == Consent.purpose, later.id > Consent.id
    )
    query = select(Consent.user_id).where(Consent.purpose == purpose.value, Consent.is_given, ~newer)
    return set(session.scalars(query))


def say(
    session: Session, audit: AuditLog, actor: Actor, wishes: Sequence[Wish], now: datetime
) -> list[Stance]:
    """Write down what the actor agrees to or takes back, and return how they stand now.

    What was said before is not said again, so it repeats safely. All of it or nothing.

    Raises:
        ConsentTextUnknown: There is no such text (422).
        ConsentTextOutdated: It is not the newest (409).
    """
    known = {one.purpose: one for one in stances_of(session, actor.subject)}
    for wish in wishes:
        _check(wish)
        before = known[wish.purpose]
        same_text = not wish.is_given or before.text_id == wish.text_id
        if before.is_given == wish.is_given and same_text:
            continue
        row = Consent(
            id=new_id(),
            user_id=actor.subject,
            purpose=wish.purpose.value,
            text_id=wish.text_id,
            is_given=wish.is_given,
            at=now,
        )
        session.add(row)
        action = "consent.give" if wish.is_given else "consent.withdraw"
        audit.record(session, actor.entry(action, "consent", row.id, reason=wish.text_id), now)
        said = ConsentEvent(
            state="given" if wish.is_given else "withdrawn",
            user_id=actor.subject,
            purpose=wish.purpose.value,
        )
        publish(session, [said], now)
        known[wish.purpose] = _stance(wish.purpose, row)
    session.flush()
    return [known[purpose] for purpose in Purpose]


def _check(wish: Wish) -> None:
    texts = TEXTS[wish.purpose]
    if wish.text_id not in texts:
        raise ConsentTextUnknown
    if wish.is_given and wish.text_id != texts[-1]:
        raise ConsentTextOutdated


def _stance(purpose: Purpose, row: Consent | None) -> Stance:
    current = TEXTS[purpose][-1]
    if row is None:
        return Stance(purpose, is_given=False, text_id=None, current_text_id=current, since=None)
    return Stance(purpose, row.is_given, row.text_id, current, row.at)
