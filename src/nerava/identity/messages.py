"""Messages to people: written down sealed with what they belong to, sent later by a worker."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol

from nerava.identity import message_store
from nerava.identity.contacts import Channel, Contact, ContactKind
from nerava.identity.message_store import ATTEMPTS_MAX, MessageJob, MessageKind, MessageState
from nerava.identity.suppression_store import SUPPRESSED, is_held_back, suppress
from nerava.identity.user_store import UserContact, contacts_of, owner_of
from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import new_id
from nerava.kernel.outcomes import Ok, Refused, RetryLater, Unknown
from nerava.ledger.switches import switches_on
from nerava.platform import tracing
from nerava.platform.vault import KeyDestroyed, Place, Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.kernel.outcomes import Outcome
    from nerava.platform.db import Database
    from nerava.platform.vault import Vault

log = logging.getLogger(__name__)

OWNER: Final = "messages"
"""Whose key seals what waits: nobody's own, because it is wiped within minutes anyway."""

SMS_SWITCH: Final = "sms"
BATCH: Final = 20
PROVIDER_ID_MAX: Final = 120
UNREACHABLE: Final = frozenset({"unreachable", "unsubscribed"})
"""Refusals that are about the contact: nothing arrives there, or nothing is wanted."""

BEGUN_WITHIN_S: Final = 10.0
"""A round begins no message later than this, so that each is sent within its lease."""

PAUSES: Final = (timedelta(seconds=2), timedelta(seconds=10))
NOTICE_LIFE: Final = timedelta(days=1)


SENT_TWICE_AT_MOST: Final = 2
"""A code that may have arrived is sent once more, by mail; an SMS that may have arrived is not."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message as a messenger gets it.

    Attributes:
        id: Names the message; the same at every attempt.
    """

    id: UUID
    channel: Channel
    kind: MessageKind
    to: str = field(repr=False)
    text: str = field(repr=False)


class Messenger(Protocol):
    """Something that brings text to a phone or a mailbox."""

    def bring(self, message: Outgoing) -> Outcome[str]:
        """Send, within a few seconds, and return the provider's name for it; empty where it has none.

        Whatever is raised means that it may be tried again.
        """
        ...


