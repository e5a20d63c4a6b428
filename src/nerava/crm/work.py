"""Brings people and happenings to customer records elsewhere: in batches, each row with its own end."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update

from nerava.crm import happenings
from nerava.crm.halving import halved
from nerava.crm.leaving import person_properties
from nerava.crm.ports import GONE, Person
from nerava.crm.reading import consenting, dismiss, leave, read_on
from nerava.crm.waiting import after
from nerava.identity.contacts import ContactKind
from nerava.identity.messages import open_contact
from nerava.identity.user_store import AppUser, contacts_of
from nerava.kernel.outcomes import Misconfigured, Ok, Refused
from nerava.outbox.crm_store import CrmContact, CrmContactState
from nerava.platform.outbound import caller_deadline
from nerava.platform.vault import KeyDestroyed, Place, Unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.crm.ports import Crm
    from nerava.kernel.outcomes import Outcome
    from nerava.platform.db import Database
    from nerava.platform.vault import Vault

log = logging.getLogger(__name__)

OWNER: Final = "crm"
"""Whose key seals the address of somebody on the way: not their own, which an erasure destroys."""

LEASE: Final = timedelta(minutes=3)
CALLS_WITHIN_S: Final = 120.0
"""All calls of one round; shorter than the lease, so that two workers never send the same rows."""


ATTEMPTS_COUNTED: Final = 1_000


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody whom this worker writes or removes now."""

    user_id: UUID
    fence: int
    remote_id: str | None
    for_good: bool
    email: str | None = field(repr=False)
    person: Person | None = field(repr=False, default=None)


class CrmWork:
    """Everything that happens between the outbox and the records. Safe to share, and to kill anywhere.

    Args:
        allowed: The fields that may leave, of those there are.
    """

    def __init__(self, database: Database, vault: Vault, crm: Crm, allowed: frozenset[str]) -> None:
        self._database = database
        self._vault = vault
        self._crm = crm
        self._allowed = allowed

    def read(self, now: datetime) -> int:
        """Queue what follows from the next events and return how many were looked at; asks nobody outside."""
        return self._database.run(lambda session: read_on(session, self._allowed, now))

    def send(self, now: datetime) -> int:
        """Remove who is to leave, write who is to be there, tell what happened; return how many rows ended.

        Consents are looked at in the transaction that takes the rows, right before they are sent.
        """
        with caller_deadline(CALLS_WITHIN_S):
            return (
                self._remove(now) + self._write(now) + happenings.send(self._database, self._crm, now, LEASE)
            )

    def keep_house(self, now: datetime) -> int:
        """Forget what could not be told a month ago, let those go who do not agree; return how many."""
        done = self._database.run(lambda session: happenings.forget_old(session, now))
        last: UUID | None = None
        while True:
            last, gone = self._database.run(lambda session, last=last: dismiss(session, last, now))  # type: ignore[misc]
            done += gone
            if last is None:
                return done

    def _remove(self, now: datetime) -> int:
        done = 0
        for claim in self._database.run(lambda session: self._leaving(session, now)):
            outcome = self._crm.forget(claim.remote_id, claim.email, for_good=claim.for_good)
            done += self._database.run(
                lambda session, claim=claim, outcome=outcome: _note_gone(session, claim, outcome, now),  # type: ignore[misc]
                repeatable=True,
            )
            if not isinstance(outcome, Ok | Refused):
                break  # The others keep their lease, and come when it is over.
        return done

    def _write(self, now: datetime) -> int:
        claims = self._database.run(lambda session: self._wanted(session, now))
        done = 0
        # Those that are known by name are written by name, so that a new address makes nobody new.
        for known in (True, False):
            mine = [one for one in claims if (one.remote_id is not None) is known]
            by_trace = {one.user_id: one for one in mine}
            people = [one.person for one in mine if one.person is not None]
            for part in halved(people, self._crm.keep):
                taken = [by_trace[one.trace] for one in part.rows]
                done += self._database.run(
                    lambda session, taken=taken, outcome=part.outcome: sum(  # type: ignore[misc]
                        _note(session, one, _of(outcome, one), now) for one in taken
                    ),
                    repeatable=True,
                )
        return done

    def _leaving(self, session: Session, now: datetime) -> list[Claim]:
        claims = []
        for row in _due(session, CrmContactState.LEAVING, now, self._crm.people_max):
            email = None
            if row.remote_id is None and row.sealed is not None:
                email = self._vault.decrypt(session, OWNER, _place(row.user_id), row.sealed).decode()
            _lease(row, now)
            claims.append(Claim(row.user_id, row.fence, row.remote_id, row.for_good, email))
        return claims

    def _wanted(self, session: Session, now: datetime) -> list[Claim]:
        rows = _due(session, CrmContactState.WANTED, now, self._crm.people_max)
        staying = consenting(session, [row.user_id for row in rows])
        claims = []
        for row in rows:
            email = self._address(session, row.user_id) if row.user_id in staying else None
            if email is None:
                # Consent was taken back since, or there is no address any more.
                leave(session, row.user_id, now)
                continue
            if row.remote_id is None:
                place = _place(row.user_id)
                row.sealed = self._vault.encrypt(session, OWNER, place, email.encode(), now)
            _lease(row, now)
            person = Person(row.user_id, row.remote_id, email, self._properties(session, row.user_id))
            claims.append(Claim(row.user_id, row.fence, row.remote_id, row.for_good, email, person))
        return claims

    def _properties(self, session: Session, user_id: UUID) -> dict[str, str | int]:
        account = session.get_one(AppUser, user_id)
        return dict(person_properties(user_id, account.created_at, self._allowed))

    def _address(self, session: Session, user_id: UUID) -> str | None:
        """Return the address that a user proved to have last; None without any that can be read."""
        mails = [one for one in contacts_of(session, user_id) if one.kind == ContactKind.EMAIL.value]
        try:
            return open_contact(session, self._vault, mails[-1]) if mails else None
        except (KeyDestroyed, Unreadable):
            log.warning("the address of user %s cannot be read", user_id)
            return None


