"""Money comes in, goes into campaigns and what is left of it goes back."""

from __future__ import annotations

import pytest

from nerava.kernel.ids import fact_id
from nerava.kernel.money import BadAmount, ClosedFee, split_fee
from nerava.ledger.templates.campaign_funding import campaign_funding
from nerava.ledger.templates.campaign_refund import (
    CampaignRefund,
    campaign_refund,
    campaign_refund_failed,
    campaign_refund_paid,
    campaign_refund_returned,
)
from nerava.ledger.templates.promo_funding import promo_funding
from nerava.ledger.templates.session_reward import SessionGrant, session_reward, session_reward_hold
from nerava.ledger.templates.sponsor_deposit import sponsor_deposit
from nerava.ledger.values import Chain, Status
from tests.ledger.templates.stage import CAMPAIGN, DAY, DRIVER, FACT, NOON, SESSION, SPONSOR, Stage, read


def deposit(gross: int = 10_000, cost: int = 320) -> Chain:
    return sponsor_deposit(
        checkout_id="cs_1", sponsor_id=SPONSOR, provider="stripe", gross=gross, processor_cost=cost
    )


def funding(gross: int = 10_000) -> Chain:
    return campaign_funding(funding_id=FACT, sponsor_id=SPONSOR, campaign_id=CAMPAIGN, gross=gross)


def refund(provider: str | None = "stripe") -> CampaignRefund:
    return CampaignRefund(FACT, CAMPAIGN, SPONSOR, 2_001, ClosedFee(refunded=500, earned=7), provider)


def test_a_deposit_is_the_sponsors_in_full_and_its_cost_is_the_houses() -> None:
    assert deposit().key == fact_id("sponsor_deposit:stripe:cs_1")
    assert read(deposit()) == [
        "direct external:stripe -> sponsor:SPONSOR:prepaid 10000",
        "direct processor:fees -> external:stripe 320",
    ]
    assert read(deposit(cost=0)) == ["direct external:stripe -> sponsor:SPONSOR:prepaid 10000"]
    assert read(sponsor_deposit(checkout_id="1", sponsor_id=SPONSOR, provider="bank", gross=5)) == [
        "direct external:bank -> sponsor:SPONSOR:prepaid 5"
    ]


def test_a_funding_is_split_into_budget_and_fee() -> None:
    assert funding().key == fact_id(f"campaign_funding:{FACT}")
    assert read(funding(9_999)) == [
        "direct sponsor:SPONSOR:prepaid -> campaign:CAMPAIGN:budget 8000",
        "direct sponsor:SPONSOR:prepaid -> campaign:CAMPAIGN:fee 1999",
    ]
    assert read(funding(4)) == ["direct sponsor:SPONSOR:prepaid -> campaign:CAMPAIGN:budget 4"]


def test_a_funding_may_have_a_fee_of_its_own() -> None:
    cheap = campaign_funding(
        funding_id=FACT, sponsor_id=SPONSOR, campaign_id=CAMPAIGN, gross=1_000, fee_bps=500
    )

    assert read(cheap) == [
        "direct sponsor:SPONSOR:prepaid -> campaign:CAMPAIGN:budget 950",
        "direct sponsor:SPONSOR:prepaid -> campaign:CAMPAIGN:fee 50",
    ]


def test_a_funding_that_is_all_fee_is_refused_by_the_ledger() -> None:
    stage = Stage()
    stage.post(deposit())
    all_fee = campaign_funding(
        funding_id=FACT, sponsor_id=SPONSOR, campaign_id=CAMPAIGN, gross=100, fee_bps=10_000
    )

    assert stage.answer(all_fee) is Status.BAD_AMOUNT


def test_a_campaign_cannot_be_funded_beyond_the_deposits() -> None:
    stage = Stage()
    stage.post(deposit())

    assert stage.answer(funding(10_001)) is Status.INSUFFICIENT
    assert stage.answer(funding()) is Status.POSTED
    assert stage.balances() == {
        "external:stripe": -9_680,
        "processor:fees": -320,
        f"campaign:{CAMPAIGN}:budget": 8_000,
        f"campaign:{CAMPAIGN}:fee": 2_000,
    }


def test_the_promotion_budget_is_funded_without_a_fee() -> None:
    chain = promo_funding(funding_id=FACT, sponsor_id=SPONSOR, amount=700)

    assert chain.key == fact_id(f"promo_funding:{FACT}")
    assert read(chain) == ["direct sponsor:SPONSOR:prepaid -> platform:promo 700"]


