"""Guests claim perks while they charge; merchants owe the fees, pay them, have them netted, or never do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from nerava.charging import service as charging
from nerava.drivers import service as drivers
from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.ledger.chart import merchant_receivable
from tests.e2e.year import Chapter, Year
from tests.http.shop import BEGAN, charging_at

if TYPE_CHECKING:
    from tests.e2e.chapters.redeeming import Redeeming
    from tests.e2e.people import Person
    from tests.http.conftest import Caller

GUESTS = 6
HERE = (41.88, -87.63)
PAYS, NETS, NEVER = "pays", "nets", "never pays"


@dataclass
class Claiming(Chapter):
    """Who gives perks, what that cost them, and what they paid of it, in minor units.

    Attributes:
        redeeming: Whose merchants give perks.
        fees: Of claims, by merchant.
        arrived: At the house's bank.
    """

    redeeming: Redeeming
    fees: Counter[UUID] = field(default_factory=Counter)
    arrived: int = 0
    _guests: list[Person] = field(default_factory=list)
    _perks: list[tuple[Person, str, str]] = field(default_factory=list)

    def begin(self, year: Year) -> None:
        """Let every second merchant give a perk: some pay their invoices, some have them netted, one never pays."""
        installation = year.house.installation
        names = [f"guest:{number}" for number in range(GUESTS)]
        known = installation.database.run(
            lambda session: drivers.register(session, installation.ledger, names, year.now)
        )
        self._guests = [year.person(Role.DRIVER, known[name]) for name in names]
        year.drivers += self._guests
        for number, shop in enumerate(self.redeeming.shops[::2]):
            means = NEVER if number == 1 else (PAYS, NETS)[number % 4 == 2]
            owner = year.person(Role.MERCHANT_OWNER, shop.merchant_id)
            if means == NETS:
                client, headers = owner.caller.client, owner.caller.headers()
                agreed = client.put(
                    "/v1/merchant/settlement-terms", json={"nets_fees": True}, headers=headers
                )
                assert agreed.status_code == 200, agreed.text
            terms = {"kind": "perk", "title": "A coffee", "price_nova": None, "starts_at": BEGAN.isoformat()}
            perk = shop.manager.post("/v1/merchant/offers", terms)["id"]
            shop.manager.post(f"/v1/merchant/offers/{perk}/publish")
            self._perks.append((owner, perk, means))

    def day(self, year: Year) -> None:
        """Let a guest charge near all of them and claim a perk of one; pay what was invoiced."""
        if year.happens(40):
            self._claim(year)
        if year.number % 7 == 0:
            self._pay(year)

    def wait(self, year: Year) -> None:
        """Pay what is still invoiced; two people give up what is not paid."""
        self._pay(year)
        finance = year.ops[Role.OPS_FINANCE]
        for one in finance.every("/v1/ops/invoices", state="overdue"):
            asked = finance.post(f"/v1/ops/invoices/{one['id']}/write-off")
            path = f"/v1/ops/invoice-write-offs/{asked['approval_id']}/approve"
            given_up = year.person(Role.OPS_FINANCE).post(path)
            assert given_up["invoice"]["state"] == "written_off"
            year.happened["invoice written off"] += 1

    def check(self, year: Year) -> None:
        """Compare the invoices that merchants are shown with what was claimed and what they owe."""
        for owner, _perk, means in self._perks:
            files = [
                owner.get(f"/v1/merchant/invoices/{one['id']}")
                for one in owner.every("/v1/merchant/invoices")
            ]
            assert all(
                sum(line["amount"] for line in one["lines"]) == one["invoice"]["amount_minor"]
                for one in files
            )
            invoiced = sum(one["invoice"]["amount_minor"] for one in files)
            still = sum(one["open_minor"] for one in files)
            unbilled = self.fees[owner.tenant_id] - invoiced
            assert year.holds(merchant_receivable(owner.tenant_id))["posted"] == -(still + unbilled)
            assert unbilled == 0, "a claim of a month that is over is on no invoice"
            kinds = {payment["kind"] for one in files for payment in one["payments"]}
            year.happened.update(f"invoice by {kind}" for kind in kinds)
            assert means != NEVER or kinds <= {"write_off"}

    def _claim(self, year: Year) -> None:
        house, guest = year.house, year.dice.choice(self._guests)
        owner, perk, _means = year.dice.choice(self._perks)
        at: Caller = guest.caller
        session_id = charging_at(house, at, *HERE)
        answer = guest.try_to(f"/v1/offers/{perk}/claims", None)
        if answer.status_code == 201:
            self.fees[owner.tenant_id] += owner.get("/v1/merchant")["claim_fee_minor"]
            year.happened["perk claimed"] += 1
            again = guest.try_to(f"/v1/offers/{perk}/claims", None)
            assert again.json()["code"] == "already-claimed"
        else:
            # A merchant that does not pay for a month gives no perks any more.
            assert answer.status_code in {404, 409}, answer.text
            year.happened["perk of a merchant that is stopped"] += 1
        house.installation.database.run(
            lambda session: charging.close(session, session_id, ended_at=year.now, energy_wh=1)
        )

    def _pay(self, year: Year) -> None:
        finance = year.ops[Role.OPS_FINANCE]
        for owner, _perk, means in self._perks:
            if means != PAYS:
                continue
            unpaid: list[Any] = [
                one for one in owner.every("/v1/merchant/invoices") if one["state"] in {"open", "overdue"}
            ]
            for one in unpaid:
                amount = one["amount_minor"]
                for part in (amount - amount // 3, amount // 3):
                    body = {"reference": f"wire/{new_id()}", "amount_minor": part}
                    finance.post(f"/v1/ops/invoices/{one['id']}/payments", body)
                    self.arrived += part
