"""The stock of an offer's local day: taken with what it counts, given back with what ends it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import bindparam, update

from nerava.merchants.errors import SoldOut
from nerava.merchants.model import OfferDay
from nerava.platform.db.bulk import BulkInsert

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from sqlalchemy.orm import Session

_T: Final[Any] = OfferDay.__table__
_OPEN: Final = BulkInsert(_T, ("offer_id", "local_date", "stock", "taken"), if_new=True)
_DAY: Final = (_T.c.offer_id == bindparam("offer")) & (_T.c.local_date == bindparam("day"))
_TAKE: Final = (
    update(_T)
    .where(_DAY, _T.c.taken + bindparam("count") <= _T.c.stock)
    .values(taken=_T.c.taken + bindparam("count"))
)
_GIVE_BACK: Final = (
    update(_T).where(_DAY, _T.c.taken >= bindparam("count")).values(taken=_T.c.taken - bindparam("count"))
)


class Piece(NamedTuple):
    """One piece of an offer's stock of one local day. `stock` is None where there is no limit."""

    offer_id: UUID
    local_date: str
    stock: int | None = None


def take(session: Session, pieces: Iterable[Piece]) -> None:
    """Take pieces of stock in the caller's transaction, all or none; those without a limit are free.

    Raises:
        SoldOut: There is not enough of one (409).
    """
    wanted = Counter(one for one in pieces if one.stock is not None)
    if not wanted:
        return
    # In one order, so that two who take the same wait for each other and never in a ring.
    ordered = sorted(wanted)
    _OPEN.run(session, [(*one, 0) for one in ordered])
    for one in ordered:
        values = {"offer": one.offer_id, "day": one.local_date, "count": wanted[one]}
        if session.connection().execute(_TAKE, values).rowcount == 0:
            raise SoldOut


def give_back(session: Session, pieces: Iterable[Piece]) -> None:
    """Give pieces back in the caller's transaction; where none was counted nothing happens."""
    returned = Counter(one[:2] for one in pieces)
    for offer_id, local_date in sorted(returned):
        values = {"offer": offer_id, "day": local_date, "count": returned[offer_id, local_date]}
        session.connection().execute(_GIVE_BACK, values)
