"""Where people are paid: accounts at the provider, opened, looked at, removed. Bank data never gets here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy import select, update

from nerava.kernel.outcomes import Misconfigured, Ok, Refused
from nerava.payouts.errors import (
    MethodInUse,
    MethodNotReady,
    PayoutsOff,
    ProviderUnsure,
    UnknownPayoutMethod,
)
from nerava.payouts.model import Payout, PayoutMethod
from nerava.payouts.rules import METHOD_READ_EVERY, METHOD_READ_GAPS, METHOD_READY_READ_EVERY
from nerava.payouts.states import OPEN, MethodState, OwnerKind, PayoutState, Step

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.kernel.clock import Clock
    from nerava.kernel.outcomes import Outcome
    from nerava.payouts.ports import PayoutProvider, Recipient
    from nerava.platform.db import Database

AT_ONCE: Final = 20
_LEASE: Final = timedelta(minutes=1)
_GIVEN_UP_AFTER: Final = timedelta(days=30)
"""Somebody who has not told the provider who they are by then asks for a new link when they want one."""

_Value = TypeVar("_Value")
_UNFINISHED: Final = [MethodState.ONBOARDING.value, MethodState.BLOCKED.value]


@dataclass(frozen=True, slots=True)
class MethodLink:
    """A method, and the provider's page where its owner says who they are; good for a few minutes."""

    method: PayoutMethod
    url: str


class Methods:
    """Opens and watches payout methods. Safe to share between threads and processes."""

    def __init__(self, database: Database, clock: Clock, provider: PayoutProvider, currency: str) -> None:
        self._database = database
        self._clock = clock
        self._provider = provider
        self._currency = currency

    def open(self, owner_kind: OwnerKind, owner_id: UUID, *, return_url: str) -> MethodLink:
        """Return a new method, or the one that is unfinished or blocked, with a fresh link to the provider.

        Repeats safely: the account at the provider is opened once.

        Raises:
            MethodNotReady: The provider refuses to open one (409).
            PayoutsOff: The provider does not accept us (503).
            ProviderUnsure: It did not answer; asked again it goes on (503).
        """
        method = self._database.run(lambda session: self._begun(session, owner_kind, owner_id))
        number = method.links
        if method.account is None:
            key = f"recipient:{method.id}"
            made = self._provider.make_recipient(method.id, currency=self._currency, key=key)
            method = self._known(method.id, _value(made))
        key = f"link:{method.id}:{number}"
        link = self._provider.onboarding_url(method.account or "", return_url=return_url, key=key)
        return MethodLink(method, _value(link))

    def look(self, now: datetime) -> int:
        """Read methods that are due at the provider, 20 at most, and return how many."""
        due = self._database.run(lambda session: _claimed(session, self._provider.name, now))
        for method in due:
            read = self._provider.recipient(method.account or "")
            if isinstance(read, Ok):
                self._known(method.id, read.value)
        return len(due)

    def _begun(self, session: Session, owner_kind: OwnerKind, owner_id: UUID) -> PayoutMethod:
        query = (
            select(PayoutMethod)
            .where(
                PayoutMethod.owner_kind == owner_kind.value,
                PayoutMethod.owner_id == owner_id,
                PayoutMethod.provider == self._provider.name,
                PayoutMethod.state.in_(_UNFINISHED),
            )
            .order_by(PayoutMethod.created_at.desc(), PayoutMethod.id.desc())
            .limit(1)
            .with_for_update(key_share=True)
        )
        now = self._clock.now()
        method = session.scalars(query).one_or_none()
        if method is None:
            method = PayoutMethod(
                owner_kind=owner_kind.value,
                owner_id=owner_id,
                provider=self._provider.name,
                state=MethodState.ONBOARDING.value,
                created_at=now,
                links=0,
            )
            session.add(method)
        # Whoever gets a link is about to use it, so the provider is read soon.
        method.links, method.looks, method.next_at = (method.links or 0) + 1, 0, now + METHOD_READ_GAPS[0]
        session.flush()
        return method

    def _known(self, method_id: UUID, recipient: Recipient) -> PayoutMethod:
        def unit(session: Session) -> PayoutMethod:
            query = select(PayoutMethod).where(PayoutMethod.id == method_id).with_for_update(key_share=True)
            method = session.scalars(query).one()
            if method.state != MethodState.REMOVED:
                _learn(method, recipient, self._clock.now())
            session.flush()
            return method

        return self._database.run(unit)


