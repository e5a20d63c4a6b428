"""The table of examples that every earning rule is checked by."""

from __future__ import annotations

from datetime import UTC, datetime, time

from nerava.charging.evidence import EvidencedSession, SessionPrice
from nerava.grid.carbon import CarbonFacts, Signal, Stretch
from nerava.grid.facts import GridFacts
from nerava.grid.tariffs import PeriodSpan, TariffFacts
from nerava.rewards.past import SOMEBODY_NEW, Past
from nerava.rewards.rules import (
    Answer,
    AnyRule,
    ConnectorPower,
    FirstSessions,
    Fixed,
    GridCarbon,
    Judgement,
    Locations,
    MinimumEnergy,
    MinimumMinutes,
    Multiplier,
    Networks,
    NewDriver,
    OffPeak,
    OffPeakBonus,
    PastRule,
    PercentOfPrice,
    PerKwh,
    PurchaseMatch,
    Streak,
    TariffPeriod,
    Tier,
    Zone,
)
from tests.rewards.examples import ELSEWHERE, HERE, NOON, session

LOOP = ((41.8, -87.7), (42.0, -87.7), (42.0, -87.5), (41.8, -87.5))
NIGHT = {"from_time": time(22), "until_time": time(6)}
# Noon in UTC is 6:00 in Chicago in winter; 11:00 UTC is 5:00, the last hour of the night.
NIGHT_OUT = datetime(2026, 3, 2, 11, 0, tzinfo=UTC)

CLEAN = GridCarbon(below_g_per_kwh=200, points_per_kwh=10)
BACK = PercentOfPrice(price_bps=250, points_max=50)
CHEAP = TariffPeriod(utility="Edison", tariff="EV", periods=frozenset({0, 2}), points_per_kwh=5)


def grid(*grams: int | None) -> Past:
    """Return a past in which the hour of the session had so many grams, in equal parts; None is a gap."""
    length = 3_600 // len(grams)
    noon = int(NOON.timestamp())
    stretches = tuple(
        Stretch(noon + number * length, noon + (number + 1) * length, value * 1_000)
        for number, value in enumerate(grams)
        if value is not None
    )
    return Past(grid=GridFacts({Signal.MARGINAL: CarbonFacts("test:NORTH", True, stretches)}))


def priced(*periods: int) -> Past:
    """Return a past in which the hour of the session had these periods, in equal parts."""
    length = 3_600 // max(1, len(periods))
    noon = int(NOON.timestamp())
    spans = tuple(
        PeriodSpan(noon + number * length, noon + (number + 1) * length, period, "v1")
        for number, period in enumerate(periods)
    )
    return Past(grid=GridFacts(tariffs={CHEAP.called: TariffFacts(spans)}))


