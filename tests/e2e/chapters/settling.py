"""Merchants are settled with every month, paid to their banks, or rolled over while it is little."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from nerava.identity.roles import Role
from nerava.ledger.chart import merchant_payable
from tests.e2e.year import Chapter, Year

if TYPE_CHECKING:
    from tests.e2e.chapters.redeeming import Redeeming
    from tests.e2e.people import Person

OVER = {"paid", "failed", "returned", "canceled"}


@dataclass
class Settling(Chapter):
    """What was settled, in Nova, and what reached banks, in minor units.

    Attributes:
        redeeming: Whose merchants are settled with.
    """

    redeeming: Redeeming
    settled: Counter[UUID] = field(default_factory=Counter)
    reached_banks: int = 0
    _owners: list[Person] = field(default_factory=list)

    def begin(self, year: Year) -> None:
        """Let owners say where they are paid; every fifth forgets to."""
        for number, shop in enumerate(self.redeeming.shops):
            owner = year.person(Role.MERCHANT_OWNER, shop.merchant_id)
            self._owners.append(owner)
            if number % 5 != 4:
                owner.post("/v1/payout-methods")
                year.world.stripe.verify(year.world.stripe.objects("account")[-1]["id"])

    def check(self, year: Year) -> None:
        """Compare the settlements of merchants with what they are owed and what their banks have."""
        at_banks = [one for one in year.world.stripe.objects("payout") if one["status"] == "paid"]
        for owner in self._owners:
            found = owner.every("/v1/merchant/settlements")
            for one in found:
                _adds_up(owner.get(f"/v1/merchant/settlements/{one['id']}"))
                year.happened[f"settlement: {one['state']}"] += 1
            self.settled[owner.tenant_id] = sum(one["points"] for one in found)
            payouts = owner.every("/v1/payouts")
            mine = {one["id"] for one in payouts}
            assert {one["state"] for one in payouts} <= OVER
            paid = sum(one["amount_minor"] for one in payouts if one["state"] == "paid")
            assert paid == sum(one["amount"] for one in at_banks if one["metadata"]["payout"] in mine)
            owed = year.holds(merchant_payable(owner.tenant_id))["posted"]
            assert owed == sum(one["net_minor"] - one["netted_minor"] for one in found) - paid
            self.reached_banks += paid


def _adds_up(file: dict[str, Any]) -> None:
    """Compare the sums of a statement with its lines and its invoice."""
    sums: Counter[str] = Counter()
    for line in file["lines"]:
        sums[line["kind"]] += line["amount"]
    one, invoice = file["settlement"], file["invoice"]
    assert (sums["redemption"], -sums["refund"]) == (one["redeemed"], one["refunded"])
    assert sums["claim"] == one["claim_fees_minor"] == (0 if invoice is None else invoice["amount_minor"])
    came = one["carried_in"] + one["redeemed"] - one["refunded"]
    assert came == one["points"] + one["carried_out"]
    assert one["points"] == one["net_minor"] + one["fee_minor"]
