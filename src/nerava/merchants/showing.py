"""A driver shows a code and may withdraw it: a hold in the ledger, and the row that commits with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self
from uuid import UUID

from sqlalchemy import bindparam, select

from nerava.kernel.ids import fact_id
from nerava.ledger import Effect, Status
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.templates.redemption import redemption_expire, redemption_release, redemption_show
from nerava.merchants import stock
from nerava.merchants.errors import (
    CodeAlreadyShown,
    CodeAlreadyUsed,
    InsufficientNova,
    OfferNotAvailable,
    RedemptionRefused,
    UnknownRedemption,
)
from nerava.merchants.model import Merchant, Offer, Redemption
from nerava.merchants.offers import OfferKind, OfferState
from nerava.merchants.queries import RedemptionState
from nerava.merchants.service import MerchantState
from nerava.merchants.stock import Piece
from nerava.platform.db.bulk import BulkInsert, BulkUpdate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from nerava.kernel.errors import NeravaError
    from nerava.ledger import Chain, Ledger, Verdict
    from nerava.merchants.board import OnOffer
    from nerava.merchants.codes import MadeCode
    from nerava.platform.db import Database

_T: Final[Any] = Redemption.__table__
_OFFER: Final[Any] = Offer.__table__
_MERCHANT: Final[Any] = Merchant.__table__

_SHOW: Final = BulkInsert(
    _T,
    (
        "id",
        "driver_id",
        "merchant_id",
        "offer_id",
        "price_nova",
        "state",
        "code_hash",
        "code_key",
        "hold_key",
        "local_date",
        "shown_at",
        "expires_at",
        "due_at",
    ),
    if_new=True,
)
_END: Final = BulkUpdate(_T, match=("id", "state"), assign=("state", "ended_at"))
_LIVE: Final = (
    select(_OFFER.c.id)
    .join(_MERCHANT, _MERCHANT.c.id == _OFFER.c.merchant_id)
    .where(
        _OFFER.c.id.in_(bindparam("ids", expanding=True)),
        _OFFER.c.state == OfferState.LIVE.value,
        _MERCHANT.c.state == MerchantState.ACTIVE.value,
    )
)


@dataclass(frozen=True, slots=True)
class ShownCode:
    """A code as its driver asked for it. Instants aware UTC."""

    redemption_id: UUID
    driver_id: UUID
    on_offer: OnOffer
    made: MadeCode
    shown_at: datetime
    expires_at: datetime

    @property
    def price_nova(self) -> int:
        """What the code is worth."""
        price = self.on_offer.offer.terms.price_nova
        if price is None:
            raise AssertionError("only discounts have codes")
        return price

    @property
    def piece(self) -> Piece:
        """What the code takes of the offer's stock."""
        found = self.on_offer
        day = found.merchant.local_date(self.shown_at)
        return Piece(found.offer.id, day, found.offer.terms.daily_stock)

    def chain(self, *, actor: str) -> Chain:
        """Return the chain that holds the driver's points."""
        return redemption_show(
            redemption_id=self.redemption_id,
            driver_id=self.driver_id,
            merchant_id=self.on_offer.merchant.id,
            price=self.price_nova,
            expires_at=self.expires_at,
            actor=actor,
        )

    def refused(self, verdict: Verdict) -> NeravaError:
        """Return why the ledger did not hold the points."""
        match verdict.status:
            case Status.INSUFFICIENT | Status.NO_ACCOUNT:
                return InsufficientNova(f"the offer costs {self.price_nova} Nova")
            case Status.SWITCHED_OFF:
                return SwitchedOff()
            case other:
                return RedemptionRefused(f"the ledger said {other}", status=other)


def redemption_id_of(principal: str, key: str | None) -> UUID:
    """Return the id of the redemption that this request asks for; a repetition asks for the same."""
    if key is None:
        raise AssertionError("a code is asked for under a key")
    return fact_id(f"redemption:{principal}:{key}")


def refuse_if_off(on_offer: OnOffer, kind: OfferKind, now: datetime) -> None:
    """Go on only with an offer of this kind that is on now.

    Raises:
        OfferNotAvailable: It is not, or its merchant is suspended (409).
    """
    found = on_offer.offer
    if found.terms.kind is not kind:
        raise OfferNotAvailable(f"this is a {found.terms.kind}", kind=found.terms.kind)
    if not found.is_on(now) or on_offer.merchant.state is not MerchantState.ACTIVE:
        raise OfferNotAvailable