EXAMPLES: list[tuple[AnyRule, EvidencedSession, Answer, str, int]] = [
    (Fixed(points=40), session(), Answer.EARNED, "fixed.session", 40),
    (PerKwh(points_per_kwh=3), session(energy_wh=10_999), Answer.EARNED, "per_kwh.energy", 32),
    (PerKwh(points_per_kwh=3), session(energy_wh=334), Answer.EARNED, "per_kwh.energy", 1),
    (PerKwh(points_per_kwh=3), session(energy_wh=333), Answer.REFUSED, "per_kwh.too_little", 0),
    (
        OffPeak(points_per_kwh=5, **NIGHT),
        session(started_at=NIGHT_OUT, minutes=120),
        Answer.EARNED,
        "off_peak.energy",
        25,
    ),
    (
        OffPeak(points_per_kwh=5, **NIGHT),
        session(started_at=NIGHT_OUT, minutes=60),
        Answer.EARNED,
        "off_peak.energy",
        50,
    ),
    (OffPeak(points_per_kwh=5, **NIGHT), session(), Answer.REFUSED, "off_peak.outside", 0),
    (BACK, session(price=SessionPrice(1_239, "USD")), Answer.EARNED, "percent_of_price.share", 30),
    (BACK, session(price=SessionPrice(2_000, "USD")), Answer.EARNED, "percent_of_price.share", 50),
    (BACK, session(price=SessionPrice(2_040, "USD")), Answer.EARNED, "percent_of_price.most", 50),
    (BACK, session(price=SessionPrice(39, "USD")), Answer.REFUSED, "percent_of_price.too_little", 0),
    (BACK, session(price=SessionPrice(0, "USD")), Answer.REFUSED, "percent_of_price.free", 0),
    (BACK, session(), Answer.REFUSED, "percent_of_price.not_known", 0),
    (BACK, session(price=SessionPrice(1_239, "EUR")), Answer.REFUSED, "percent_of_price.other_currency", 0),
    (
        OffPeak(points_per_kwh=5, **NIGHT),
        session(started_at=NIGHT_OUT, energy_wh=199),
        Answer.REFUSED,
        "off_peak.too_little",
        0,
    ),
    (
        OffPeak(points_per_kwh=5, from_time=time(0), until_time=time(0)),
        session(),
        Answer.EARNED,
        "off_peak.energy",
        50,
    ),
    (
        OffPeak(points_per_kwh=5, weekdays=(1,), from_time=time(0), until_time=time(0)),
        session(),
        Answer.EARNED,
        "off_peak.energy",
        50,
    ),
    (
        OffPeak(points_per_kwh=5, weekdays=(2, 7), from_time=time(0), until_time=time(0)),
        session(),
        Answer.REFUSED,
        "off_peak.outside",
        0,
    ),
    (
        OffPeakBonus(points=25, **NIGHT),
        session(started_at=NIGHT_OUT, minutes=120),
        Answer.EARNED,
        "off_peak_bonus.mostly_inside",
        25,
    ),
    (
        OffPeakBonus(points=25, **NIGHT),
        session(started_at=NIGHT_OUT, minutes=121),
        Answer.REFUSED,
        "off_peak_bonus.too_little_inside",
        0,
    ),
    (
        OffPeakBonus(points=25, share_percent_min=1, **NIGHT),
        session(energy_wh=0),
        Answer.REFUSED,
        "off_peak_bonus.too_little_inside",
        0,
    ),
    (MinimumEnergy(energy_wh=10_000), session(), Answer.PASSED, "minimum_energy.enough", 0),
    (
        MinimumEnergy(energy_wh=10_000),
        session(energy_wh=9_999),
        Answer.REFUSED,
        "minimum_energy.too_little",
        0,
    ),
    (MinimumMinutes(minutes=60), session(), Answer.PASSED, "minimum_minutes.enough", 0),
    (MinimumMinutes(minutes=60), session(minutes=59.999), Answer.REFUSED, "minimum_minutes.too_short", 0),
    (ConnectorPower(least_w=50_000), session(), Answer.PASSED, "connector_power.right", 0),
    (ConnectorPower(least_w=50_001), session(), Answer.REFUSED, "connector_power.too_weak", 0),
    (ConnectorPower(most_w=50_000), session(), Answer.PASSED, "connector_power.right", 0),
    (ConnectorPower(most_w=49_999), session(), Answer.REFUSED, "connector_power.too_strong", 0),
    (ConnectorPower(most_w=1), session(power_w_max=None), Answer.REFUSED, "connector_power.unknown", 0),
    (Locations(location_ids=frozenset({HERE})), session(), Answer.PASSED, "locations.listed", 0),
    (Locations(location_ids=frozenset({ELSEWHERE})), session(), Answer.REFUSED, "locations.elsewhere", 0),
    (Networks(sources=frozenset({"test"})), session(), Answer.PASSED, "networks.listed", 0),
    (Networks(sources=frozenset({"ocpi:DE-ABC"})), session(), Answer.REFUSED, "networks.elsewhere", 0),
    (Zone(corners=LOOP), session(latitude=41.9, longitude=-87.6), Answer.PASSED, "zone.inside", 0),
    (Zone(corners=LOOP), session(latitude=41.8, longitude=-87.7), Answer.PASSED, "zone.inside", 0),
    (Zone(corners=LOOP), session(latitude=42.0, longitude=-87.6), Answer.REFUSED, "zone.outside", 0),
    (Zone(corners=LOOP), session(latitude=41.9, longitude=-87.5), Answer.REFUSED, "zone.outside", 0),
    (Zone(corners=LOOP), session(), Answer.REFUSED, "zone.unknown", 0),
]

