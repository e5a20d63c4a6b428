"""Examples of operations on settlements and invoices."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.settlements.dunning import Reminding
from tests.http.example import Example
from tests.http.shop import Shop, charging_at, code_of, open_shop, rich_driver, settle_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.http.conftest import Caller, House


def settled_shop(house: House) -> Shop:
    """Return a merchant whose first period is closed: 300 Nova, and a claim for 100."""
    shop, driver = open_shop(house, name="Łódź & Søn"), rich_driver(house)
    assert shop.capture(code_of(driver, shop.offer())).status_code == 200
    guest = rich_driver(house)
    charging_at(house, guest, 41.88, -87.63)
    claimed = guest.post(f"/v1/offers/{shop.perk()}/claims", key=str(new_id()))
    assert claimed.status_code == 201, claimed.text
    settle_now(house)
    return shop


def become_overdue(house: House) -> None:
    """Let 60 days pass for the invoices."""
    installation = house.installation
    reminding = Reminding(installation.database, installation.audit)
    assert reminding.run(installation.clock.now() + timedelta(days=60)) == 1


def settlement_id(shop: Shop) -> str:
    """Return the merchant's latest settlement."""
    return str(shop.owner.get("/v1/merchant/settlements").json()["items"][0]["id"])


def invoice_id(shop: Shop) -> str:
    """Return the merchant's latest invoice."""
    return str(shop.owner.get("/v1/merchant/invoices").json()["items"][0]["id"])


def asked_to_write_off(house: House) -> tuple[Caller, str]:
    """Let somebody ask to give up an overdue invoice; return who may agree, and to what."""
    shop = settled_shop(house)
    become_overdue(house)
    path = f"/v1/ops/invoices/{invoice_id(shop)}/write-off"
    asked = house.caller(Role.OPS_FINANCE).post(path, key=str(new_id()))
    assert asked.status_code == 202, asked.text
    return house.caller(Role.OPS_FINANCE), str(asked.json()["approval_id"])


def _settlement(house: House, role: Role | None = None) -> Example:
    shop = settled_shop(house)
    owner = shop.owner if role is None else house.caller(role)
    return Example(owner, {"settlement_id": settlement_id(shop)}, {"settlement_id": str(new_id())})


def _invoice(house: House, role: Role | None = None, body: object = None, *, keyed: bool = False) -> Example:
    shop = settled_shop(house)
    owner = shop.owner if role is None else house.caller(role)
    return Example(owner, {"invoice_id": invoice_id(shop)}, {"invoice_id": str(new_id())}, body, keyed)


def _overdue(house: House) -> Example:
    example = _invoice(house, Role.OPS_FINANCE, keyed=True)
    become_overdue(house)
    return example


def _write_off(house: House) -> Example:
    second, approval_id = asked_to_write_off(house)
    return Example(second, {"approval_id": approval_id}, {"approval_id": str(new_id())}, keyed=True)


def _terms(house: House) -> Example:
    names = {"merchant_id": str(open_shop(house).merchant_id)}
    body = {"cadence": "week", "timezone": "America/Phoenix"}
    return Example(house.caller(Role.OPS_ADMIN), names, {"merchant_id": str(new_id())}, body)


SETTLEMENT_EXAMPLES: Final[dict[str, Callable[[House], Example]]] = {
    "GET /v1/merchant/invoices/{invoice_id}": _invoice,
    "GET /v1/merchant/settlements/{settlement_id}": _settlement,
    "GET /v1/merchant/settlements/{settlement_id}.csv": _settlement,
    "GET /v1/merchant/settlements/{settlement_id}.pdf": _settlement,
    "GET /v1/ops/invoices/{invoice_id}": lambda house: _invoice(house, Role.OPS_FINANCE),
    "GET /v1/ops/settlements/{settlement_id}": lambda house: _settlement(house, Role.OPS_SUPPORT),
    "POST /v1/ops/invoice-write-offs/{approval_id}/approve": _write_off,
    "POST /v1/ops/invoices/{invoice_id}/payments": lambda house: _invoice(
        house, Role.OPS_FINANCE, {"reference": "wire-1", "amount_minor": 40}, keyed=True
    ),
    "POST /v1/ops/invoices/{invoice_id}/write-off": _overdue,
    "PUT /v1/ops/merchants/{merchant_id}/settlement-terms": _terms,
}
