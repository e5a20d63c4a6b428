"""Asking for a payout and taking it back: the money is held in the transaction that checks every limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select, update

from nerava.drivers.model import Driver
from nerava.identity.errors import StepUpRequired
from nerava.identity.session_store import AuthSession
from nerava.identity.user_store import contacts_of
from nerava.kernel.ids import fact_id, new_id
from nerava.payouts import chains
from nerava.payouts.errors import (
    ContactNeeded,
    FeeChanged,
    MethodNotReady,
    UnknownPayout,
    UnknownPayoutMethod,
    WeekLimitReached,
    WrongPayoutState,
)
from nerava.payouts.model import Payout, PayoutMethod
from nerava.payouts.risk import LAST_RETURNED, Risk, risk_of, was_returned
from nerava.payouts.rules import METHOD_AGE, STRONG_FRESH, WEEK, WEEK_MAX, PayoutRules
from nerava.payouts.states import BEFORE_SUBMISSION, Kind, MethodState, OwnerKind, PayoutState, Step
from nerava.payouts.telling import tell
from nerava.platform.limit_numbers import PAYOUT

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.ledger import Ledger
    from nerava.payouts.interruptions import Interruptions
    from nerava.platform.client_address import Client
    from nerava.platform.limits import Limits

_NOT_COUNTED: Final = [PayoutState.CANCELED.value, PayoutState.FAILED.value]
"""States in which nothing has left and nothing will."""


@dataclass(frozen=True, slots=True)
class Cashout:
    """What a driver asks for; amounts in minor units.

    Attributes:
        fee_minor: The fee that the driver was shown.
        user_id: Who asks, on the sign-in `session_id`, from `place`.
    """

    driver_id: UUID
    method_id: UUID
    amount_minor: int
    fee_minor: int
    user_id: UUID
    session_id: UUID | None
    place: Client
    actor: str


@dataclass(frozen=True, slots=True)
class Requesting:
    """What requests need."""

    ledger: Ledger
    limits: Limits
    rules: PayoutRules
    currency: str
    interruptions: Interruptions


def week_used(session: Session, driver_id: UUID, now: datetime) -> int:
    """Return what a driver asked for within the last seven days and may still get, in minor units."""
    query = select(func.coalesce(func.sum(Payout.amount_minor), 0)).where(
        Payout.owner_kind == OwnerKind.DRIVER.value,
        Payout.owner_id == driver_id,
        Payout.requested_at > now - WEEK,
        Payout.state.not_in(_NOT_COUNTED),
    )
    return int(session.execute(query).scalar_one())


def request_cashout(session: Session, tools: Requesting, wish: Cashout, now: datetime) -> Payout:
    """Hold a driver's points and record what they are for, in the caller's transaction.

    The driver's row is locked first, so of two requests at once the second sees what the first used.

    Raises:
        UnknownPayoutMethod: The driver has no such method (404).
        MethodNotReady: It cannot be used now (409).
        StepUpRequired: It is younger than 24 hours and no factor was shown lately (403).
        ContactNeeded: The driver has no verified contact (403).
        FeeChanged: The fee is another one than was confirmed (409).
        WeekLimitReached: Together with the last seven days it would be too much (409).
        RateLimited: It is the fourth within a day (429).
        NotEnough: The driver has fewer points than amount and fee (409).
        SwitchedOff: Payouts are stopped (503).
    """
    session.execute(select(Driver.id).where(Driver.id == wish.driver_id).with_for_update(key_share=True))
    method = usable_method(session, OwnerKind.DRIVER, wish.driver_id, wish.method_id)
    if not contacts_of(session, wish.user_id):
        raise ContactNeeded
    if is_young(method, now) and not _shown_lately(session, wish.session_id, now):
        raise StepUpRequired("strong")
    if wish.fee_minor != tools.rules.fee_minor:
        raise FeeChanged(f"the fee is {tools.rules.fee_minor}")
    if week_used(session, wish.driver_id, now) + wish.amount_minor > WEEK_MAX:
        raise WeekLimitReached(f"{WEEK_MAX} within seven days")
    tools.limits.hit(session, PAYOUT.keyed(identity=f"driver:{wish.driver_id}", client=wish.place), now)
    risk = risk_of(session, method, user_id=wish.user_id, session_id=wish.session_id, now=now)
    payout = _new(method, Kind.DRIVER_CASHOUT, new_id(), wish.amount_minor, now)
    payout.fee_minor, payout.currency, payout.requested_by = wish.fee_minor, tools.currency, wish.actor
    _note(payout, risk)
    tools.interruptions.reach("request: before the hold")
    _hold(session, tools.ledger, payout)
    tools.interruptions.reach("request: after the hold")
    return payout


def request_merchant_payout(
    session: Session,
    ledger: Ledger,
    *,
    payout_id: UUID,
    merchant_id: UUID,
    amount_minor: int,
    currency: str,
    requested_by: str,
    now: datetime,
) -> UUID:
    """Hold what a merchant is owed and have it paid to its settlement account; return the payout's id.

    In the caller's transaction. The same id and amount repeat safely.

    Raises:
        MethodNotReady: The merchant has no account that can be paid (409).
        NotEnough: Less is owed, or it is being paid already (409).
        WrongPayoutState: The id was used for another amount or merchant (409).
        SwitchedOff: Payouts are stopped (503).
    """
    known = session.scalars(select(Payout).where(Payout.id == payout_id)).one_or_none()
    if known is not None:
        if (known.owner_id, known.amount_minor) != (merchant_id, amount_minor):
            raise WrongPayoutState("this id belongs to another payout")
        return known.id
    ready = (
        select(PayoutMethod.id)
        .where(
            PayoutMethod.owner_kind == OwnerKind.MERCHANT.value,
            PayoutMethod.owner_id == merchant_id,
            PayoutMethod.state == MethodState.READY.value,
        )
        .order_by(PayoutMethod.created_at.desc(), PayoutMethod.id.desc())
        .limit(1)
    )
    method_id = session.scalar(ready)
    if method_id is None:
        raise MethodNotReady("the merchant has no account that can be paid")
    method = usable_method(session, OwnerKind.MERCHANT, merchant_id, method_id)
    payout = _new(method, Kind.MERCHANT_PAYOUT, payout_id, amount_minor, now)
    payout.currency, payout.requested_by = currency, requested_by
    returned = was_returned(session, OwnerKind.MERCHANT, merchant_id)
    _note(payout, Risk([LAST_RETURNED] if returned else [], None))
    _hold(session, ledger, payout)
    return payout.id


def usable_method(session: Session, owner_kind: OwnerKind, owner_id: UUID, method_id: UUID) -> PayoutMethod:
    """Return a method of this owner that can be paid, locked so that it is not removed meanwhile.

    Raises:
        UnknownPayoutMethod: The owner has none with this id (404).
        MethodNotReady: It cannot be used now (409).
    """
    query = (
        select(PayoutMethod)
        .where(
            PayoutMethod.id == method_id,
            PayoutMethod.owner_kind == owner_kind.value,
            PayoutMethod.owner_id == owner_id,
            PayoutMethod.state != MethodState.REMOVED.value,
        )
        .with_for_update(key_share=True)
    )
    method = session.scalars(query).one_or_none()
    if method is None:
        raise UnknownPayoutMethod
    if method.state != MethodState.READY or method.account is None:
        raise MethodNotReady(f"it is {method.state}")
    return method


def is_young(method: PayoutMethod, now: datetime) -> bool:
    """Return whether a method, or the bank behind it, is not older than 24 hours."""
    since = max(one for one in (method.created_at, method.ready_at, method.changed_at) if one is not None)
    return since > now - METHOD_AGE


def own_payout(session: Session, owner_kind: OwnerKind, owner_id: UUID, payout_id: UUID) -> Payout:
    """Return a payout of this owner.

    Raises:
        UnknownPayout: The owner has none with this id (404).
    """
    query = select(Payout).where(
        Payout.id == payout_id, Payout.owner_kind == owner_kind.value, Payout.owner_id == owner_id
    )
    found = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if found is None:
        raise UnknownPayout
    return found


def cancel(
    session: Session, ledger: Ledger, payout: Payout, *, actor: str, reason: str, now: datetime
) -> Payout:
    """End a payout that was not submitted, and give back what was held, in the caller's transaction.

    Of a cancellation and a submission at once exactly one happens.

    Raises:
        WrongPayoutState: It was submitted, or is over (409).
    """
    ended = session.scalars(
        update(Payout)
        .where(Payout.id == payout.id, Payout.state.in_([one.value for one in BEFORE_SUBMISSION]))
        .values(
            state=PayoutState.CANCELED.value,
            step=Step.OVER.value,
            version=Payout.version + 1,
            reason=reason,
            next_at=None,
            leased_until=None,
            ended_at=now,
        )
        .returning(Payout)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if ended is None:
        raise WrongPayoutState("it was submitted, or is over")
    chains.post(session, ledger, chains.release_chain(ended, actor))
    tell(session, ended, now)
    return ended


def _shown_lately(session: Session, session_id: UUID | None, now: datetime) -> bool:
    shown = session.scalar(select(AuthSession.strong_at).where(AuthSession.id == session_id))
    return shown is not None and shown > now - STRONG_FRESH


def _new(method: PayoutMethod, kind: Kind, payout_id: UUID, amount_minor: int, now: datetime) -> Payout:
    if method.account is None:
        raise AssertionError("a usable method has an account")
    fact = f"payout:{payout_id}"
    return Payout(
        id=payout_id,
        kind=kind.value,
        owner_kind=method.owner_kind,
        owner_id=method.owner_id,
        method_id=method.id,
        amount_minor=amount_minor,
        fee_minor=0,
        state=PayoutState.REQUESTED.value,
        step=Step.SEND.value,
        request_key=fact_id(f"{fact}:request"),
        outcome_key=fact_id(f"{fact}:outcome"),
        return_key=fact_id(f"{fact}:returned"),
        provider=method.provider,
        account=method.account,
        try_number=1,
        sends=0,
        same_answers=0,
        bank_rank=0,
        requested_at=now,
    )


def _note(payout: Payout, risk: Risk) -> None:
    payout.is_flagged, payout.flags, payout.hold_until = bool(risk.flags), risk.flags, risk.hold_until


def _hold(session: Session, ledger: Ledger, payout: Payout) -> None:
    chains.post(session, ledger, chains.request_chain(payout, payout.requested_by))
    session.add(payout)
    session.flush()
    tell(session, payout, payout.requested_at)
