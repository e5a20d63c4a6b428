"""How a sign-in begins: limits, one challenge, one message, whether or not anybody is known there."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal
from uuid import UUID

from nerava.identity import challenge_store
from nerava.identity.admission import SIGN_UP_SWITCH
from nerava.identity.challenge_store import FAILURES_MAX, SignInChallenge
from nerava.identity.contacts import Channel, Contact, ContactKind
from nerava.identity.message_store import MessageKind
from nerava.identity.messages import SMS_SWITCH, contact_index, identity_index
from nerava.identity.one_time import LIFE, Bound, KeptCode
from nerava.identity.outside_codes import kept_elsewhere
from nerava.identity.user_store import known_by
from nerava.kernel.ids import new_id
from nerava.ledger.switches import require_off, switches_on
from nerava.platform.limit_numbers import DAY, EMAIL_START, SMS_START, Limit, Per
from nerava.platform.limits import RateLimited
from nerava.platform.metrics.catalogue import CODES
from nerava.platform.metrics.tally import tally
from nerava.platform.vault import Place

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.identity.admission import Admission, Asker
    from nerava.identity.messages import Messages
    from nerava.identity.one_time import Pepper
    from nerava.identity.outside_codes import CodeKeeper
    from nerava.platform.db import Database
    from nerava.platform.limits import Limits
    from nerava.platform.vault import Vault

SIGN_IN: Final = "sign-in"
CONTACT: Final = "contact"
OWNER: Final = "challenges"
"""Whose key seals the contacts of open challenges: nobody's own, because nobody need be known yet."""

Kind = Literal["code", "link"]
Whose = tuple[UUID, UUID]
"""A user and one of their sessions."""


@dataclass(frozen=True, slots=True)
class SmsRules:
    """Where SMS may go and how many a day, because each costs money.

    Attributes:
        prefixes: Beginnings of allowed numbers, such as `+1`.
        per_day: How many within 24 hours at most; more are not sent, and nobody is told.
    """

    prefixes: tuple[str, ...]
    per_day: int

    @property
    def cap(self) -> Limit:
        """The limit of the day."""
        return Limit("sms-cost-everybody-1d", self.per_day, DAY, Per.EVERYBODY, neutral=True)


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that signing in by a contact needs."""

    database: Database
    vault: Vault
    limits: Limits
    pepper: Pepper
    messages: Messages
    admission: Admission
    sms: SmsRules
    keeper: CodeKeeper | None = None
    """Who makes and compares codes for phones; None where we do it."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request for a code or a link.

    Attributes:
        client_hash: Hash of the secret that the asking client or browser keeps.
        code: The six digits: sent as a code, or shown as the pair code of a link.
        token_hash: For a link.
        text: What is sent.
        whose: The user who adds the contact to their account, and the session; none for a sign-in.
        is_kept_elsewhere: Whether somebody else makes the code, and ours is not used.
    """

    kind: Kind
    contact: Contact
    client_hash: bytes
    code: str = field(repr=False)
    text: str = field(repr=False)
    token_hash: bytes | None = None
    whose: Whose | None = None
    is_kept_elsewhere: bool = False

    @property
    def purpose(self) -> str:
        """What the answer is good for."""
        return SIGN_IN if self.whose is None else CONTACT


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a message is to go, and who that is.

    Attributes:
        identity_ix: One account has one count, however many contacts; a contact without an account
            has its own.
    """

    contact: Contact
    contact_ix: bytes
    identity_ix: bytes


