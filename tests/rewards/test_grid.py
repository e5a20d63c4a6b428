"""Campaigns that ask what the grid did: they wait for settled values, and a correction is posted."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from nerava.charging.model import ChargingSession
from nerava.grid.carbon import Signal
from nerava.rewards.dry_running import FOR_REQUESTS, Question, dry_run
from nerava.rewards.evaluation import History
from nerava.rewards.grid_reading import kept_with
from nerava.rewards.past import Past
from nerava.rewards.rules import Fixed, GridCarbon
from tests.rewards.examples import running, session
from tests.rewards.grid_house import AVERAGE, NORTH, SOUTH, editions, lies_in, look, series, told
from tests.rewards.house import START

if TYPE_CHECKING:
    from tests.rewards.house import House

CLEAN = GridCarbon(below_g_per_kwh=200, points_per_kwh=10)

pytestmark = pytest.mark.in_turn


def test_the_energy_inside_the_clean_intervals_earns_and_the_decision_keeps_what_it_read(
    house: House,
) -> None:
    lies_in(house)
    told(house, series(199, 200))
    paying = house.campaign(CLEAN)
    charged = house.charged()

    house.evaluate()

    assert house.money(paying).granted == 50
    kept = house.database.read(lambda session: kept_with(session, charged, 1))
    assert kept is not None
    facts = kept.carbon[Signal.MARGINAL]
    assert (facts.region, [one.mg_per_kwh for one in facts.stretches]) == ("test:NORTH", [199_000, 200_000])
    again = running(CLEAN).earns(session(started_at=START), History(past=Past(grid=kept)))
    assert again.points == 50
    [carbon] = house.explain(charged).carbon
    assert (carbon.signal, carbon.region, carbon.carbon_g) == ("marginal", "test:NORTH", 1_995)
    assert (carbon.known_seconds, carbon.seconds, carbon.is_final) == (3_600, 3_600, True)
    assert [one.starts_at for one in carbon.intervals] == [START, START + timedelta(minutes=30)]
    [rule] = house.explain(charged).campaigns[0].rules
    assert rule.text == (
        "5 kWh while the grid of test:NORTH emitted less than 200 g CO2 per kWh (marginal), "
        "at 10 points per kWh."
    )


@pytest.mark.trap("G4")
def test_a_campaign_waits_for_settled_values_and_no_forecast_earns(house: House) -> None:
    lies_in(house)
    told(house, series(100, 100, is_settled=False))
    paying, plain = house.campaign(CLEAN), house.campaign(Fixed(points=7))
    charged = house.charged()

    house.evaluate()
    assert (house.money(paying).granted, house.money(plain).granted) == (0, 7)
    assert [one.code for one in house.explain(charged).campaigns if one.points == 0] == ["grid.waiting"]

    told(house, series(100, 300))
    assert look(house) == 1

    assert (house.money(paying).granted, house.money(plain).granted) == (50, 7)
    assert look(house) == 0


@pytest.mark.trap("G4")
def test_a_settled_value_that_is_corrected_is_an_edition_and_the_difference_is_taken_back(
    house: House,
) -> None:
    lies_in(house)
    told(house, series(100, 100))
    paying = house.campaign(CLEAN)
    charged = house.charged()
    house.evaluate()
    assert house.money(paying).granted == 100

    told(house, series(100, 250))
    look(house)
    house.review()

    assert house.money(paying).granted == 50
    assert editions(house) == [(1, 100), (1, 100), (2, 250)]
    assert [one.points for one in house.explain(charged).taken_back] == [50]
    first = house.database.read(lambda session: kept_with(session, charged, 1))
    assert first is not None
    assert [one.mg_per_kwh for one in first.carbon[Signal.MARGINAL].stretches] == [100_000, 100_000]


def test_a_correction_to_the_better_gives_nothing_more_and_the_same_again_decides_nothing(
    house: House,
) -> None:
    lies_in(house)
    told(house, series(100, 250))
    paying = house.campaign(CLEAN)
    charged = house.charged()
    house.evaluate()

    told(house, series(100, 100))
    look(house)
    house.review()
    told(house, series(100, 100))
    assert look(house) == 0

    assert house.money(paying).granted == 50
    assert house.explain(charged).evaluation == 2


@pytest.mark.trap("G7")
def test_a_gap_earns_nothing_is_waited_for_a_week_and_then_told_as_not_known(house: House) -> None:
    lies_in(house)
    told(house, series(100, None))
    paying = house.campaign(CLEAN, Fixed(points=1))
    charged = house.charged()
    house.evaluate()
    assert house.money(paying).granted == 0

    house.move_on(days=5)
    look(house)
    assert house.money(paying).granted == 0
    house.move_on(days=2)
    look(house)

    assert house.money(paying).granted == 51
    rule = house.explain(charged).campaigns[0].rules[0]
    assert rule.code == "grid_carbon.energy_partly_known"
    assert rule.text.endswith("for 5 kWh it is not known.")


@pytest.mark.trap("G8")
def test_a_session_keeps_the_region_that_it_was_decided_with(house: House) -> None:
    lies_in(house, NORTH)
    told(house, series(100, None), NORTH)
    told(house, series(900, 900), SOUTH)
    paying = house.campaign(CLEAN)
    house.charged()
    house.evaluate()

    lies_in(house, SOUTH)
    told(house, series(100, 100), NORTH)
    look(house)

    assert house.money(paying).granted == 100


@pytest.mark.trap("G2")
def test_marginal_and_average_are_never_mixed(house: House) -> None:
    for one, grams in ((NORTH, 900), (AVERAGE, 100)):
        lies_in(house, one)
        told(house, series(grams, grams), one)
    marginal = house.campaign(CLEAN)
    average = house.campaign(CLEAN.model_copy(update={"signal": Signal.AVERAGE}))
    house.charged()
    house.evaluate()

    assert (house.money(marginal).granted, house.money(average).granted) == (0, 100)


def test_a_site_in_no_region_is_not_waited_for_and_one_that_nobody_asked_about_is(house: House) -> None:
    elsewhere = house.place("elsewhere")
    lies_in(house, None)
    house.campaign(CLEAN)
    nowhere, unasked = house.charged(), house.charged(hour=2, location_id=elsewhere)
    house.evaluate()

    assert house.explain(nowhere).campaigns[0].rules[0].code == "grid_carbon.not_known"
    assert house.explain(unasked).campaigns[0].code == "grid.waiting"


def test_held_points_are_settled_by_the_values_of_then_and_wait_for_those_that_are_missing(
    house: House,
) -> None:
    lies_in(house)
    told(house, series(100, 100))
    paying = house.campaign(CLEAN)
    charged = house.charged(evidence_level=2)
    house.evaluate()
    assert house.money(paying).held == 100

    house.attest(charged, energy_wh=9_000, ended_at=START.replace(hour=20), is_credit=False)
    house.evaluate()
    house.settle()
    assert house.money(paying).held == 100

    told(house, series(300, 100, since=START.replace(hour=19)))
    look(house)
    house.settle()

    assert (house.money(paying).held, house.money(paying).granted) == (0, 67)


def test_a_dry_run_judges_by_what_is_known_now_and_waits_for_nothing(house: House) -> None:
    lies_in(house)
    told(house, series(100, None))
    plain = house.campaign(Fixed(points=7))
    house.charged()
    house.evaluate()
    draft = house.campaign(CLEAN, active=False, gross=0)
    asked = Question(START - timedelta(days=1), START + timedelta(days=1))

    report = house.database.read(lambda session: dry_run(session, draft, asked, FOR_REQUESTS))

    assert (report.points, report.earning.sessions) == (50, 1)
    assert house.money(plain).granted == 7
    assert look(house) == 0


def test_a_campaign_without_grid_rules_keeps_nothing_of_the_grid(house: House) -> None:
    lies_in(house)
    house.campaign(Fixed(points=7))
    charged = house.charged()
    house.evaluate()

    assert house.explain(charged).carbon == ()
    assert house.database.read(lambda session: kept_with(session, charged, 1)) is None


def test_a_campaign_that_waits_gives_way_to_another_of_its_group(house: House) -> None:
    lies_in(house)
    waiting = house.campaign(CLEAN, stacking_group="one")
    other = house.campaign(Fixed(points=7), stacking_group="one")
    charged = house.charged()
    house.evaluate()
    told(house, series(100, 100))
    look(house)

    assert (house.money(waiting).granted, house.money(other).granted) == (0, 7)
    reasons = {one.campaign_id: one.code for one in house.explain(charged).campaigns}
    assert reasons[waiting] == "stacking.another_won"


def test_a_session_that_is_rejected_meanwhile_is_not_decided_once_more(house: House) -> None:
    lies_in(house)
    house.campaign(CLEAN)
    charged = house.charged()
    house.evaluate()
    house.database.run(
        lambda session: session.execute(
            update(ChargingSession).where(ChargingSession.id == charged).values(state="rejected")
        )
    )

    told(house, series(100, 100))

    assert (look(house), look(house)) == (1, 0)
    assert house.explain(charged).evaluation == 1
