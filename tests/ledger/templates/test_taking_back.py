"""Points are given by the house, taken back, or come to the end of their life."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from nerava.kernel.ids import fact_id
from nerava.kernel.money import BadAmount
from nerava.ledger.chart import driver_nova, driver_nova_account
from nerava.ledger.templates.campaign_funding import campaign_funding
from nerava.ledger.templates.clawback import Clawback, ClawbackFrom, clawback
from nerava.ledger.templates.expiry import DueLot, expiry
from nerava.ledger.templates.promo_funding import promo_funding
from nerava.ledger.templates.promo_grant import PromoKind, promo_grant
from nerava.ledger.templates.redemption import redemption_show
from nerava.ledger.templates.session_reward import SessionGrant, StandingGrant, session_reward
from nerava.ledger.templates.sponsor_deposit import sponsor_deposit
from nerava.ledger.values import Chain, LotTerms, Status
from tests.ledger.templates.stage import (
    CAMPAIGN,
    DAY,
    DRIVER,
    FACT,
    FRIEND,
    MERCHANT,
    NOON,
    OTHER_FACT,
    SESSION,
    SPONSOR,
    Stage,
    read,
)

if TYPE_CHECKING:
    from uuid import UUID

NOVA = driver_nova(DRIVER)
GRANT = SessionGrant(CAMPAIGN, SESSION, DRIVER, points=40, fee_share=10, points_expire_at=NOON + 9 * DAY)
STANDING = StandingGrant(CAMPAIGN, points=40, fee_share=10)
DUE = DueLot(FACT, DRIVER, GRANT.lot_key, remaining=40)


def given(points: int = 500, kind: PromoKind = PromoKind.REFERRAL, driver: UUID = DRIVER) -> Chain:
    return promo_grant(
        kind=kind, reference_id=FACT, driver_id=driver, points=points, points_expire_at=NOON + 5 * DAY
    )


def taken(points: int, available: int, grant: StandingGrant = STANDING) -> Clawback:
    source = ClawbackFrom(DRIVER, GRANT.lot_key, available)
    return clawback(clawback_id=FACT, grant=grant, source=source, points=points)


def chain_of(outcome: Clawback) -> Chain:
    if outcome.chain is None:
        raise AssertionError("nothing was taken")
    return outcome.chain


def wallet(promo: int = 30, allowance: int = 0) -> Stage:
    """A driver with 40 Nova of a session and, expiring earlier, some of the house."""
    stage = Stage()
    if allowance:
        stage.oracle.open(driver_nova_account(DRIVER, allowance=allowance))
    stage.post(
        sponsor_deposit(checkout_id="cs_1", sponsor_id=SPONSOR, provider="stripe", gross=230),
        campaign_funding(funding_id=FACT, sponsor_id=SPONSOR, campaign_id=CAMPAIGN, gross=200),
        promo_funding(funding_id=FACT, sponsor_id=SPONSOR, amount=30),
        session_reward(GRANT),
    )
    if promo:
        stage.post(given(promo))
    return stage


def test_the_house_gives_points_from_its_own_budget() -> None:
    assert given().key == fact_id(f"promo_grant:referral:{FACT}:{DRIVER}")
    assert read(given()) == [
        "direct platform:promo -> nova:reserve 500",
        "direct nova:issuance -> driver:DRIVER:nova 500",
    ]
    assert [leg.lot for leg in given().transfers] == [None, LotTerms("promo:referral", NOON + 5 * DAY)]
    endless = promo_grant(kind=PromoKind.GOODWILL, reference_id=FACT, driver_id=DRIVER, points=1)
    assert endless.transfers[1].lot == LotTerms("promo:goodwill", None)


def test_both_sides_of_a_referral_are_rewarded_and_each_of_them_once() -> None:
    stage = Stage()
    stage.post(
        sponsor_deposit(checkout_id="cs_1", sponsor_id=SPONSOR, provider="stripe", gross=1_200),
        promo_funding(funding_id=FACT, sponsor_id=SPONSOR, amount=1_200),
        given(),
        given(driver=FRIEND),
    )

    assert stage.answer(given()) is Status.EXISTS
    assert stage.answer(given(kind=PromoKind.ADMIN)) is Status.INSUFFICIENT
    assert stage.balance("platform:promo") == 200


def test_a_clawback_gives_the_points_and_their_fee_back_to_the_campaign() -> None:
    outcome = taken(40, available=70)
    stage = wallet()
    stage.post(chain_of(outcome))

    assert (outcome.taken, outcome.receivable) == (40, 0)
    assert chain_of(outcome).key == fact_id(f"clawback:{FACT}")
    assert read(chain_of(outcome)) == [
        "direct driver:DRIVER:nova -> nova:issuance 40",
        "direct nova:reserve -> campaign:CAMPAIGN:budget 40",
        "direct platform:fees -> campaign:CAMPAIGN:fee 10",
    ]
    assert chain_of(outcome).transfers[0].lot_of == session_reward(GRANT).key_of(1)
    assert stage.points() == {(str(DRIVER), "promo:referral", NOON + 5 * DAY): 30}
    assert stage.balance(f"campaign:{CAMPAIGN}:budget") == 160
    assert stage.balance(f"campaign:{CAMPAIGN}:fee") == 40


def test_a_clawback_takes_what_the_driver_has_and_names_what_is_missing() -> None:
    part = taken(40, available=25)

    assert (part.taken, part.receivable) == (25, 15)
    assert read(chain_of(part)) == [
        "direct driver:DRIVER:nova -> nova:issuance 25",
        "direct nova:reserve -> campaign:CAMPAIGN:budget 25",
        "direct platform:fees -> campaign:CAMPAIGN:fee 7",
    ]
    rest = taken(15, available=99, grant=replace(STANDING, taken=25))
    assert read(chain_of(rest))[2] == "direct platform:fees -> campaign:CAMPAIGN:fee 3"
    assert taken(40, available=0) == taken(40, available=-5) == Clawback(None, 0, 40)
    assert taken(40, available=40).receivable == 0
    assert taken(1, available=1).receivable == 0


def test_a_clawback_without_a_fee_leaves_the_fees_alone() -> None:
    assert len(chain_of(taken(40, 40, replace(STANDING, fee_share=0))).transfers) == 2


def test_a_clawback_may_use_the_allowance_and_keeps_every_point_backed() -> None:
    stage = wallet(promo=0, allowance=15)
    spent = redemption_show(
        redemption_id=FACT, driver_id=DRIVER, merchant_id=MERCHANT, price=30, expires_at=NOON + DAY
    )
    stage.post(spent)
    outcome = taken(40, available=stage.available(NOVA) + 15)

    assert (outcome.taken, outcome.receivable) == (25, 15)
    stage.post(chain_of(outcome))
    assert stage.available(NOVA) == -15
    assert stage.balance("nova:reserve") == -stage.balance("nova:issuance") == 15


def test_a_clawback_that_comes_too_late_is_refused_and_can_be_built_again() -> None:
    stage = wallet()
    stage.post(
        redemption_show(
            redemption_id=FACT, driver_id=DRIVER, merchant_id=MERCHANT, price=50, expires_at=NOON + DAY
        )
    )

    assert stage.answer(chain_of(taken(40, available=70))) is Status.INSUFFICIENT
    assert stage.answer(chain_of(taken(40, available=20))) is Status.POSTED


@pytest.mark.parametrize("points", [0, -1, 31, 1.5, True])
def test_no_more_is_clawed_back_than_stands_of_the_grant(points: int) -> None:
    with pytest.raises(BadAmount, match=rf"^{points!r} cannot be clawed back of 30 that stand$"):
        taken(points, available=99, grant=replace(STANDING, taken=10))
    assert taken(30, available=99, grant=replace(STANDING, taken=10)).taken == 30


def test_an_expired_lot_becomes_breakage() -> None:
    chain = expiry(DUE)
    stage = wallet()
    stage.post(chain)

    assert chain.key == fact_id(f"expiry:{FACT}")
    assert read(chain) == [
        "direct driver:DRIVER:nova -> nova:issuance 40",
        "direct nova:reserve -> platform:breakage 40",
    ]
    assert chain.transfers[0].lot_of == GRANT.lot_key
    assert stage.points() == {(str(DRIVER), "promo:referral", NOON + 5 * DAY): 30}
    assert stage.balance("nova:reserve") == 30


def test_an_expired_lot_returns_to_its_campaign_where_that_says_so() -> None:
    chain = expiry(replace(DUE, remaining=30), returns_to=replace(STANDING, taken=10))

    assert read(chain) == [
        "direct driver:DRIVER:nova -> nova:issuance 30",
        "direct nova:reserve -> campaign:CAMPAIGN:budget 30",
        "direct platform:fees -> campaign:CAMPAIGN:fee 7",
    ]
    assert len(expiry(DUE, returns_to=replace(STANDING, fee_share=0)).transfers) == 2
    with pytest.raises(BadAmount):
        expiry(DUE, returns_to=replace(STANDING, taken=1))


def test_an_expiry_of_more_than_is_left_of_its_lot_leaves_the_other_lots_alone() -> None:
    stage = wallet()
    stage.post(expiry(replace(DUE, remaining=30)))

    assert stage.answer(expiry(replace(DUE, lot_id=OTHER_FACT, remaining=11))) is Status.INSUFFICIENT
    assert stage.answer(expiry(replace(DUE, lot_id=OTHER_FACT, remaining=10))) is Status.POSTED
    assert stage.points() == {(str(DRIVER), "promo:referral", NOON + 5 * DAY): 30}


def test_a_budget_that_gets_everything_back_can_grant_all_of_it_again() -> None:
    stage = wallet()
    stage.post(expiry(DUE, returns_to=STANDING))
    again = SessionGrant(CAMPAIGN, FACT, DRIVER, points=160, fee_share=40)

    assert stage.answer(session_reward(again)) is Status.POSTED


def test_points_that_a_code_holds_do_not_expire_from_under_it() -> None:
    stage = wallet()
    stage.post(
        redemption_show(
            redemption_id=FACT, driver_id=DRIVER, merchant_id=MERCHANT, price=50, expires_at=NOON + DAY
        )
    )

    assert stage.answer(expiry(DUE)) is Status.INSUFFICIENT
