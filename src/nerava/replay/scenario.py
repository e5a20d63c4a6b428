"""Who pays in a replay: invented sponsors and campaigns, the same at every run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Final

from nerava.kernel.ids import fact_id
from nerava.ledger.installing import install
from nerava.rewards import campaigns
from nerava.rewards.rules import Fixed, MinimumEnergy, MinimumMinutes, OffPeak, OffPeakBonus, PerKwh
from nerava.rewards.terms import CampaignTerms

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.ledger import Ledger
    from nerava.rewards.rules import AnyRule

ALWAYS: Final = (datetime(2010, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
PROVIDER: Final = "bank"


@dataclass(frozen=True, slots=True)
class Plan:
    """One campaign and the money it is given, gross, in minor units."""

    terms: CampaignTerms
    gross: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """A sponsor by name, and the campaigns that this sponsor pays for."""

    sponsor: str
    plans: tuple[Plan, ...]


def demo_campaigns(currency: str) -> Scenario:
    """Return the three campaigns of the demo: energy by day, a night bonus, and a small one that runs dry."""
    return Scenario(
        "Sunrise Utility (invented)",
        (
            _energy("Charge and earn", currency, cap=400),
            _night_bonus("Night shift bonus", currency),
            _welcome("Welcome, first come first served", currency),
        ),
    )


def twenty_campaigns(currency: str) -> Scenario:
    """Return twenty campaigns that overlap, compete for sessions and partly run dry.

    None has the name of one of the demo's: both may run in one database, and tables show names.
    """
    plans = [
        _energy("Every kWh counts", currency, group="energy"),
        _night_bonus("Owl bonus", currency, group="night"),
        _welcome("First charge, while it lasts", currency),
    ]
    for number in range(1, 9):
        rules: tuple[AnyRule, ...] = (PerKwh(points_per_kwh=number), _least(1_000 * number))
        plans.append(
            _plan(f"Energy tier {number}", 4_000_00 * number, *rules, currency=currency, group="energy")
        )
    for number in range(1, 6):
        until = time(4 + number)
        rule = OffPeak(from_time=time(20 + number % 3), until_time=until, points_per_kwh=3 + number)
        plans.append(
            _plan(f"Night energy {number}", 1_500_00, rule, currency=currency, group="night", day_cap=300)
        )
    for number in range(1, 5):
        weekend = PerKwh(points_per_kwh=1 + number)
        plans.append(
            _plan(
                f"Big charge {number}",
                800_00,
                weekend,
                _least(15_000 + 5_000 * number),
                currency=currency,
                group="energy",
            )
        )
    return Scenario("Replay Fund (invented)", tuple(plans))


SCENARIOS: Final = {3: demo_campaigns, 20: twenty_campaigns}
"""By the number of campaigns."""


def ready(session: Session, ledger: Ledger, scenario: Scenario, now: datetime) -> UUID:
    """Install the house and make the campaigns active and funded; return the sponsor. Repeats safely.

    In one transaction, so that a scenario is there whole or not at all.
    """
    currency = scenario.plans[0].terms.currency
    install(session, ledger, currency)
    known = campaigns.find_sponsor(session, scenario.sponsor)
    if known is not None:
        return known
    sponsor = campaigns.create_sponsor(session, ledger, name=scenario.sponsor, currency=currency, now=now)
    gross = sum(plan.gross for plan in scenario.plans)
    fact = f"replay:{scenario.sponsor}"
    campaigns.deposit(session, ledger, sponsor, gross=gross, provider=PROVIDER, checkout_id=fact)
    for plan in scenario.plans:
        campaign = campaigns.create_campaign(session, ledger, sponsor, plan.terms, now)
        funding = fact_id(f"{fact}:{plan.terms.name}")
        campaigns.fund_campaign(session, ledger, campaign, gross=plan.gross, funding_id=funding, now=now)
        campaigns.activate(session, campaign)
    return sponsor


def _least(energy_wh: int) -> MinimumEnergy:
    return MinimumEnergy(energy_wh=energy_wh)


def _energy(name: str, currency: str, *, group: str | None = None, cap: int | None = None) -> Plan:
    rules = (PerKwh(points_per_kwh=2), _least(1_000))
    return _plan(name, 60_000_00, *rules, currency=currency, group=group, cap=cap)


def _night_bonus(name: str, currency: str, *, group: str | None = None) -> Plan:
    bonus = OffPeakBonus(from_time=time(22), until_time=time(6), points=25)
    return _plan(name, 9_000_00, bonus, currency=currency, group=group, day_cap=25)


def _welcome(name: str, currency: str) -> Plan:
    rules = (Fixed(points=200), MinimumMinutes(minutes=15), _least(2_000))
    return _plan(name, 500_00, *rules, currency=currency, driver_cap=200)


def _plan(
    name: str,
    gross: int,
    *rules: AnyRule,
    currency: str,
    group: str | None = None,
    cap: int | None = None,
    day_cap: int | None = None,
    driver_cap: int | None = None,
) -> Plan:
    starts_at, ends_at = ALWAYS
    terms = CampaignTerms(
        name=name,
        currency=currency,
        starts_at=starts_at,
        ends_at=ends_at,
        stacking_group=group,
        evidence_min=2,
        points_expire_after_days=365,
        session_points_max=cap,
        driver_day_points_max=day_cap,
        driver_points_max=driver_cap,
        rules=rules,
    )
    return Plan(terms, gross)
