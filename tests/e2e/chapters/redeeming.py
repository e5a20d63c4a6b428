"""Drivers redeem at registers: with bills, voids, refunds, and codes that nobody takes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from nerava.identity.roles import Role
from tests.e2e.books import those_with
from tests.e2e.year import Chapter, Year
from tests.http.shop import BEGAN, CAPTURE

if TYPE_CHECKING:
    from tests.e2e.people import Person

PRICES = (40, 75, 120, 200)


@dataclass
class Shop:
    """A merchant with one register and some offers, by price."""

    merchant_id: UUID
    manager: Person
    till: Person
    register_id: str
    offers: dict[int, str]


@dataclass
class Redeeming(Chapter):
    """The merchants, and what was taken and given back, in Nova.

    Attributes:
        taken: By merchant, less what went back.
        spent: By driver, less what came back.
    """

    shops: list[Shop] = field(default_factory=list)
    taken: Counter[UUID] = field(default_factory=Counter)
    spent: Counter[UUID] = field(default_factory=Counter)
    _regretted: list[tuple[int, Shop, Person, str, int]] = field(default_factory=list)

    def begin(self, year: Year) -> None:
        """Open shops with offers."""
        for number in range(year.size.merchants):
            self.shops.append(_open(year, number))

    def day(self, year: Year) -> None:
        """Show codes, take most of them, and give back what was regretted."""
        for due in [one for one in self._regretted if one[0] <= year.number]:
            self._regretted.remove(due)
            self._refund(year, *due[1:])
        buyers = those_with(year, PRICES[0], year.size.codes)
        for driver, available in buyers:
            shop = year.dice.choice(self.shops)
            price = max(one for one in PRICES if one <= available)
            self._redeem(year, shop, driver, price)

    def check(self, year: Year) -> None:
        """Compare what merchants are shown with what was taken."""
        for shop in self.shops:
            rows = shop.manager.every("/v1/merchant/redemptions")
            assert sum(row["points"] - row["refunded"] for row in rows) == self.taken[shop.merchant_id]

    def _redeem(self, year: Year, shop: Shop, driver: Person, price: int) -> None:
        answer = driver.try_to(f"/v1/offers/{shop.offers[price]}/redemptions")
        if answer.status_code == 409:
            # A merchant that owes too long gives no codes.
            year.happened[f"no code: {answer.json()['code']}"] += 1
            return
        assert answer.status_code == 201, answer.text
        shown = answer.json()
        year.happened["code shown"] += 1
        if year.happens(8):
            year.happened["code left to run out"] += 1
            return
        if year.happens(8):
            withdrawn = driver.caller.client.delete(
                f"/v1/redemptions/{shown['id']}", headers=driver.caller.headers()
            )
            assert withdrawn.status_code in {200, 204}, withdrawn.text
            year.happened["code withdrawn"] += 1
            return
        body: dict[str, Any] = {"code": shown["code"], "register_id": shop.register_id}
        if year.happens(40):
            body |= {"bill_minor": price // 2 + year.dice.randrange(price), "pos_order_id": shown["id"]}
        taken = shop.till.post(CAPTURE, body)
        points: int = taken["points"]
        assert points == min(price, body.get("bill_minor", price))
        self._book(shop, driver, points)
        year.happened["code taken"] += 1
        if year.happens(6):
            path = f"/v1/merchant/redemptions/{shown['id']}/void"
            back = shop.till.post(path, {"register_id": shop.register_id})
            self._book(shop, driver, -back["points"])
            year.happened["voided"] += 1
        elif year.happens(10):
            later = year.number + 1 + year.dice.randrange(10)
            self._regretted.append((later, shop, driver, shown["id"], points))

    def _refund(self, year: Year, shop: Shop, driver: Person, redemption_id: str, points: int) -> None:
        parts = [None] if points < 2 or year.happens(50) else [points // 2, points - points // 2]
        for part in parts:
            answer = shop.manager.try_to(
                f"/v1/merchant/redemptions/{redemption_id}/refunds", {"points": part}
            )
            if answer.status_code == 409 and answer.json()["code"] == "already-settled":
                year.happened["too late for a refund"] += 1
                return
            assert answer.status_code in {200, 201}, answer.text
            self._book(shop, driver, -answer.json()["points"])
        year.happened["refunded"] += 1

    def _book(self, shop: Shop, driver: Person, points: int) -> None:
        self.taken[shop.merchant_id] += points
        self.spent[driver.tenant_id] += points


def _open(year: Year, number: int) -> Shop:
    body = {"name": f"Shop {number}", "timezone": "America/Chicago"}
    merchant_id = UUID(year.ops[Role.OPS_ADMIN].post("/v1/ops/merchants", body)["id"])
    manager = year.person(Role.MERCHANT_MANAGER, merchant_id)
    place = {"name": "Loop", "address": f"{number} State St", "latitude": 41.88, "longitude": -87.63}
    site = manager.post("/v1/merchant/sites", place)["id"]
    register = manager.post("/v1/merchant/registers", {"name": "Till", "site_id": site})["id"]
    offers = {}
    for price in PRICES:
        terms = {"kind": "discount", "title": f"{price} off", "price_nova": price}
        made = manager.post("/v1/merchant/offers", terms | {"starts_at": BEGAN.isoformat()})["id"]
        manager.post(f"/v1/merchant/offers/{made}/publish")
        offers[price] = made
    return Shop(merchant_id, manager, year.person(Role.MERCHANT_REGISTER, merchant_id), register, offers)
