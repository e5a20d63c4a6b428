"""The table of examples that every earning rule is checked by."""

from __future__ import annotations

from datetime import UTC, datetime, time

from nerava.charging.evidence import EvidencedSession
from nerava.rewards.rules import (
    Answer,
    AnyRule,
    ConnectorPower,
    Fixed,
    Locations,
    MinimumEnergy,
    MinimumMinutes,
    OffPeak,
    OffPeakBonus,
    PerKwh,
)
from tests.rewards.examples import ELSEWHERE, HERE, session

NIGHT = {"from_time": time(22), "until_time": time(6)}
# Noon in UTC is 6:00 in Chicago in winter; 11:00 UTC is 5:00, the last hour of the night.
NIGHT_OUT = datetime(2026, 3, 2, 11, 0, tzinfo=UTC)

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
]

RULES = [rule for rule, *_ in EXAMPLES]
