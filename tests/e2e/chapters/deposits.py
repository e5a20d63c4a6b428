"""Sponsors pay in: by card, by bank debit that comes or fails, by pages left alone, by wire; and get the rest back."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from nerava.identity.roles import Role
from nerava.rewards.campaigns import create_sponsor
from tests.e2e.year import Chapter, Year

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.e2e.people import Person

MONTH = 28
GROSS = 2_500_000
DISPUTED = 4_000
REFUNDS_AT = 9
"""The look after the last day at which deposits go back: campaigns are closed by then."""


@dataclass
class Deposits(Chapter):
    """What sponsors paid in and got back, by sponsor, in minor units."""

    paid: Counter[UUID] = field(default_factory=Counter)
    wired: Counter[UUID] = field(default_factory=Counter)
    returned: Counter[UUID] = field(default_factory=Counter)
    collected: Counter[UUID] = field(default_factory=Counter)
    """What deposits paid for a payment that was taken back."""
    disputed: int = 0
    _waited: int = 0
    _awaited: dict[UUID, tuple[str, Person, int]] = field(default_factory=dict)

    def begin(self, year: Year) -> None:
        """Let sponsors appear, and pay what their first campaigns need."""
        database, ledger = year.house.installation.database, year.house.installation.ledger
        for number in range(year.size.sponsors):
            make = partial(
                create_sponsor, ledger=ledger, name=f"Sponsor {number}", currency="USD", now=year.now
            )
            sponsor_id = database.run(make)
            owner = year.person(Role.SPONSOR, sponsor_id)
            year.sponsors.append(owner)
            body = {"reference": f"wire-{number}", "gross_minor": 10_000}
            year.ops[Role.OPS_FINANCE].post(f"/v1/ops/sponsors/{sponsor_id}/deposits", body)
            self.wired[sponsor_id] += 10_000
        self._pay(year, [(year.sponsors[-1], GROSS // 100, "card")])
        self._pay(
            year, [(owner, GROSS, how) for owner in year.sponsors for how in ("card", "fail", "declined")]
        )

    def day(self, year: Year) -> None:
        """Pay in every month, now and then by bank; most debits come."""
        if year.number % MONTH == 1:
            means = ["card", "bank", "bank", "fail", "leave"]
            orders = [
                (owner, GROSS // 4 + year.dice.randrange(10_000), year.dice.choice(means))
                for owner in year.sponsors
            ]
            self._pay(year, orders)

        # No campaign of this sponsor is paused by its own plan then, and some are on.
        if year.number == year.size.days // 2 - 2:
            self._dispute(year)

    def wait(self, year: Year) -> None:
        """Give sponsors back what is in no campaign, as far as payments brought it, late in the tail."""
        self._waited += 1
        if self._waited == REFUNDS_AT:
            for owner in year.sponsors:
                self._give_back(year, owner)
        for one in year.world.stripe.objects("refund"):
            if one["status"] == "pending" and self._waited > REFUNDS_AT:
                year.world.stripe.finish_refund(one["id"])

    def _dispute(self, year: Year) -> None:
        """Let the smallest payment be disputed and lost; deposits pay for it, and the sponsor goes on."""
        owner, stripe = year.sponsors[-1], year.world.stripe
        charges = [one for one in stripe.objects("charge") if one["amount"] == GROSS // 100]
        dispute = stripe.open_dispute(charges[0]["id"], DISPUTED)
        self.disputed = DISPUTED
        year.work_at_provider()
        paused = [one["id"] for one in owner.every("/v1/campaigns") if one["state"] == "paused"]
        for campaign_id in paused:
            refused = owner.try_to(f"/v1/campaigns/{campaign_id}/activate")
            assert refused.json()["code"] == "sponsor-stopped"
            year.happened["campaign paused by a dispute"] += 1
        stripe.close_dispute(dispute["id"], won=False)
        year.work_at_provider()
        finance = year.ops[Role.OPS_FINANCE]
        for one in finance.every("/v1/ops/disputes"):
            finance.post(f"/v1/ops/disputes/{one['id']}/lift", {"reason": "the sponsor goes on"})
        for campaign_id in paused:
            owner.post(f"/v1/campaigns/{campaign_id}/activate")
        self.collected[owner.tenant_id] = DISPUTED - owner.get("/v1/sponsor")["owed_minor"]

    def _give_back(self, year: Year, owner: Person) -> None:
        rest = owner.get("/v1/sponsor")["prepaid_minor"] - self.wired[owner.tenant_id]
        if rest > 0:
            fate = year.dice.choice(["succeed", "pend", "fail_after_succeeded"])
            year.world.stripe.decide("refund", fate)
            owner.post("/v1/sponsor/refunds", {"amount_minor": rest})
            year.happened[f"sponsor refund: {fate}"] += 1

    def check(self, year: Year) -> None:
        """Compare the payments that sponsors are shown with what they paid."""
        for owner in year.sponsors:
            shown = {UUID(one["id"]): one for one in owner.every("/v1/sponsor/checkouts")}
            for checkout_id, (means, whose, gross) in self._awaited.items():
                if whose is not owner:
                    continue
                state = shown[checkout_id]["state"]
                expected = {"fail": "failed", "leave": "expired", "declined": "expired"}.get(means, "paid")
                assert state == expected, (means, shown[checkout_id])
                year.happened[f"checkout: {state}"] += 1
                self.paid[owner.tenant_id] += gross if state == "paid" else 0
            refunds = owner.every("/v1/sponsor/refunds")
            assert {one["state"] for one in refunds} <= {"paid", "returned", "failed"}
            self.returned[owner.tenant_id] = sum(
                one["amount_minor"] for one in refunds if one["state"] == "paid"
            )

    def _pay(self, year: Year, orders: Sequence[tuple[Person, int, str]]) -> None:
        """Let sponsors open a page each, then do on them what they came for."""
        opened = []
        for owner, gross, means in orders:
            asked = owner.post("/v1/sponsor/checkouts", {"gross_minor": gross})
            self._awaited[UUID(asked["id"])] = (means, owner, gross)
            opened.append((asked["id"], means))
        year.work_at_provider()
        stripe = year.world.stripe
        for checkout_id, means in opened:
            if means == "fail":
                stripe.pay_checkout(self._page(year, checkout_id), "bank")
                intents = stripe.objects("payment_intent")
                newest = [one for one in intents if one["status"] == "processing"][-1]
                stripe.decide("bank_debit", "fail", about=newest["id"])
            elif means != "leave":
                stripe.pay_checkout(self._page(year, checkout_id), means)
        year.work_at_provider()

    def _page(self, year: Year, checkout_id: str) -> str:
        rows: list[Any] = year.world.stripe.objects("checkout.session")
        [name] = [one["id"] for one in rows if one["client_reference_id"] == checkout_id]
        return str(name)