def ask(desk: Desk, session: Session, wanted: Ask, asker: Asker, now: datetime) -> SignInChallenge:
    """Make a challenge and its message in the caller's transaction; the open one of its kind is void.

    Who is not known, may not sign in this way, or is out of bounds gets the same rows, at the same
    cost and with the same answer; only the worker sends nothing.

    Raises:
        RateLimited: Too often for this contact, address or in all (429).
        SwitchedOff: SMS are stopped (503).
    """
    if wanted.contact.kind is ContactKind.PHONE:
        require_off(session, SMS_SWITCH)
    contact_ix = contact_index(desk.vault, wanted.contact)
    known = known_by(session, contact_ix)
    identity = f"contact:{contact_ix.hex()}" if known is None else f"user:{known.user_id}"
    if wanted.whose is not None:
        identity = f"user:{wanted.whose[0]}"
    target = _Target(wanted.contact, contact_ix, identity_index(desk.vault, identity))
    is_capped = _hit(desk, session, target, asker, now)
    may_sign_up = SIGN_UP_SWITCH not in switches_on(session)
    is_off = challenge_store.failures_of(session, target.identity_ix) >= FAILURES_MAX
    is_out_of_reach = wanted.whose is None and (not may_sign_up if known is None else known.is_ops)
    challenge_store.void_open(
        session, contact_ix=contact_ix, kind=wanted.kind, purpose=wanted.purpose, now=now
    )
    is_muted = is_capped or is_off or is_out_of_reach
    elsewhere = kept_elsewhere(is_muted=is_muted) if wanted.is_kept_elsewhere else None
    challenge = _challenge(desk, session, wanted, target, now, elsewhere=elsewhere)
    session.add(challenge)
    tally(session, CODES, "asked")
    desk.messages.write(
        session,
        wanted.contact,
        wanted.text,
        now=now,
        expires_at=challenge.expires_at,
        is_muted=is_muted,
        kind=MessageKind.CODE if elsewhere is None else MessageKind.VERIFY,
    )
    return challenge


def is_capped(desk: Desk, session: Session, contact: Contact, now: datetime) -> bool:
    """Count an SMS; True when it is one that is not sent and nobody is told so.

    Whoever comes here has counted it in a row that counts everybody's, so nobody waits in a circle.
    """
    if not contact.is_within(desk.sms.prefixes):
        return True
    # Counted apart, because who runs into these must not see it.
    quiet = [(one, contact.number_prefix) for one in SMS_START.limits if one.neutral]
    try:
        desk.limits.hit(session, [*quiet, (desk.sms.cap, Per.EVERYBODY.value)], now)
    except RateLimited:
        return True
    return False


def bound_to(challenge: SignInChallenge) -> Bound:
    """Return what the code of a challenge is bound to."""
    return Bound(challenge.id, challenge.purpose, challenge.contact_ix, challenge.client_hash)


def kept_code(challenge: SignInChallenge) -> KeptCode:
    """Return what is kept of the code of a challenge."""
    return KeptCode(challenge.pepper_id, challenge.code_mac)


def sent_to(desk: Desk, session: Session, challenge: SignInChallenge) -> Contact:
    """Return the contact of a challenge that is still open."""
    if challenge.contact_sealed is None:
        raise AssertionError("an open challenge has its contact")
    value = desk.vault.decrypt(session, OWNER, _place(challenge.id), challenge.contact_sealed)
    return Contact(
        ContactKind.PHONE if challenge.channel == Channel.SMS else ContactKind.EMAIL, value.decode()
    )


def _hit(desk: Desk, session: Session, target: _Target, asker: Asker, now: datetime) -> bool:
    """Count the request; True when it ran into a limit of which nobody is told."""
    contact = target.contact
    keys = {"target": target.contact_ix.hex(), "identity": target.identity_ix.hex()}
    if contact.kind is ContactKind.EMAIL:
        desk.limits.hit(session, EMAIL_START.keyed(**keys, client=asker.place), now)
        return False
    keyed = SMS_START.keyed(**keys, client=asker.place, prefix=contact.number_prefix)
    desk.limits.hit(session, [one for one in keyed if not one[0].neutral], now)
    return is_capped(desk, session, contact, now)


def _challenge(
    desk: Desk,
    session: Session,
    wanted: Ask,
    target: _Target,
    now: datetime,
    *,
    elsewhere: KeptCode | None,
) -> SignInChallenge:
    challenge_id = new_id()
    bound = Bound(challenge_id, wanted.purpose, target.contact_ix, wanted.client_hash)
    kept = elsewhere or desk.pepper.keep(bound, wanted.code)
    plain = wanted.contact.value.encode()
    return SignInChallenge(
        id=challenge_id,
        kind=wanted.kind,
        purpose=wanted.purpose,
        channel=wanted.contact.kind.channel.value,
        contact_ix=target.contact_ix,
        identity_ix=target.identity_ix,
        contact_sealed=desk.vault.encrypt(session, OWNER, _place(challenge_id), plain, now),
        client_hash=wanted.client_hash,
        pepper_id=kept.pepper_id,
        code_mac=kept.mac,
        token_hash=wanted.token_hash,
        attempts=0,
        created_at=now,
        expires_at=now + LIFE,
        user_id=wanted.whose and wanted.whose[0],
        session_id=wanted.whose and wanted.whose[1],
    )


def _place(challenge_id: UUID) -> Place:
    return Place("sign_in_challenge", "contact_sealed", challenge_id)