@dataclass(frozen=True, slots=True)
class InsertRedemption(Effect):
    """The row of a code, committed with the hold of its points: both or none."""

    applies_to: ClassVar[Literal["posted", "any"]] = "posted"

    shown: ShownCode

    @classmethod
    def apply_batch(cls, session: Session, items: Sequence[tuple[Self, Verdict]]) -> None:
        """Write the rows of a batch with one statement, after one look at their offers.

        Raises:
            OfferNotAvailable: An offer was paused or ended meanwhile (409).
            SoldOut: The stock of the day is taken (409).
            CodeAlreadyShown: The driver has an open code for the merchant (409).
        """
        codes = [effect.shown for effect, _ in items]
        wanted = {one.on_offer.offer.id for one in codes}
        if len(session.connection().execute(_LIVE, {"ids": list(wanted)}).all()) < len(wanted):
            raise OfferNotAvailable
        stock.take(session, (one.piece for one in codes))
        if _SHOW.run(session, [_row(one) for one in codes]) < len(codes):
            raise CodeAlreadyShown


@dataclass(frozen=True, slots=True)
class EndRedemption(Effect):
    """The end of a code that nobody took: withdrawn or expired, committed with the end of its hold."""

    applies_to: ClassVar[Literal["posted", "any"]] = "posted"

    redemption_id: UUID
    piece: Piece
    state: RedemptionState
    now: datetime

    @classmethod
    def apply_batch(cls, session: Session, items: Sequence[tuple[Self, Verdict]]) -> None:
        """Write the ends of a batch with one statement and give their stock back."""
        ended = [effect for effect, _ in items]
        held = RedemptionState.HELD.value
        _END.run(session, [(one.redemption_id, held, one.state.value, one.now) for one in ended])
        stock.give_back(session, (one.piece for one in ended))


def withdraw(
    database: Database, ledger: Ledger, driver_id: UUID, redemption_id: UUID, *, actor: str, now: datetime
) -> None:
    """End a code that nobody took; its points are free at once. Repeats safely.

    Raises:
        UnknownRedemption: The driver has no such code (404).
        CodeAlreadyUsed: A register was faster (409).
        SwitchedOff: Nothing moves for now (503).
    """
    row = database.read(lambda session: _of_driver(session, driver_id, redemption_id))
    effect = EndRedemption(redemption_id, Piece(row.offer_id, row.local_date), RedemptionState.RELEASED, now)
    verdict = ledger.submit(redemption_release(redemption_id=redemption_id, actor=actor), [effect])
    if verdict.ok:
        return
    if verdict.status is Status.SWITCHED_OFF:
        raise SwitchedOff
    if verdict.status is not Status.HOLD_RESOLVED:
        raise RedemptionRefused(f"the ledger said {verdict.status}", status=verdict.status)
    row = database.read(lambda session: _of_driver(session, driver_id, redemption_id))
    if row.captured_at is not None:
        raise CodeAlreadyUsed(captured_at=row.captured_at)


def expire_open(
    database: Database, ledger: Ledger, driver_id: UUID, merchant_id: UUID, now: datetime
) -> bool:
    """Expire a driver's code for a merchant if it has run out; return whether it had.

    The job does the same for everybody; this is for who asks for the next code before it came.
    """
    query = select(_T.c.id, _T.c.offer_id, _T.c.local_date).where(
        _T.c.driver_id == driver_id,
        _T.c.merchant_id == merchant_id,
        _T.c.state == RedemptionState.HELD.value,
        _T.c.expires_at <= now,
    )
    row = database.read(lambda session: session.execute(query).one_or_none())
    if row is None:
        return False
    effect = EndRedemption(row.id, Piece(row.offer_id, row.local_date), RedemptionState.EXPIRED, now)
    return ledger.submit(redemption_expire(redemption_id=row.id, actor="redemptions"), [effect]).ok


def _of_driver(session: Session, driver_id: UUID, redemption_id: UUID) -> Any:  # noqa: ANN401 - a row
    query = select(_T.c.offer_id, _T.c.local_date, _T.c.captured_at).where(
        _T.c.id == redemption_id, _T.c.driver_id == driver_id
    )
    row = session.execute(query).one_or_none()
    if row is None:
        raise UnknownRedemption(f"no redemption {redemption_id}")
    return row


def _row(one: ShownCode) -> tuple[Any, ...]:
    return (
        one.redemption_id,
        one.driver_id,
        one.on_offer.merchant.id,
        one.on_offer.offer.id,
        one.price_nova,
        RedemptionState.HELD.value,
        one.made.hash,
        one.made.key_id,
        fact_id(f"redemption:{one.redemption_id}"),
        one.piece.local_date,
        one.shown_at,
        one.expires_at,
        one.expires_at,
    )
