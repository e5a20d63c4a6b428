"""Merchants are settled with every month, paid to their banks, or rolled over while it is little."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from nerava.identity.roles import Role
from nerava.ledger.chart import merchant_payable
from nerava.settlements import queries
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
        database = year.house.installation.database
        at_banks = [one for one in year.world.stripe.objects("payout") if one["status"] == "paid"]
        for owner in self._owners:
            found = database.read(partial(queries.settlements, merchant_id=owner.tenant_id))
            assert all(one.points == one.net_minor + one.fee_minor for one in found)
            self.settled[owner.tenant_id] = sum(one.points for one in found)
            year.happened.update(f"settlement: {one.state}" for one in found)
            payouts = owner.every("/v1/payouts")
            mine = {one["id"] for one in payouts}
            assert {one["state"] for one in payouts} <= OVER
            paid = sum(one["amount_minor"] for one in payouts if one["state"] == "paid")
            assert paid == sum(one["amount"] for one in at_banks if one["metadata"]["payout"] in mine)
            owed = year.holds(merchant_payable(owner.tenant_id))["posted"]
            assert owed == sum(one.net_minor - one.netted_minor for one in found) - paid
            self.reached_banks += paid
