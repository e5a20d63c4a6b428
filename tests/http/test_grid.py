"""A sponsor pays for clean energy; the driver is told what the grid emitted, or that it is waited for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from nerava.grid.bringing import bring_series
from nerava.identity.roles import Role
from nerava.kernel.clock import FixedClock
from nerava.kernel.outcomes import Ok
from tests.grid.test_keeping import Told
from tests.http.conftest import House, opened_house
from tests.http.flows import STARTED, as_driver, campaign, partner_session, sponsor, terms, work_off
from tests.http.test_problems import assert_problem
from tests.http.test_sessions import sent
from tests.rewards.grid_house import series

CLEAN = {"kind": "grid_carbon", "below_g_per_kwh": 200, "points_per_kwh": 10}


@pytest.fixture
def clock() -> FixedClock:
    """Two hours after the session began."""
    return FixedClock(STARTED + timedelta(hours=2))


@pytest.fixture
def house(url: str, tmp_path: Path, clock: FixedClock) -> Iterator[House]:
    """A house whose clock the test moves."""
    with opened_house(url, tmp_path, clock) as opened:
        yield opened


def test_a_driver_is_told_what_is_waited_for_and_then_what_the_grid_emitted(
    house: House, clock: FixedClock
) -> None:
    campaign(sponsor(house, 1_000), 1_000, rules=[CLEAN])
    stored = sent(
        house.caller(Role.PARTNER),
        partner_session(),
        "cdrs",
    )
    driver = as_driver(house, UUID(stored["driver_id"]))
    path = f"/v1/sessions/{stored['session_id']}/decision"
    work_off(house)
    [waiting] = driver.get(path).json()["campaigns"]
    assert (waiting["code"], waiting["points"]) == ("grid.waiting", 0)

    installation = house.installation
    source = Told(says=Ok(series(100, 300, since=STARTED)))
    span = STARTED, STARTED + timedelta(hours=2)
    now = installation.clock.now()
    brought = bring_series(installation.database, source, "NORTH", span, now)
    assert brought is not None
    assert (brought.values, brought.sites) == (2, 1)
    clock.move_to(now + timedelta(minutes=15))
    work_off(house)

    driver = as_driver(house, UUID(stored["driver_id"]))
    decision = driver.get(path).json()
    assert (decision["evaluation"], decision["points"]) == (2, 50)
    [carbon] = decision["carbon"]
    assert (carbon["region"], carbon["carbon_g"], carbon["known_seconds"]) == ("test:NORTH", 2_000, 3_600)
    assert carbon["intervals"][0]["mg_per_kwh"] == 100_000
    assert driver.get("/v1/wallet").json()["posted"] == 50
    assert house.findings() == []


def test_a_campaign_that_could_not_wait_for_the_grid_or_names_no_signal_is_refused_by_name(
    house: House,
) -> None:
    owner = sponsor(house)
    short = owner.post("/v1/campaigns", terms(rules=[CLEAN], settle_within_days=7))
    mixed = owner.post("/v1/campaigns", terms(rules=[CLEAN | {"signal": "both"}]))

    for answer in (short, mixed):
        assert_problem(answer, 422, "invalid-input")
    assert "longer than 7 days" in short.text
    assert "signal" in mixed.text