def retry(session: Session, now: datetime) -> int:
    """Give everybody who is parked another chance, and what could not be told; return how many rows.

    For after a person has put right what the other side did not take.
    """
    parked = update(CrmContact).where(CrmContact.state == CrmContactState.PARKED.value)
    again = {"state": CrmContactState.WANTED.value, "next_at": now, "attempts": 0, "trouble": None}
    woken = session.execute(parked.values(**again).returning(CrmContact.user_id)).all()
    return len(woken) + happenings.retry(session, now)


def counts(session: Session) -> dict[str, int]:
    """Return how many people stand how in the records."""
    query = select(CrmContact.state, func.count()).group_by(CrmContact.state)
    return {state: many for state, many in session.execute(query)}  # noqa: C416 - typed when unpacked


def _due(session: Session, state: CrmContactState, now: datetime, limit: int) -> Sequence[CrmContact]:
    free = or_(CrmContact.leased_until.is_(None), CrmContact.leased_until <= now)
    query = select(CrmContact).where(CrmContact.state == state.value, CrmContact.next_at <= now, free)
    return session.scalars(
        query.order_by(CrmContact.next_at, CrmContact.user_id).limit(limit).with_for_update(skip_locked=True)
    ).all()


def _lease(row: CrmContact, now: datetime) -> None:
    row.fence += 1
    row.leased_until = now + LEASE
    row.attempts = min(row.attempts + 1, ATTEMPTS_COUNTED)


def _of(outcome: Outcome[object], claim: Claim) -> Outcome[str]:
    """Return what a call came to for one person."""
    if not isinstance(outcome, Ok):
        return outcome
    told = outcome.value.get(claim.user_id) if isinstance(outcome.value, dict) else None
    return told if isinstance(told, Ok | Refused) else Misconfigured("not-in-the-answer")


def _mine(session: Session, claim: Claim) -> CrmContact | None:
    query = select(CrmContact).where(CrmContact.user_id == claim.user_id, CrmContact.fence == claim.fence)
    return session.scalars(query.with_for_update()).one_or_none()


def _note(session: Session, claim: Claim, outcome: Outcome[str], now: datetime) -> int:
    """Write down what became of somebody, unless they changed their mind meanwhile."""
    row = _mine(session, claim)
    if row is None:
        return 0
    row.leased_until = None
    if isinstance(outcome, Ok):
        row.remote_id, row.sealed, row.trouble = outcome.value[:40], None, None
        row.state, row.next_at, row.attempts = CrmContactState.KEPT.value, None, 0
        return 1
    row.trouble = outcome.code[:60]
    if isinstance(outcome, Refused) and outcome.code == GONE:
        # Somebody removed them there: written anew by address, once the row comes up again.
        row.remote_id, row.next_at = None, now
        return 1
    if isinstance(outcome, Refused):
        row.state, row.next_at = CrmContactState.PARKED.value, None
        return 1
    row.next_at = after(outcome, row.attempts, now)
    return 0


def _note_gone(session: Session, claim: Claim, outcome: Outcome[None], now: datetime) -> int:
    row = _mine(session, claim)
    if row is None:
        return 0
    if isinstance(outcome, Ok):
        session.execute(delete(CrmContact).where(CrmContact.user_id == claim.user_id))
        return 1
    row.leased_until, row.trouble = None, outcome.code[:60]
    row.next_at = after(outcome, row.attempts, now)
    return 0


def _place(user_id: UUID) -> Place:
    return Place("crm_contact", "sealed", user_id)