def methods_of(session: Session, owner_kind: OwnerKind, owner_id: UUID) -> Sequence[PayoutMethod]:
    """Return the methods of an owner that were not removed, the oldest first."""
    query = select(PayoutMethod).where(
        PayoutMethod.owner_kind == owner_kind.value,
        PayoutMethod.owner_id == owner_id,
        PayoutMethod.state != MethodState.REMOVED.value,
    )
    return session.scalars(query.order_by(PayoutMethod.created_at, PayoutMethod.id)).all()


def remove(session: Session, owner_kind: OwnerKind, owner_id: UUID, method_id: UUID, now: datetime) -> None:
    """Have nothing more paid to a method, in the caller's transaction.

    Raises:
        UnknownPayoutMethod: The owner has none with this id (404).
        MethodInUse: A payout to it is not over (409).
    """
    query = select(PayoutMethod).where(
        PayoutMethod.id == method_id,
        PayoutMethod.owner_kind == owner_kind.value,
        PayoutMethod.owner_id == owner_id,
        PayoutMethod.state != MethodState.REMOVED.value,
    )
    method = session.scalars(query.with_for_update(key_share=True)).one_or_none()
    if method is None:
        raise UnknownPayoutMethod
    under_way = select(Payout.id).where(
        Payout.method_id == method_id, Payout.state.in_([one.value for one in OPEN])
    )
    if session.scalar(under_way.limit(1)) is not None:
        raise MethodInUse
    method.state, method.removed_at, method.next_at = MethodState.REMOVED.value, now, None


def retire(session: Session, owner_kind: OwnerKind, owner_ids: Sequence[UUID], now: datetime) -> None:
    """Remove every method of these owners and forget the digits of their banks. Repeats safely."""
    theirs = update(PayoutMethod).where(
        PayoutMethod.owner_kind == owner_kind.value, PayoutMethod.owner_id.in_(owner_ids)
    )
    session.execute(theirs.values(last4=None))
    standing = theirs.where(PayoutMethod.state != MethodState.REMOVED.value)
    session.execute(standing.values(state=MethodState.REMOVED.value, removed_at=now, next_at=None))


def owes_anything(session: Session, owner_kind: OwnerKind, owner_ids: Sequence[UUID]) -> bool:
    """Return whether a payout of these owners is under way, or so fresh that the bank may send it back."""
    theirs = select(Payout.id).where(Payout.owner_kind == owner_kind.value, Payout.owner_id.in_(owner_ids))
    not_over = Payout.state.in_([one.value for one in OPEN]) | (
        (Payout.state == PayoutState.PAID.value) & (Payout.step != Step.OVER.value)
    )
    return session.scalar(theirs.where(not_over).limit(1)) is not None


def _claimed(session: Session, provider: str, now: datetime) -> Sequence[PayoutMethod]:
    due = (
        select(PayoutMethod)
        .where(
            PayoutMethod.next_at <= now,
            PayoutMethod.provider == provider,
            PayoutMethod.account.is_not(None),
        )
        .order_by(PayoutMethod.next_at, PayoutMethod.id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True, key_share=True)
    )
    found = session.scalars(due).all()
    for method in found:
        method.next_at = now + _LEASE
    session.flush()
    return found


def _learn(method: PayoutMethod, recipient: Recipient, now: datetime) -> None:
    method.account = recipient.account
    was, method.last4 = method.last4, recipient.last4
    if recipient.may_be_paid:
        if method.ready_at is None:
            method.ready_at = now
        elif was != method.last4:
            method.changed_at = now
        method.state = MethodState.READY.value
    elif method.state == MethodState.READY:
        method.state = MethodState.BLOCKED.value
    method.looks += 1
    if method.state == MethodState.ONBOARDING and method.looks <= len(METHOD_READ_GAPS):
        method.next_at = now + METHOD_READ_GAPS[method.looks - 1]
    elif method.state == MethodState.READY:
        method.next_at = now + METHOD_READY_READ_EVERY
    elif now < method.created_at + _GIVEN_UP_AFTER:
        method.next_at = now + METHOD_READ_EVERY
    else:
        method.next_at = None


def _value(outcome: Outcome[_Value]) -> _Value:
    """Return what the provider answered, or say why not."""
    match outcome:
        case Ok(value):
            return value
        case Refused(code):
            raise MethodNotReady(f"the provider refuses: {code}")
        case Misconfigured():
            raise PayoutsOff
        case _:
            raise ProviderUnsure
