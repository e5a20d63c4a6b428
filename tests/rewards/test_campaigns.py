"""Sponsors deposit, campaigns are funded, run, paused and ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time
from typing import Any
from uuid import UUID

import pytest

from nerava.kernel.ids import new_id
from nerava.kernel.money import BadAmount
from nerava.ledger.chart import campaign_budget, campaign_fee, sponsor_prepaid
from nerava.rewards import campaigns, queries
from nerava.rewards.campaigns import CampaignState
from nerava.rewards.errors import (
    FundingDiffers,
    InsufficientFunds,
    PostingRefused,
    UnknownCampaign,
    UnknownSponsor,
    WrongCampaignState,
)
from nerava.rewards.rules import ConnectorPower, Fixed, Locations, OffPeak
from tests.helpers.financial_helpers import PROVIDER
from tests.rewards.examples import HERE, terms
from tests.rewards.house import START, House

Change = Callable[[Any, UUID], None]


def fund(house: House, campaign: UUID, gross: int, funding_id: UUID | None = None) -> Any:
    funding = funding_id or new_id()
    return house.database.run(
        lambda session: campaigns.fund_campaign(
            session, house.ledger, campaign, gross=gross, funding_id=funding, now=house.now
        )
    )


def move(house: House, change: Change, campaign: UUID) -> None:
    house.database.run(lambda session: change(session, campaign))


def ended(session: Any, campaign: UUID) -> None:
    """End a campaign now."""
    campaigns.end(session, campaign, START)


def state(house: House, campaign: UUID) -> str:
    return house.database.read(lambda session: queries.campaign_view(session, campaign).state)


def test_funding_splits_the_fee_from_the_gross_rounded_down(house: House) -> None:
    campaign = house.campaign(gross=0, active=False, fee_bps=1_500)

    assert fund(house, campaign, 1_003) == (853, 150)
    assert house.books.posted(campaign_budget(campaign), campaign_fee(campaign)) == [853, 150]
    assert house.money(campaign).funded == 1_003


def test_one_funding_id_counts_once_and_another_amount_under_it_is_refused(house: House) -> None:
    campaign = house.campaign(gross=0, active=False)
    funding = new_id()
    fund(house, campaign, 500, funding)
    fund(house, campaign, 500, funding)

    with pytest.raises(FundingDiffers):
        fund(house, campaign, 501, funding)
    assert house.money(campaign).funded == 500


def test_a_campaign_cannot_be_funded_beyond_the_deposits(house: House) -> None:
    campaign = house.campaign(gross=0, active=False)
    with pytest.raises(InsufficientFunds):
        fund(house, campaign, 10**9 + 1)
    assert house.books.posted(campaign_budget(campaign), sponsor_prepaid(house.sponsor)) == [0, 10**9]


@pytest.mark.parametrize(("gross", "refusal"), [(-1, BadAmount), (0, PostingRefused)])
def test_an_amount_that_cannot_be_is_refused(house: House, gross: int, refusal: type[Exception]) -> None:
    campaign = house.campaign(gross=0, active=False)
    with pytest.raises(refusal):
        fund(house, campaign, gross)


def test_a_checkout_is_booked_once(house: House) -> None:
    def deposit(gross: int) -> None:
        house.database.run(
            lambda session: campaigns.deposit(
                session, house.ledger, house.sponsor, gross=gross, provider=PROVIDER, checkout_id="once"
            )
        )

    deposit(7)
    deposit(7)
    assert house.books.posted(sponsor_prepaid(house.sponsor)) == [10**9 + 7]
    with pytest.raises(FundingDiffers):
        deposit(8)


def test_who_does_not_exist_can_neither_pay_nor_be_paid(house: House) -> None:
    nobody = new_id()
    with pytest.raises(UnknownSponsor):
        house.database.run(
            lambda session: campaigns.deposit(
                session, house.ledger, nobody, gross=1, provider=PROVIDER, checkout_id="x"
            )
        )
    with pytest.raises(UnknownSponsor):
        house.database.run(
            lambda session: campaigns.create_campaign(session, house.ledger, nobody, terms(), house.now)
        )
    with pytest.raises(UnknownCampaign):
        fund(house, nobody, 1)
    with pytest.raises(UnknownCampaign):
        move(house, ended, nobody)
    with pytest.raises(UnknownCampaign):
        state(house, nobody)


def test_a_campaign_pays_in_the_currency_of_its_sponsor(house: House) -> None:
    with pytest.raises(FundingDiffers):
        house.database.run(
            lambda session: campaigns.create_campaign(
                session, house.ledger, house.sponsor, terms(currency="EUR"), house.now
            )
        )


def test_only_active_campaigns_pay(house: House) -> None:
    campaign = house.campaign(active=False)
    before = house.charged()
    house.evaluate()
    move(house, campaigns.activate, campaign)
    during = house.charged(hour=2)
    house.evaluate()
    move(house, campaigns.pause, campaign)
    paused = house.charged(hour=4)
    house.evaluate()
    move(house, campaigns.activate, campaign)
    again = house.charged(hour=6)
    house.evaluate()
    move(house, ended, campaign)
    after = house.charged(hour=8)
    house.evaluate()

    assert [len(house.grants(key)) for key in (before, during, paused, again, after)] == [0, 1, 0, 1, 0]


def test_a_campaign_without_money_cannot_start(house: House) -> None:
    campaign = house.campaign(gross=0, active=False)
    with pytest.raises(WrongCampaignState, match="never funded"):
        move(house, campaigns.activate, campaign)
    assert state(house, campaign) == CampaignState.DRAFT


@pytest.mark.parametrize("change", [campaigns.activate, campaigns.pause, ended])
def test_an_ended_campaign_stays_ended(house: House, change: Change) -> None:
    campaign = house.campaign()
    move(house, ended, campaign)
    with pytest.raises(WrongCampaignState, match="it is ended"):
        move(house, change, campaign)
    with pytest.raises(WrongCampaignState):
        fund(house, campaign, 1)


def test_terms_come_back_as_they_were_given(house: House) -> None:
    given = terms(
        Fixed(points=5),
        OffPeak(from_time=time(22), until_time=time(6, 30), weekdays=(1, 7), points_per_kwh=2),
        Locations(location_ids=frozenset({HERE, new_id()})),
        ConnectorPower(least_w=50_000),
        name="Nights",
        stacking_group="night",
        priority=3,
        driver_day_points_max=100,
        points_expire_after_days=365,
    )

    def work(session: Any) -> UUID:
        return campaigns.create_campaign(session, house.ledger, house.sponsor, given, house.now)

    campaign = house.database.run(work)
    view = house.database.read(lambda session: queries.campaign_view(session, campaign))
    assert (view.terms, view.state, view.sponsor_id, view.created_at) == (
        given,
        CampaignState.DRAFT,
        house.sponsor,
        house.now,
    )


def test_campaigns_are_listed_page_by_page_and_by_sponsor(house: House) -> None:
    mine = [house.campaign(name=str(number)) for number in range(3)]
    other = house.run_sponsor()

    def page(**choice: Any) -> list[UUID]:
        return house.database.read(lambda session: [one.id for one in queries.campaigns(session, **choice)])

    assert page() == page(sponsor_id=house.sponsor) == mine
    assert page(sponsor_id=other) == []
    assert page(limit=2) == mine[:2]
    assert page(after=mine[1]) == mine[2:]


def test_a_drivers_grants_are_listed_newest_first(house: House) -> None:
    house.campaign()
    sessions = [house.charged(hour=2 * number) for number in range(3)]
    house.evaluate()

    def page(**choice: Any) -> list[Any]:
        return house.database.read(
            lambda session: queries.grants_of_driver(session, house.driver(), **choice)
        )

    newest = page()
    assert [one.session_id for one in newest] == sessions[::-1]
    assert page(before=newest[0].id, limit=1) == [newest[1]]
