"""Examples of operations of merchants, and of drivers with them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from tests.http.example import Example
from tests.http.shop import code_of, open_shop, rich_driver

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.http.conftest import House

WHY: Final = {"reason": "complaints"}
OFFER: Final = {
    "kind": "discount",
    "title": "5.00 off",
    "price_nova": 500,
    "starts_at": "2026-01-01T00:00:00Z",
}


def _place(house: House) -> Example:
    shop = open_shop(house)
    body = {"name": "Loop", "address": "2 State St", "latitude": 41.9, "longitude": -87.6}
    return Example(shop.owner, {"site_id": shop.site_id}, {"site_id": str(new_id())}, body)


def _register(house: House) -> Example:
    shop = open_shop(house)
    return Example(shop.owner, {"register_id": shop.register_id}, {"register_id": str(new_id())})


def _offer(house: House, body: object = None, *, is_live: bool = True, keyed: bool = False) -> Example:
    shop = open_shop(house)
    offer_id = shop.offer() if is_live else shop.draft()
    return Example(shop.owner, {"offer_id": offer_id}, {"offer_id": str(new_id())}, body, keyed)


def _codes(house: House, *, is_paused: bool = False) -> Example:
    shop, made = open_shop(house), {"count": 3, "expires_at": "2099-01-01T00:00:00Z"}
    path = f"/v1/merchant/offers/{shop.offer()}/code-batches"
    assert shop.owner.post(path, made, key="k").status_code == 201
    batch_id = shop.owner.get(path).json()["items"][0]["id"]
    if is_paused:
        assert shop.owner.post(f"/v1/merchant/code-batches/{batch_id}/pause").status_code == 200
    return Example(shop.owner, {"batch_id": batch_id}, {"batch_id": str(new_id())})


def _taken(house: House, body: object = None) -> Example:
    shop, driver = open_shop(house), rich_driver(house)
    taken = shop.capture(code_of(driver, shop.offer())).json()
    names = {"redemption_id": taken["redemption_id"]}
    return Example(shop.owner, names, {"redemption_id": str(new_id())}, body, keyed=body is not None)


def _voidable(house: House) -> Example:
    example = _taken(house, {})
    redemption = example.owner.get(f"/v1/merchant/redemptions/{example.names['redemption_id']}").json()
    return replace(example, body={"register_id": redemption["register_id"]})


def _own_code(house: House) -> Example:
    shop, driver = open_shop(house), rich_driver(house)
    code_of(driver, shop.offer())
    names = {"redemption_id": driver.get("/v1/redemptions").json()["items"][0]["id"]}
    return Example(driver, names, {"redemption_id": str(new_id())})


def _merchant(house: House, body: object = None) -> Example:
    names = {"merchant_id": str(open_shop(house).merchant_id)}
    return Example(house.caller(Role.OPS_ADMIN), names, {"merchant_id": str(new_id())}, body)


MERCHANT_EXAMPLES: Final[dict[str, Callable[[House], Example]]] = {
    "POST /v1/merchant/code-batches/{batch_id}/end": _codes,
    "POST /v1/merchant/code-batches/{batch_id}/pause": _codes,
    "POST /v1/merchant/code-batches/{batch_id}/resume": lambda house: _codes(house, is_paused=True),
    "GET /v1/merchant/offers/{offer_id}": _offer,
    "PUT /v1/merchant/offers/{offer_id}": lambda house: _offer(house, OFFER, is_live=False),
    "GET /v1/merchant/offers/{offer_id}/code-batches": _offer,
    "POST /v1/merchant/offers/{offer_id}/code-batches": lambda house: _offer(
        house, {"count": 3, "expires_at": "2099-01-01T00:00:00Z"}, keyed=True
    ),
    "POST /v1/merchant/offers/{offer_id}/end": _offer,
    "POST /v1/merchant/offers/{offer_id}/pause": _offer,
    "POST /v1/merchant/offers/{offer_id}/publish": lambda house: _offer(house, is_live=False),
    "GET /v1/merchant/redemptions/{redemption_id}": _taken,
    "POST /v1/merchant/redemptions/{redemption_id}/refunds": lambda house: _taken(house, {"points": 10}),
    "POST /v1/merchant/redemptions/{redemption_id}/void": _voidable,
    "POST /v1/merchant/registers/{register_id}/close": _register,
    "GET /v1/merchant/registers/{register_id}/redemptions": _register,
    "PUT /v1/merchant/sites/{site_id}": _place,
    "GET /v1/ops/merchants/{merchant_id}": _merchant,
    "POST /v1/ops/merchants/{merchant_id}/reopen": lambda house: _merchant(house, WHY),
    "POST /v1/ops/merchants/{merchant_id}/suspend": lambda house: _merchant(house, WHY),
    "GET /v1/redemptions/{redemption_id}": _own_code,
    "DELETE /v1/redemptions/{redemption_id}": _own_code,
}
