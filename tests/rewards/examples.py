"""Sessions, campaigns and histories that tests of rewards are made of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from nerava.charging.evidence import EvidencedSession, SessionPrice
from nerava.grid.carbon import CarbonFacts, Signal, Stretch
from nerava.grid.facts import GridFacts
from nerava.grid.tariffs import PeriodSpan, TariffFacts, TariffName
from nerava.kernel.ids import fact_id
from nerava.kernel.money import FeeRate
from nerava.rewards.evaluation import NO_FEE, RunningCampaign
from nerava.rewards.past import Past
from nerava.rewards.rules import AnyRule, Fixed
from nerava.rewards.terms import CampaignTerms

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HERE = fact_id("location:here")
ELSEWHERE = fact_id("location:elsewhere")
ALICE = fact_id("driver:alice")
ZONES = (
    "America/Chicago",
    "America/Phoenix",
    "Australia/Lord_Howe",
    "Europe/London",
    "Asia/Kolkata",
    "Pacific/Chatham",
    "UTC",
)


def session(**changes: Any) -> EvidencedSession:
    """Return a plain good session: an hour from noon, 10 kWh, a charge detail record."""
    started_at = changes.pop("started_at", NOON)
    minutes = changes.pop("minutes", 60)
    values: dict[str, Any] = {
        "id": fact_id("session:1"),
        "source": "test",
        "reference": "1",
        "driver_id": ALICE,
        "location_id": HERE,
        "connector_id": None,
        "timezone": "America/Chicago",
        "started_at": started_at,
        "ended_at": started_at + timedelta(minutes=minutes),
        "energy_wh": 10_000,
        "power_w_max": 50_000,
        "evidence_level": 4,
        "score": 95,
    }
    return EvidencedSession(**values | changes)


def terms(*rules: AnyRule, **changes: Any) -> CampaignTerms:
    """Return terms that let any session of the century earn by the rules, 40 points without rules."""
    values: dict[str, Any] = {
        "name": "Example",
        "starts_at": datetime(2000, 1, 1, tzinfo=UTC),
        "ends_at": datetime(2100, 1, 1, tzinfo=UTC),
        "rules": rules or (Fixed(points=40),),
    }
    return CampaignTerms(**values | changes)


def running(*rules: AnyRule, name: str = "a", fee_rate: FeeRate = NO_FEE, **changes: Any) -> RunningCampaign:
    """Return such a campaign, ready to judge; its id follows from its name."""
    return RunningCampaign(campaign_id(name), terms(*rules, **changes), fee_rate)


def campaign_id(name: str) -> UUID:
    """Return the id of the example campaign with this name."""
    return fact_id(f"campaign:{name}")


_INSTANTS = st.datetimes(
    min_value=datetime(2019, 1, 1), max_value=datetime(2027, 12, 31), timezones=st.just(UTC)
)


def pasts() -> st.SearchStrategy[Past]:
    """Draw what a driver may have done before."""
    return st.builds(
        Past,
        st.integers(0, 20),
        st.integers(-1, 400),
        st.integers(1, 60),
        st.integers(1, 60),
        st.integers(0, 2_000),
        st.integers(0, 10_000),
        grid=grids(),
    )


_SECONDS = st.integers(int(datetime(2019, 1, 1, tzinfo=UTC).timestamp()), 1_830_297_600)


@st.composite
def grids(draw: st.DrawFn) -> GridFacts:
    """Draw what the grid may have done in these years, with gaps, or that nobody knows."""
    edges = sorted(draw(st.lists(_SECONDS, max_size=6, unique=True)))
    parts = list(pairwise(edges))[:: draw(st.sampled_from((1, 2)))]
    stretches = tuple(Stretch(*part, draw(st.integers(0, 3_000_000))) for part in parts)
    spans = tuple(PeriodSpan(*part, draw(st.integers(0, 3)), "v1") for part in parts)
    carbon = {
        signal: CarbonFacts("test:NORTH", draw(st.booleans()), stretches)
        for signal in draw(st.sets(st.sampled_from(Signal)))
    }
    return GridFacts(carbon, {TariffName("Edison", "EV"): TariffFacts(spans)} if spans else {})


@st.composite
def sessions(draw: st.DrawFn) -> EvidencedSession:
    """Draw sessions of any length up to a week, anywhere, proven or not."""
    started_at = draw(_INSTANTS)
    return session(
        id=fact_id(f"session:{draw(st.integers(0, 9))}"),
        started_at=started_at,
        ended_at=started_at + draw(st.timedeltas(timedelta(0), timedelta(days=7))),
        energy_wh=draw(st.integers(0, 200_000)),
        timezone=draw(st.sampled_from(ZONES)),
        location_id=draw(st.sampled_from((HERE, ELSEWHERE))),
        power_w_max=draw(st.none() | st.integers(1, 400_000)),
        evidence_level=draw(st.integers(0, 5)),
        score=draw(st.integers(0, 100)),
        under_review=draw(st.booleans()),
        price=draw(
            st.none() | st.builds(SessionPrice, st.integers(0, 10**9), st.sampled_from(("USD", "JPY")))
        ),
        latitude=(latitude := draw(st.none() | st.floats(-90, 90))),
        longitude=None if latitude is None else draw(st.floats(-180, 180)),
    )
