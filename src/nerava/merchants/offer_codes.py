"""Codes by the hundred for a merchant's own marketing; each is claimed once, by whoever is first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import exists, func, insert, select, update

from nerava.merchants.codes import CodeKind
from nerava.merchants.errors import (
    OfferCodeClaimed,
    OfferCodeOver,
    UnknownCode,
    UnknownCodeBatch,
    WrongCodeBatchState,
    WrongOfferState,
)
from nerava.merchants.model import Merchant, Offer, OfferCode, OfferCodeBatch
from nerava.merchants.offers import OfferState, offer_of
from nerava.merchants.service import MerchantState
from nerava.platform.db.bulk import BulkInsert

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row, Select
    from sqlalchemy.orm import Session

    from nerava.merchants.codes import MadeCode, SecretCodes

SIZE_MAX: Final = 5_000
"""How many codes are made at once."""

_BATCH: Final[Any] = OfferCodeBatch.__table__
_CODE: Final[Any] = OfferCode.__table__
_OFFER: Final[Any] = Offer.__table__
_MERCHANT: Final[Any] = Merchant.__table__
_CODES: Final = BulkInsert(_CODE, ("batch_id", "number", "code_hash"))


class BatchState(StrEnum):
    """Whether the codes of a batch can be claimed."""

    OPEN = "open"
    PAUSED = "paused"
    ENDED = "ended"


_MAY_BECOME: Final = {
    BatchState.OPEN: (BatchState.PAUSED,),
    BatchState.PAUSED: (BatchState.OPEN,),
    BatchState.ENDED: (BatchState.OPEN, BatchState.PAUSED),
}


@dataclass(frozen=True, slots=True)
class BatchView:
    """Codes that were made together; `claimed` is how many of `size` are gone."""

    id: UUID
    offer_id: UUID
    size: int
    claimed: int
    state: BatchState
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ClaimedCode:
    """What a code was good for."""

    offer_id: UUID
    offer_title: str
    merchant_id: UUID
    merchant_name: str
    claimed_at: datetime


@dataclass(frozen=True, slots=True)
class NewBatch:
    """Codes to be made: `made` are they, in the order of their numbers."""

    id: UUID
    offer_id: UUID
    made: tuple[MadeCode, ...]
    expires_at: datetime


def make(codes: SecretCodes, batch_id: UUID, size: int) -> tuple[MadeCode, ...]:
    """Return the codes of a batch; the same batch gives the same codes again."""
    return tuple(codes.make(CodeKind.OFFER, batch_id, number) for number in range(size))


def store(session: Session, merchant_id: UUID, new: NewBatch, now: datetime) -> None:
    """Keep the hashes of new codes, in the caller's unit of work.

    Raises:
        UnknownOffer: The merchant has no such offer (404).
        WrongOfferState: It has ended (409).
    """
    found = offer_of(session, merchant_id, new.offer_id)
    if found.state is OfferState.ENDED:
        raise WrongOfferState("an offer that has ended gets no codes", state=found.state)
    session.execute(
        insert(_BATCH).values(
            id=new.id,
            offer_id=new.offer_id,
            merchant_id=merchant_id,
            size=len(new.made),
            state=BatchState.OPEN.value,
            code_key=new.made[0].key_id,
            created_at=now,
            expires_at=new.expires_at,
        )
    )
    _CODES.run(session, [(new.id, number, one.hash) for number, one in enumerate(new.made)])


def claim(session: Session, hashes: Sequence[bytes], driver_id: UUID, now: datetime) -> ClaimedCode:
    """Claim a code for a driver, in the caller's unit of work: one statement, exactly one winner.

    Raises:
        UnknownCode: There is no such code (404).
        OfferCodeClaimed: Somebody was faster (409).
        OfferCodeOver: It has expired, or is paused with its batch or its offer (410).
    """
    good = (
        exists()
        .where(
            _BATCH.c.id == _CODE.c.batch_id,
            _BATCH.c.state == BatchState.OPEN.value,
            _BATCH.c.expires_at > now,
            _OFFER.c.id == _BATCH.c.offer_id,
            _OFFER.c.state == OfferState.LIVE.value,
            _MERCHANT.c.id == _BATCH.c.merchant_id,
            _MERCHANT.c.state == MerchantState.ACTIVE.value,
        )
        .correlate(_CODE)
    )
    taken = session.execute(
        update(_CODE)
        .where(_CODE.c.code_hash.in_(hashes), _CODE.c.claimed_at.is_(None), good)
        .values(driver_id=driver_id, claimed_at=now)
        .returning(_CODE.c.batch_id)
    ).one_or_none()
    if taken is None:
        known = select(_CODE.c.claimed_at).where(_CODE.c.code_hash.in_(hashes))
        row = session.execute(known).one_or_none()
        if row is None:
            raise UnknownCode
        raise OfferCodeOver if row.claimed_at is None else OfferCodeClaimed
    query = (
        select(_OFFER.c.id, _OFFER.c.title, _MERCHANT.c.id.label("merchant_id"), _MERCHANT.c.name)
        .join(_BATCH, _BATCH.c.offer_id == _OFFER.c.id)
        .join(_MERCHANT, _MERCHANT.c.id == _OFFER.c.merchant_id)
        .where(_BATCH.c.id == taken.batch_id)
    )
    row = session.execute(query).one()
    return ClaimedCode(row.id, row.title, row.merchant_id, row.name, now)


def batch(session: Session, merchant_id: UUID, batch_id: UUID) -> BatchView:
    """Return codes of a merchant that were made together.

    Raises:
        UnknownCodeBatch: The merchant has none under this id (404).
    """
    row = session.execute(
        _batches().where(_BATCH.c.id == batch_id, _BATCH.c.merchant_id == merchant_id)
    ).one_or_none()
    if row is None:
        raise UnknownCodeBatch(f"no codes {batch_id}")
    return _view(row)


def batches(
    session: Session, merchant_id: UUID, offer_id: UUID, *, after: UUID | None = None, limit: int = 50
) -> list[BatchView]:
    """Return the codes of an offer, batch by batch.

    Raises:
        UnknownOffer: The merchant has no such offer (404).
    """
    offer_of(session, merchant_id, offer_id)
    query = _batches().where(_BATCH.c.offer_id == offer_id).order_by(_BATCH.c.id).limit(limit)
    if after is not None:
        query = query.where(_BATCH.c.id > after)
    return [_view(row) for row in session.execute(query)]


def move(session: Session, merchant_id: UUID, batch_id: UUID, state: BatchState) -> None:
    """Pause codes, let them be claimed again, or end them for good.

    Raises:
        UnknownCodeBatch: The merchant has none under this id (404).
        WrongCodeBatchState: They are in a state from which this cannot happen (409).
    """
    change = update(_BATCH).where(
        _BATCH.c.id == batch_id, _BATCH.c.merchant_id == merchant_id, _BATCH.c.state.in_(_MAY_BECOME[state])
    )
    if session.execute(change.values(state=state.value)).rowcount == 1:  # type: ignore[attr-defined]
        return
    found = batch(session, merchant_id, batch_id)
    raise WrongCodeBatchState(f"the codes cannot become {state}: they are {found.state}", state=found.state)


def _batches() -> Select[Any]:
    claimed = (
        select(func.count())
        .where(_CODE.c.batch_id == _BATCH.c.id, _CODE.c.claimed_at.is_not(None))
        .scalar_subquery()
    )
    return select(_BATCH, claimed.label("claimed"))


def _view(row: Row[Any]) -> BatchView:
    return BatchView(
        row.id, row.offer_id, row.size, row.claimed, BatchState(row.state), row.created_at, row.expires_at
    )