PAST_EXAMPLES: list[tuple[AnyRule, Past, Answer, str, int]] = [
    (FirstSessions(count=3), Past(sessions_granted=2), Answer.PASSED, "first_sessions.within", 0),
    (FirstSessions(count=3), Past(sessions_granted=3), Answer.REFUSED, "first_sessions.over", 0),
    (NewDriver(days=30), SOMEBODY_NEW, Answer.PASSED, "new_driver.first", 0),
    (NewDriver(days=30), Past(days_since_first=29), Answer.PASSED, "new_driver.new", 0),
    (NewDriver(days=30), Past(days_since_first=30), Answer.REFUSED, "new_driver.known", 0),
    (Streak(length=3, unit="days"), Past(run_days=3), Answer.PASSED, "streak.kept", 0),
    (Streak(length=3, unit="days"), Past(run_days=2, run_weeks=9), Answer.REFUSED, "streak.short", 0),
    (Streak(length=3), Past(run_days=1, run_weeks=4), Answer.PASSED, "streak.kept", 0),
    (Streak(length=3), Past(run_days=9, run_weeks=2), Answer.REFUSED, "streak.short", 0),
    (
        PurchaseMatch(),
        Past(purchase_seconds=1_800, purchase_m=120, purchase_minor=1),
        Answer.PASSED,
        "purchase_match.near",
        0,
    ),
    (PurchaseMatch(), SOMEBODY_NEW, Answer.REFUSED, "purchase_match.none", 0),
    (PurchaseMatch(), Past(purchase_seconds=1_801), Answer.REFUSED, "purchase_match.too_far", 0),
    (
        PurchaseMatch(),
        Past(purchase_seconds=0, purchase_m=121),
        Answer.REFUSED,
        "purchase_match.too_far",
        0,
    ),
    (
        PurchaseMatch(least_minor=500),
        Past(purchase_seconds=0, purchase_minor=499),
        Answer.REFUSED,
        "purchase_match.too_small",
        0,
    ),
    (CLEAN, grid(199, 200), Answer.EARNED, "grid_carbon.energy", 50),
    (CLEAN, grid(200, 199, None), Answer.EARNED, "grid_carbon.energy_partly_known", 33),
    (CLEAN, grid(200, 250), Answer.REFUSED, "grid_carbon.dirtier", 0),
    (CLEAN, grid(250, None), Answer.REFUSED, "grid_carbon.dirtier", 0),
    (CLEAN, grid(None, None), Answer.REFUSED, "grid_carbon.not_known", 0),
    (CLEAN, SOMEBODY_NEW, Answer.REFUSED, "grid_carbon.not_known", 0),
    (CLEAN, grid(0, *(600,) * 599), Answer.REFUSED, "grid_carbon.too_little", 0),
    (CHEAP, priced(0, 1), Answer.EARNED, "tariff_period.energy", 25),
    (CHEAP, priced(2, 0), Answer.EARNED, "tariff_period.energy", 50),
    (CHEAP, priced(1, 1), Answer.REFUSED, "tariff_period.outside", 0),
    (CHEAP, priced(), Answer.REFUSED, "tariff_period.not_known", 0),
    (CHEAP, SOMEBODY_NEW, Answer.REFUSED, "tariff_period.not_known", 0),
    (CHEAP, priced(0, *(1,) * 599), Answer.REFUSED, "tariff_period.too_little", 0),
    (Tier(least="gold"), Past(year_points=300), Answer.PASSED, "tier.reached", 0),
    (Tier(least="gold"), Past(year_points=299), Answer.REFUSED, "tier.below", 0),
    (Multiplier(percent=150), Past(earned=33), Answer.EARNED, "multiplier.more", 16),
    (Multiplier(percent=150), Past(earned=1), Answer.REFUSED, "multiplier.nothing", 0),
    (
        Multiplier(percent=200, least_tier="platinum"),
        Past(earned=33, year_points=700),
        Answer.EARNED,
        "multiplier.more",
        33,
    ),
    (
        Multiplier(percent=200, least_tier="platinum"),
        Past(earned=33, year_points=699),
        Answer.REFUSED,
        "multiplier.below",
        0,
    ),
]
"""Rules that ask what the driver did before, for a plain good session."""

RULES = [rule for rule, *_ in EXAMPLES] + [rule for rule, *_ in PAST_EXAMPLES]


def answer_of(rule: AnyRule, one: EvidencedSession, past: Past = SOMEBODY_NEW) -> Judgement:
    """Return a rule's answer; only those that ask are told the past."""
    return rule.judge(one, past) if isinstance(rule, PastRule) else rule.judge(one)
