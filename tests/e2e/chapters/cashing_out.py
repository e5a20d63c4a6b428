"""Drivers cash out; banks refuse one in seven, and one call in twenty is never answered."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from nerava.identity.roles import Role
from nerava.payouts.rules import AMOUNT_MIN, WEEK_MAX
from nerava.settings import PayoutSettings
from tests.e2e.books import those_with
from tests.e2e.year import Chapter, Year

if TYPE_CHECKING:
    from tests.e2e.people import Person

FEE = PayoutSettings().fee_minor
FAILS_PERCENT = 15
FATES = ("fail:could_not_process", "fail_after_paid:could_not_process", "fail:account_closed")
OVER = {"paid", "failed", "returned", "canceled"}


@dataclass
class CashingOut(Chapter):
    """Who is paid, and what left, amount and fee, by driver."""

    left: Counter[UUID] = field(default_factory=Counter)
    reached_banks: int = 0
    _payees: dict[UUID, tuple[Person, str, str]] = field(default_factory=dict)

    def begin(self, year: Year) -> None:
        """Let some drivers say where they are paid, then let calls get lost."""
        for driver in year.drivers[: year.size.payees]:
            driver.settle_in()
            opened = driver.post("/v1/payout-methods")
            account = year.world.stripe.objects("account")[-1]
            assert account["metadata"]["reference"] == opened["method"]["id"]
            year.world.stripe.verify(account["id"])
            self._payees[driver.tenant_id] = (driver, opened["method"]["id"], account["id"])
        faults = year.world.faults
        for path in ("*transfers", "*payouts"):
            faults.add("answer_lost", provider="stripe", method="POST", path=path, probability=0.05)
            faults.add("status", provider="stripe", method="POST", path=path, probability=0.02, status=503)

    def day(self, year: Year) -> None:
        """Ask on Tuesdays and Fridays; finance lets go what was asked for, the unusual after a look."""
        if year.now.weekday() in {1, 4}:
            rich = those_with(year, AMOUNT_MIN + FEE, year.size.cashouts, among=set(self._payees))
            for driver, available in rich:
                self._ask(year, driver, min(available - FEE, WEEK_MAX // 4))
        if year.number % 3 == 0:
            self._let_go(year)
        for _driver, _method, account in self._payees.values():
            if year.number % 14 == 0:
                self._mend(year, account)

    def end(self, year: Year) -> None:
        """Let the last ones go; from now on every call is answered."""
        year.world.faults.heal()
        self._let_go(year)

    def wait(self, year: Year) -> None:
        """Let go what merchants are settled with at the end of the last months."""
        self._let_go(year)

    def check(self, year: Year) -> None:
        """Compare the payouts that drivers are shown with what their banks have."""
        at_banks = [one for one in year.world.stripe.objects("payout") if one["status"] == "paid"]
        for driver, _method, _account in self._payees.values():
            shown = driver.every("/v1/payouts")
            assert {one["state"] for one in shown} <= OVER, shown
            year.happened.update(f"payout: {one['state']}" for one in shown)
            paid = [one for one in shown if one["state"] == "paid"]
            self.left[driver.tenant_id] = sum(one["amount_minor"] + one["fee_minor"] for one in paid)
            mine = {one["id"] for one in shown}
            banked = sum(one["amount"] for one in at_banks if one["metadata"]["payout"] in mine)
            assert banked == sum(one["amount_minor"] for one in paid)
            self.reached_banks += banked

    def _ask(self, year: Year, driver: Person, most: int) -> None:
        amount = AMOUNT_MIN + year.dice.randrange(most - AMOUNT_MIN + 1)
        _driver, method_id, account = self._payees[driver.tenant_id]
        body = {"method_id": method_id, "amount_minor": amount, "fee_minor": FEE}
        answer = driver.try_to("/v1/payouts", body)
        if answer.status_code == 409:
            year.happened[f"cash-out refused: {answer.json()['code']}"] += 1
            return
        assert answer.status_code == 202, answer.text
        year.happened["cash-out asked"] += 1
        is_first = year.happened["cash-out asked"] == 1
        if is_first or year.happens(FAILS_PERCENT):
            fate = FATES[0] if is_first else year.dice.choice(FATES)
            year.world.stripe.decide("payout", fate, about=account)
            year.happened["cash-out that the bank refuses"] += 1
        elif year.happens(5):
            driver.post(f"/v1/payouts/{answer.json()['id']}/cancel")

    def _let_go(self, year: Year) -> None:
        finance = year.ops[Role.OPS_FINANCE]
        if not hasattr(self, "_others"):
            self._others = [year.person(Role.OPS_FINANCE) for _ in range(2)]
        maker, checker = self._others
        for one in finance.every("/v1/ops/payouts", show="flagged"):
            finance.post(f"/v1/ops/payouts/{one['id']}/review", {"reason": "looked at"})
            year.happened[f"reviewed: {one['flags'][0]}"] += 1
        waiting = [
            one["id"]
            for one in finance.every("/v1/ops/payouts", show="waiting")
            if one["hold_until"] is None or one["hold_until"] <= year.now.isoformat()
        ]
        for start in range(0, len(waiting), 50):
            body = {"payout_ids": waiting[start : start + 50]}
            batch = maker.post("/v1/ops/payout-batches", body)
            checker.post(f"/v1/ops/payout-batches/{batch['id']}/approve")
            year.happened["batch let go"] += 1

    def _mend(self, year: Year, account: str) -> None:
        """Name another bank account where one was closed."""
        found = next(one for one in year.world.stripe.objects("account") if one["id"] == account)
        if not found["payouts_enabled"]:
            year.world.stripe.change_bank(account)
            year.happened["bank changed"] += 1
