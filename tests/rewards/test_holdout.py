"""A share of the drivers earns nothing, always the same ones, and is not told."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from pydantic import ValidationError

from nerava.kernel.ids import fact_id
from nerava.rewards import queries
from nerava.rewards.evaluation import Outcome
from nerava.rewards.holdout import in_holdout
from nerava.rewards.rules import Fixed
from tests.rewards.examples import campaign_id, running, session, terms
from tests.rewards.test_settlement import attest

if TYPE_CHECKING:
    from tests.rewards.house import House

HERE = campaign_id("a")
PEOPLE = [fact_id(f"driver:{number}") for number in range(20_000)]


def driver_of(house: House, campaign: UUID, percent: int, *, held_out: bool) -> UUID:
    """Return a new driver of the house on one side of a campaign."""
    for number in range(200):
        driver = house.driver(f"{held_out}-{number}")
        if in_holdout(campaign, driver, percent) == held_out:
            return driver
    raise AssertionError("the draw falls on one side only")


@pytest.mark.parametrize("percent", [1, 10, 33, 50])
def test_the_share_is_what_it_says(percent: int) -> None:
    share = sum(in_holdout(HERE, driver, percent) for driver in PEOPLE) / len(PEOPLE)
    # Five standard deviations of a fair draw.
    assert abs(share - percent / 100) < 5 * (percent * (100 - percent) / 10_000 / len(PEOPLE)) ** 0.5


def test_nobody_is_held_out_of_a_campaign_without_a_share() -> None:
    assert not any(in_holdout(HERE, driver, 0) for driver in PEOPLE)


def test_a_greater_share_holds_everybody_of_a_smaller_one_and_campaigns_draw_apart() -> None:
    small = {driver for driver in PEOPLE if in_holdout(HERE, driver, 10)}
    large = {driver for driver in PEOPLE if in_holdout(HERE, driver, 50)}
    other = {driver for driver in PEOPLE if in_holdout(campaign_id("b"), driver, 10)}

    assert small < large
    assert 100 < len(small & other) < 300


def test_the_draw_never_changes() -> None:
    campaign, driver = UUID(int=1), UUID(int=2)
    assert [percent for percent in range(51) if in_holdout(campaign, driver, percent)] == list(range(12, 51))


def test_a_session_that_would_have_earned_says_so_and_one_that_would_not_gives_its_own_reason() -> None:
    campaign = running(holdout_percent=50)
    sides = Counter(in_holdout(campaign.id, driver, 50) for driver in PEOPLE[:100])
    assert min(sides.values()) > 20
    for driver in PEOPLE[:100]:
        decision = campaign.appraise(session(driver_id=driver))
        if in_holdout(campaign.id, driver, 50):
            assert (decision.outcome, decision.reason) == (Outcome.REFUSED, "campaign.holdout")
            assert (decision.points, decision.facts) == (0, {"points": 40})
            assert decision.judgements
        else:
            assert (decision.outcome, decision.points) == (Outcome.GRANTED, 40)
        assert campaign.appraise(session(driver_id=driver, score=1)).reason == "score.below_minimum"


@pytest.mark.parametrize("percent", [-1, 51, 100, 1.5])
def test_a_share_is_a_whole_number_up_to_fifty(percent: object) -> None:
    with pytest.raises(ValidationError):
        terms(holdout_percent=percent)


def test_a_driver_who_is_held_out_earns_nothing_is_told_nothing_and_is_remembered(house: House) -> None:
    paying = house.campaign(Fixed(points=40), holdout_percent=50)
    out, treated = (driver_of(house, paying, 50, held_out=side) for side in (True, False))
    sessions = [house.charged(driver_id=driver, hour=2 * n) for n, driver in enumerate((out, treated))]

    report = house.evaluate()

    assert report.reasons == {"campaign.holdout": 1}
    assert (house.points(out), house.points(treated)) == (0, 40)
    assert house.money(paying).granted == 40
    (stored,) = house.explain(sessions[0]).campaigns
    assert (stored.code, stored.points) == ("campaign.holdout", 0)
    assert "40 points" in stored.text
    for charged, told in zip(sessions, ([], ["campaign.earned"]), strict=True):
        seen = house.database.read(
            lambda session, charged=charged: queries.explain(session, charged, for_driver=True)
        )
        assert [one.code for one in seen.campaigns] == told


def test_who_is_held_out_hears_nothing_of_the_campaign_in_any_session(house: House) -> None:
    paying = house.campaign(Fixed(points=40), holdout_percent=50, score_min=100)
    out = driver_of(house, paying, 50, held_out=True)
    charged = house.charged(driver_id=out)
    house.evaluate()

    assert [one.code for one in house.explain(charged).campaigns] == ["score.below_minimum"]
    seen = house.database.read(lambda session: queries.explain(session, charged, for_driver=True))
    assert seen.campaigns == ()


def test_a_campaign_that_holds_out_leaves_the_session_to_its_rivals(house: House) -> None:
    best = house.campaign(Fixed(points=90), holdout_percent=50, stacking_group="one")
    house.campaign(Fixed(points=10), stacking_group="one")
    out = driver_of(house, best, 50, held_out=True)
    charged = house.charged(driver_id=out)
    house.evaluate()

    assert house.points(out) == 10
    assert {one.code for one in house.explain(charged).campaigns} == {"campaign.holdout", "campaign.earned"}


def test_a_held_reward_is_settled_whatever_the_share(house: House) -> None:
    paying = house.campaign(Fixed(points=40), holdout_percent=50)
    treated = driver_of(house, paying, 50, held_out=False)
    charged = house.charged(driver_id=treated, evidence_level=2)
    house.evaluate()
    assert house.money(paying).held == 40
    attest(house, charged)
    house.evaluate()
    house.settle()

    assert house.points(treated) == 40