class MethodOff(NeravaError):
    """Nothing can be sent this way: the installation has nobody who would."""

    code = "method-off"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "This way to sign in is switched off"
    outcome = "not_executed"


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that this worker has to send now."""

    message: Outgoing
    attempt: int
    leased_until: datetime
    contact_ix: bytes = field(repr=False)
    left_by: str | None = None


class Messages:
    """Writes messages down and sends them. Safe to share between threads."""

    def __init__(self, database: Database, vault: Vault, messengers: Mapping[Channel, Messenger]) -> None:
        self._database = database
        self._vault = vault
        self._messengers = dict(messengers)

    def require(self, channel: Channel) -> None:
        """Make sure that something can be sent this way.

        Raises:
            MethodOff: Nobody would send it (503).
        """
        if channel not in self._messengers:
            raise MethodOff

    def write(
        self,
        session: Session,
        contact: Contact,
        text: str,
        *,
        now: datetime,
        expires_at: datetime,
        is_muted: bool = False,
        kind: MessageKind = MessageKind.CODE,
    ) -> None:
        """Write down what a worker is to send before `expires_at`, in the caller's transaction.

        A muted message costs and leaves the same, and is not sent.
        """
        job_id = new_id()
        body = json.dumps({"to": contact.value, "text": text}).encode()
        session.add(
            MessageJob(
                id=job_id,
                channel=contact.kind.channel.value,
                kind=kind.value,
                contact_ix=contact_index(self._vault, contact),
                state=MessageState.WAITING.value,
                is_muted=is_muted,
                sealed=self._vault.encrypt(session, OWNER, _place(job_id), body, now),
                attempts=0,
                due_at=now,
                created_at=now,
                expires_at=expires_at,
            )
        )

    def notify(self, session: Session, user_id: UUID, text: str, now: datetime) -> int:
        """Tell a user something at every verified contact; return how many those are.

        In the caller's transaction. Contacts for which there is no messenger are left out.
        """
        told = 0
        for contact in contacts_of(session, user_id):
            kind = ContactKind(contact.kind)
            if kind.channel in self._messengers:
                opened = Contact(kind, open_contact(session, self._vault, contact))
                self.write(
                    session, opened, text, now=now, expires_at=now + NOTICE_LIFE, kind=MessageKind.NOTICE
                )
                told += 1
        return told

    def deliver(self, now: datetime) -> int:
        """Send what is due and return how many messages were dealt with; at most 20.

        Nothing is sent inside a transaction. Killed after sending and before noting it, the same
        message is sent once more, at most three times in all.
        """
        begun = time.monotonic()
        letters, over = self._database.run(lambda session: self._leased(session, now))
        for letter in letters:
            if time.monotonic() - begun > BEGUN_WITHIN_S:
                break  # Its lease ends by itself.
            with tracing.resumed(letter.left_by, "message"):
                self._send(letter, now)
        return over + len(letters)

    def _leased(self, session: Session, now: datetime) -> tuple[list[Letter], int]:
        letters: list[Letter] = []
        channels = set(self._messengers)
        if SMS_SWITCH in switches_on(session):
            channels.discard(Channel.SMS)  # They wait, and most of them until they are too late.
        jobs = message_store.lease(session, now, channels=channels, limit=BATCH)
        for job in jobs:
            if job.expires_at <= now:
                message_store.end(job, MessageState.LATE, now)
            elif job.is_muted:
                message_store.end(job, MessageState.MUTED, now)
            elif is_held_back(session, job):
                job.trouble = SUPPRESSED
                message_store.end(job, MessageState.FAILED, now)
            else:
                letter = self._opened(session, job)
                if letter is None:
                    message_store.end(job, MessageState.FAILED, now)
                else:
                    letters.append(letter)
        return letters, len(jobs) - len(letters)

    def _opened(self, session: Session, job: MessageJob) -> Letter | None:
        if job.sealed is None or job.leased_until is None:
            raise AssertionError("a leased message is waiting, so it has its text")
        try:
            body = json.loads(self._vault.decrypt(session, OWNER, _place(job.id), job.sealed))
        except (Unreadable, KeyDestroyed):
            log.warning("message %s cannot be opened and is given up", job.id)
            return None
        outgoing = Outgoing(job.id, Channel(job.channel), MessageKind(job.kind), body["to"], body["text"])
        return Letter(outgoing, job.attempts, job.leased_until, job.contact_ix, job.traceparent)

    def _send(self, letter: Letter, now: datetime) -> None:
        message = letter.message
        try:
            outcome = self._messengers[message.channel].bring(message)
        except Exception as error:  # noqa: BLE001 - whatever a provider's client raises, the others are sent
            # Without its text: that may repeat whom the message was for.
            outcome = RetryLater(type(error).__name__)
        if not isinstance(outcome, Ok):
            log.warning("message %s was not sent: %s", message.id, outcome.code)
        self._database.run(lambda session: _note(session, letter, outcome, now), repeatable=True)


def contact_index(vault: Vault, contact: Contact) -> bytes:
    """Return the keyed hash under which a contact is found, 32 bytes."""
    return vault.index("contact", f"{contact.kind.value}:{contact.value}")


def identity_index(vault: Vault, name: str) -> bytes:
    """Return the keyed hash under which guesses of an account (`user:{id}`) are counted, 32 bytes."""
    return vault.index("identity", name)


def open_contact(session: Session, vault: Vault, contact: UserContact) -> str:
    """Return the phone number or the address of a verified contact.

    Raises:
        KeyDestroyed: The user was erased (410).
        Unreadable: It was damaged or moved (503).
    """
    place = Place("user_contact", "sealed", contact.id)
    return vault.decrypt(session, owner_of(contact.user_id), place, contact.sealed).decode()


def _note(session: Session, letter: Letter, outcome: Outcome[str], now: datetime) -> None:
    job = message_store.leased(session, letter.message.id, letter.leased_until)
    if job is None:
        return  # The lease was over, and another worker has it.
    if isinstance(outcome, Ok):
        job.provider_id, job.trouble = outcome.value[:PROVIDER_ID_MAX] or None, None
        message_store.end(job, MessageState.SENT, now)
        return
    job.trouble = outcome.code[:60]
    if isinstance(outcome, Refused) and outcome.code in UNREACHABLE:
        suppress(session, letter.contact_ix, outcome.code, now)
    if _is_over(letter, outcome):
        message_store.end(job, MessageState.FAILED, now)
        return
    due_at = now + PAUSES[letter.attempt - 1]
    if isinstance(outcome, RetryLater) and outcome.not_before is not None:
        due_at = max(due_at, outcome.not_before)
    job.due_at, job.leased_until = due_at, None


def _is_over(letter: Letter, outcome: Outcome[str]) -> bool:
    if isinstance(outcome, Refused) or letter.attempt >= ATTEMPTS_MAX:
        return True
    if not isinstance(outcome, Unknown):
        return False
    # It may have arrived. An SMS costs money each time, and two codes confuse more than none.
    is_code = letter.message.kind is not MessageKind.NOTICE
    return letter.message.channel is Channel.SMS or (is_code and letter.attempt >= SENT_TWICE_AT_MOST)


def _place(job_id: UUID) -> Place:
    return Place("message_job", "sealed", job_id)
