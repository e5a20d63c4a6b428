"""Drivers tell others, and both get a present of the house, out of a budget that somebody filled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nerava.identity.roles import Role
from nerava.ledger.chart import PLATFORM_PROMO, sponsor_prepaid
from nerava.rewards.referrals import POINTS
from tests.e2e.year import Chapter, Year

if TYPE_CHECKING:
    from tests.e2e.people import Person

NAMED_ON = 2
BUDGET = 7 * POINTS
"""Enough for three pairs and for half of a fourth."""


@dataclass
class Referring(Chapter):
    """Who told whom, and how much of it was paid."""

    paid: int = 0
    _pairs: list[tuple[Person, Person]] = field(default_factory=list)

    def day(self, year: Year) -> None:
        """Fill the budget, and let newcomers name who told them; nobody names somebody twice."""
        if year.number == 0:
            self._fill(year)
        if year.number == NAMED_ON:
            # Those who are paid out have their accounts for a month, which is too long to be new.
            some = year.drivers[year.size.payees :][:10]
            pairs = list(zip(some[::2], some[1::2], strict=True))
            for teller, newcomer in pairs:
                code = teller.get("/v1/referral")["code"]
                assert newcomer.post("/v1/referral", {"code": code})["state"] == "invited"
                assert newcomer.try_to("/v1/referral", {"code": code}).json()["code"] == "already-referred"
            self._pairs = pairs

    def _fill(self, year: Year) -> None:
        giver, finance = year.sponsors[0].tenant_id, year.ops[Role.OPS_FINANCE]
        body: dict[str, object] = {"reference": "wire-for-the-house", "gross_minor": BUDGET}
        finance.post(f"/v1/ops/sponsors/{giver}/deposits", body)
        body = {"debit": sponsor_prepaid(giver), "credit": PLATFORM_PROMO, "amount_minor": BUDGET}
        finance.post("/v1/ops/adjustments", body | {"reason": "house_transfer"})

    def check(self, year: Year) -> None:
        """Compare what tellers are shown with what the budget lost: both of a pair were paid, or neither."""
        states = [teller.get("/v1/referral")["referred"][0]["state"] for teller, _newcomer in self._pairs]
        year.happened.update(f"referral: {one}" for one in states)
        self.paid = 2 * POINTS * states.count("rewarded")
        assert year.holds(PLATFORM_PROMO)["posted"] == BUDGET - self.paid
