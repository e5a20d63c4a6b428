"""Campaigns are drafted, funded, paused, topped up, ended and closed; every cent of each is somewhere."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import select

from nerava.rewards.holdout import in_holdout
from nerava.rewards.model import RewardGrant
from nerava.rewards.rules import AnyRule, Fixed, MinimumEnergy, OffPeak, OffPeakBonus, PerKwh
from tests.e2e.year import MORNING, Chapter, Year

if TYPE_CHECKING:
    from tests.e2e.people import Person


@dataclass
class Plan:
    """One campaign: whose, and on which days what happens to it."""

    owner: Person
    campaign_id: str
    pauses: int
    ends: int
    is_closed: bool = False


@dataclass
class Campaigns(Chapter):
    """The campaigns, and what went into and out of them, in minor units."""

    plans: list[Plan] = field(default_factory=list)
    funded: Counter[UUID] = field(default_factory=Counter)
    given_back: Counter[UUID] = field(default_factory=Counter)
    granted: int = 0

    def day(self, year: Year) -> None:
        """Begin campaigns early in the year, then let happen to them what is due."""
        if year.number == 0:
            for number in range(year.size.campaigns):
                self.plans.append(self._begin(year, number))
        for plan in self.plans:
            path = f"/v1/campaigns/{plan.campaign_id}"
            if year.number == plan.pauses:
                assert plan.owner.post(f"{path}/pause")["state"] == "paused"
                self._fund(plan, 5_000)
            elif year.number == plan.pauses + 3:
                assert plan.owner.post(f"{path}/activate")["state"] == "active"
                year.happened["campaign resumed"] += 1
            elif year.number == plan.ends:
                assert plan.owner.post(f"{path}/end")["state"] == "ended"
            elif year.number > plan.ends and not plan.is_closed and year.number % 7 == 0:
                self._close(year, plan)

    def end(self, year: Year) -> None:
        """End what still runs; what waits for proof is released by its deadline."""
        for plan in self.plans:
            if year.number <= plan.ends or year.number < plan.pauses:
                plan.owner.post(f"/v1/campaigns/{plan.campaign_id}/end")

    def wait(self, year: Year) -> None:
        """Close what does not wait for proof any more."""
        for plan in self.plans:
            if not plan.is_closed:
                self._close(year, plan)

    def check(self, year: Year) -> None:
        """Compare the budgets that sponsors are shown with what was put in and came back."""
        assert all(plan.is_closed for plan in self.plans)
        self._held_out(year)
        for owner in year.sponsors:
            mine = [plan for plan in self.plans if plan.owner is owner]
            shown = {one["id"] for one in owner.every("/v1/campaigns")}
            assert shown == {plan.campaign_id for plan in mine}
            budgets = [owner.get(f"/v1/campaigns/{plan.campaign_id}/budget") for plan in mine]
            assert all(one["adds_up"] for one in budgets)
            assert sum(one["funded"] for one in budgets) == self.funded[owner.tenant_id]
            assert sum(one["refunded"] for one in budgets) == self.given_back[owner.tenant_id]
            for one in budgets:
                # What came back after a campaign was closed lies there until somebody closes it again.
                rest = one["left"] + one["fee_left"] + one["fee_earned"] + one["refunded"]
                given = one["granted"] + one["owed"]
                assert (one["held"], one["funded"]) == (0, given + rest)
                self.granted += given

    def _held_out(self, year: Year) -> None:
        """Have paid nobody who was held out, though they charged, and measured what that changed."""
        grants = year.house.installation.database.read(
            lambda session: session.execute(select(RewardGrant.campaign_id, RewardGrant.driver_id)).all()
        )
        charged = {driver_id for _, driver_id in grants}
        for plan in self.plans:
            campaign_id = UUID(plan.campaign_id)
            percent = plan.owner.get(f"/v1/campaigns/{campaign_id}")["terms"]["holdout_percent"]
            held = {one for one in charged if in_holdout(campaign_id, one, percent)}
            assert not held & {driver_id for owner_id, driver_id in grants if owner_id == campaign_id}
            year.happened["driver held out"] += len(held)
            if percent:
                lift = plan.owner.get(f"/v1/campaigns/{campaign_id}/incrementality")["lift"]
                year.happened["lift: too few" if lift["is_too_few"] else "lift: measured"] += 1

    def _begin(self, year: Year, number: int) -> Plan:
        owner = year.sponsors[number % len(year.sponsors)]
        days = year.size.days
        is_short = number % 4 == 2
        body: dict[str, Any] = {
            "name": f"Campaign {number}",
            "starts_at": year.at(0, MORNING).isoformat(),
            "ends_at": year.at(days + 30, MORNING).isoformat(),
            "stacking_group": ["energy", "night", None][number % 3],
            "evidence_min": 2,
            "settle_within_days": 14,
            "holdout_percent": 30 if number % 3 == 1 else 0,
            "points_expire_after_days": year.size.expires_days if number % 2 == 0 else None,
            "rules": [rule.model_dump(mode="json") for rule in _rules(number)],
        }
        drafted = owner.post("/v1/campaigns", body)
        plan = Plan(
            owner,
            drafted["id"],
            pauses=3 + 4 * (number % 5),
            ends=days // 2 + number if is_short else days - 15 + number % 10,
        )
        # Some run dry, so that there are sessions for which nothing is left.
        self._fund(plan, 7_000 if number % 5 == 1 else 300_003 + 1_111 * number)
        owner.post(f"/v1/campaigns/{plan.campaign_id}/activate")
        return plan

    def _fund(self, plan: Plan, gross: int) -> None:
        plan.owner.post(f"/v1/campaigns/{plan.campaign_id}/fundings", {"gross_minor": gross})
        self.funded[plan.owner.tenant_id] += gross

    def _close(self, year: Year, plan: Plan) -> None:
        answer = plan.owner.try_to(f"/v1/campaigns/{plan.campaign_id}/close")
        if answer.status_code == 409:
            code = answer.json()["code"]
            year.happened[f"not closed: {code}"] += 1
            plan.is_closed = code == "insufficient-funds"
            return
        assert answer.status_code in {200, 201}, answer.text
        closed = answer.json()
        self.given_back[plan.owner.tenant_id] += closed["budget_minor"] + closed["fee_refunded_minor"]
        year.happened["campaign closed"] += 1
        plan.is_closed = True


def _rules(number: int) -> list[AnyRule]:
    match number % 3:
        case 0:
            return [PerKwh(points_per_kwh=2 + number % 4), MinimumEnergy(energy_wh=1_000)]
        case 1:
            return [OffPeakBonus(from_time=time(22), until_time=time(6), points=25 + number)]
        case _ if number % 2:
            return [OffPeak(from_time=time(20), until_time=time(5), points_per_kwh=1 + number % 3)]
        case _:
            return [Fixed(points=40 + number)]
