"""Examples of operations on points of sale that merchants linked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.tills.model import TillLink, TillLocation, TillOrder, TillRefund
from nerava.tills.states import TillState
from tests.http.example import Example
from tests.http.shop import Shop, open_shop

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from sqlalchemy.orm import Session

    from tests.http.conftest import House


def _linked(shop: Shop) -> tuple[UUID, UUID]:
    """Link a till of a shop and return the ids of the link and of its only location."""
    now, account, link_id, location_id = (
        shop.house.installation.clock.now(),
        str(new_id()),
        new_id(),
        new_id(),
    )
    link = TillLink(
        id=link_id,
        merchant_id=shop.merchant_id,
        user_id=shop.owner.subject,
        provider="square",
        account=account,
        state=TillState.ACTIVE.value,
        sealed=b"sealed",
        tokens_at=now,
        read_until=now,
        created_at=now,
        linked_at=now,
    )
    location = TillLocation(
        id=location_id,
        merchant_id=shop.merchant_id,
        provider="square",
        account=account,
        external_id=str(new_id()),
        name="Loop",
        seen_at=now,
    )
    shop.house.installation.database.run(lambda session: session.add_all([link, location]))
    return link_id, location_id


def _till(house: House) -> Example:
    shop = open_shop(house)
    return Example(shop.owner, {"till_id": str(_linked(shop)[0])}, {"till_id": str(new_id())})


def _location(house: House) -> Example:
    shop = open_shop(house)
    names, missing = {"location_id": str(_linked(shop)[1])}, {"location_id": str(new_id())}
    return Example(shop.owner, names, missing, {"site_id": shop.site_id})


def _refund(house: House) -> Example:
    shop = open_shop(house)
    now, order_id, refund_id = house.installation.clock.now(), new_id(), new_id()
    order = TillOrder(
        id=order_id,
        merchant_id=shop.merchant_id,
        provider="square",
        account="a",
        external_id=str(order_id),
        state="unread",
        told_at=now,
    )
    refund = TillRefund(
        id=refund_id,
        order_id=order_id,
        external_id="r",
        state="completed",
        points=0,
        trouble="already-settled",
        told_at=now,
    )

    def unit(session: Session) -> None:
        session.add(order)
        session.flush()
        session.add(refund)

    house.installation.database.run(unit)
    finance = house.caller(Role.OPS_FINANCE)
    return Example(
        finance, {"refund_id": str(refund_id)}, {"refund_id": str(new_id())}, {"reason": "seen to"}
    )


TILL_EXAMPLES: Final[dict[str, Callable[[House], Example]]] = {
    "DELETE /v1/merchant/tills/{till_id}": _till,
    "POST /v1/ops/till-refunds/{refund_id}/close": _refund,
    "PUT /v1/merchant/tills/locations/{location_id}": _location,
}