def test_an_ended_campaign_is_emptied_and_the_money_kept_for_the_bank() -> None:
    chain = campaign_refund(refund())

    assert chain.key == fact_id(f"campaign_refund:{FACT}")
    assert read(chain) == [
        "direct campaign:CAMPAIGN:budget -> sponsor:SPONSOR:prepaid 2001",
        "direct campaign:CAMPAIGN:fee -> sponsor:SPONSOR:prepaid 500",
        "direct campaign:CAMPAIGN:fee -> platform:fees 7",
        "hold sponsor:SPONSOR:prepaid -> external:stripe 2501",
    ]
    assert chain.transfers[3].expires_at is None
    assert read(campaign_refund(refund(None))) == read(chain)[:3]


def played() -> Stage:
    """A campaign of 8,000 that has granted 5,999, ended with 2,001 and a fee of 507 left."""
    stage = Stage()
    grant = SessionGrant(CAMPAIGN, SESSION, DRIVER, points=5_999, fee_share=1_493)
    stage.post(deposit(cost=0), funding(), session_reward(grant))
    return stage


def test_a_refund_is_paid_once_the_processor_says_so() -> None:
    stage = played()
    stage.post(campaign_refund(refund()))

    assert stage.available(f"sponsor:{SPONSOR}:prepaid") == 0
    assert campaign_refund_paid(refund()).key == fact_id(f"campaign_refund:{FACT}:paid")
    assert read(campaign_refund_paid(refund())) == ["capture of a hold 2501"]
    stage.post(campaign_refund_paid(refund()))
    assert stage.answer(campaign_refund_failed(refund())) is Status.HOLD_RESOLVED
    assert stage.balances() == {
        "external:stripe": -7_499,
        "nova:reserve": 5_999,
        "nova:issuance": -5_999,
        f"driver:{DRIVER}:nova": 5_999,
        "platform:fees": 1_500,
    }


def test_a_refund_that_the_processor_gives_back_is_prepaid_again() -> None:
    stage = played()
    chain = campaign_refund_returned(refund(), provider="stripe")
    stage.post(campaign_refund(refund()), campaign_refund_paid(refund()), chain)

    assert chain.key == fact_id(f"campaign_refund:{FACT}:returned")
    assert read(chain) == ["direct external:stripe -> sponsor:SPONSOR:prepaid 2501"]
    assert stage.available(f"sponsor:{SPONSOR}:prepaid") == 2_501


def test_a_refund_that_failed_leaves_the_money_prepaid() -> None:
    stage = played()
    stage.post(campaign_refund(refund()), campaign_refund_failed(refund()))

    assert campaign_refund_failed(refund()).key == fact_id(f"campaign_refund:{FACT}:failed")
    assert read(campaign_refund_failed(refund())) == ["release of a hold"]
    assert stage.available(f"sponsor:{SPONSOR}:prepaid") == 2_501
    assert stage.held() == []
    assert stage.answer(campaign_refund_paid(refund())) is Status.HOLD_RESOLVED


def test_a_refund_of_the_fee_alone_still_knows_its_reservation() -> None:
    stage = Stage()
    stage.post(deposit(cost=0), funding())
    small = CampaignRefund(FACT, CAMPAIGN, SPONSOR, 100, ClosedFee(refunded=0, earned=3), "stripe")

    assert read(campaign_refund(small))[2] == "hold sponsor:SPONSOR:prepaid -> external:stripe 100"
    stage.post(campaign_refund(small), campaign_refund_paid(small))
    assert stage.balance("external:stripe") == -9_900


def test_an_exhausted_campaign_only_earns_the_rest_of_its_fee() -> None:
    spent = CampaignRefund(FACT, CAMPAIGN, SPONSOR, 0, ClosedFee(refunded=0, earned=3), "stripe")

    assert read(campaign_refund(spent)) == ["direct campaign:CAMPAIGN:fee -> platform:fees 3"]


def test_a_campaign_with_nothing_left_has_no_refund() -> None:
    with pytest.raises(BadAmount, match=r"^the campaign has nothing left$"):
        campaign_refund(CampaignRefund(FACT, CAMPAIGN, SPONSOR, 0, ClosedFee(refunded=0, earned=0), "stripe"))


def test_a_campaign_that_still_holds_a_reward_cannot_be_emptied_of_it() -> None:
    stage = Stage()
    grant = SessionGrant(CAMPAIGN, SESSION, DRIVER, points=5_999, fee_share=1_499)
    stage.post(deposit(), funding(), session_reward_hold(grant, settle_by=NOON + DAY))
    everything = CampaignRefund(FACT, CAMPAIGN, SPONSOR, *_all_of(8_000))

    assert stage.answer(campaign_refund(everything)) is Status.INSUFFICIENT


def _all_of(budget: int) -> tuple[int, ClosedFee]:
    return budget, ClosedFee(refunded=split_fee(10_000, 2_000).fee, earned=0)
