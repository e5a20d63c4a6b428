"""A session is granted once, whichever way, and all legs of its reward go together."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerava.kernel.ids import fact_id
from nerava.kernel.money import BadAmount, split_fee
from nerava.ledger.templates.campaign_funding import campaign_funding
from nerava.ledger.templates.session_reward import (
    SessionGrant,
    StandingGrant,
    session_reward,
    session_reward_capture,
    session_reward_expire,
    session_reward_hold,
    session_reward_release,
)
from nerava.ledger.templates.sponsor_deposit import sponsor_deposit
from nerava.ledger.values import LotTerms, Status
from tests.ledger.templates.stage import CAMPAIGN, DAY, DRIVER, FACT, NOON, SESSION, SPONSOR, Stage, read

GRANT = SessionGrant(CAMPAIGN, SESSION, DRIVER, points=40, fee_share=10, points_expire_at=NOON + 365 * DAY)
FREE = replace(GRANT, fee_share=0)
FACT_TEXT = f"session_reward:{CAMPAIGN}:{SESSION}"
LOT = LotTerms(f"campaign:{CAMPAIGN}", NOON + 365 * DAY)


def funded(gross: int = 200) -> Stage:
    stage = Stage()
    stage.post(
        sponsor_deposit(checkout_id="cs_1", sponsor_id=SPONSOR, provider="stripe", gross=gross),
        campaign_funding(funding_id=FACT, sponsor_id=SPONSOR, campaign_id=CAMPAIGN, gross=gross),
    )
    return stage


def held(gross: int = 200, grant: SessionGrant = GRANT) -> Stage:
    stage = funded(gross)
    stage.post(session_reward_hold(grant, settle_by=NOON + DAY))
    return stage


def test_a_reward_with_final_evidence_is_posted_directly() -> None:
    chain = session_reward(GRANT)

    assert chain.key == fact_id(FACT_TEXT)
    assert read(chain) == [
        "direct campaign:CAMPAIGN:budget -> nova:reserve 40",
        "direct nova:issuance -> driver:DRIVER:nova 40",
        "direct campaign:CAMPAIGN:fee -> platform:fees 10",
    ]
    assert [leg.lot for leg in chain.transfers] == [None, LOT, None]
    assert read(session_reward(FREE)) == read(chain)[:2]


def test_a_reward_with_provisional_evidence_is_held_in_all_its_legs() -> None:
    chain = session_reward_hold(GRANT, settle_by=NOON + DAY)

    assert chain.key == fact_id(FACT_TEXT)
    assert read(chain) == [
        "hold campaign:CAMPAIGN:budget -> nova:reserve 40",
        "hold nova:issuance -> driver:DRIVER:nova 40",
        "hold campaign:CAMPAIGN:fee -> platform:fees 10",
    ]
    assert [leg.expires_at for leg in chain.transfers] == [NOON + DAY] * 3
    assert read(session_reward_hold(FREE, settle_by=NOON)) == read(chain)[:2]


def test_the_steps_of_a_hold_are_facts_of_their_own() -> None:
    capture, release = session_reward_capture(GRANT), session_reward_release(GRANT)
    expiry = session_reward_expire(GRANT)

    assert capture.key == fact_id(f"{FACT_TEXT}:capture")
    assert release.key == fact_id(f"{FACT_TEXT}:release")
    assert expiry.key == fact_id(f"{FACT_TEXT}:expire")
    assert read(capture) == ["capture of a hold 40", "capture of a hold 40", "capture of a hold 10"]
    assert read(release) == ["release of a hold"] * 3
    assert read(expiry) == ["expire of a hold"] * 3
    assert [leg.lot for leg in capture.transfers] == [None, LOT, None]
    assert read(session_reward_capture(FREE)) == ["capture of a hold 40"] * 2
    assert read(session_reward_release(FREE)) == ["release of a hold"] * 2
    assert read(session_reward_expire(FREE)) == ["expire of a hold"] * 2


def test_a_reward_that_settles_in_full_ends_like_a_direct_one() -> None:
    direct, settled = funded(), held()
    direct.post(session_reward(GRANT))
    settled.post(session_reward_capture(GRANT))

    assert direct.balances() == settled.balances()
    assert direct.points() == settled.points() == {(str(DRIVER), f"campaign:{CAMPAIGN}", LOT.expires_at): 40}
    assert settled.balances() == {
        "external:stripe": -200,
        f"campaign:{CAMPAIGN}:budget": 120,
        f"campaign:{CAMPAIGN}:fee": 30,
        "nova:reserve": 40,
        "nova:issuance": -40,
        f"driver:{DRIVER}:nova": 40,
        "platform:fees": 10,
    }


def test_a_reduced_reward_reduces_every_leg_and_gives_back_the_rest() -> None:
    stage = held()
    stage.post(session_reward_capture(GRANT, points=30))

    assert read(session_reward_capture(GRANT, points=30)) == [
        "capture of a hold 30",
        "capture of a hold 30",
        "capture of a hold 7",
    ]
    assert stage.held() == []
    assert stage.available(f"campaign:{CAMPAIGN}:budget") == 130
    assert stage.available(f"campaign:{CAMPAIGN}:fee") == 33
    assert stage.balance("platform:fees") == 7
    assert stage.points().total() == stage.balance("nova:reserve") == 30


def test_a_reward_reduced_until_its_fee_is_nothing_releases_the_fee() -> None:
    stage = held()
    stage.post(session_reward_capture(GRANT, points=3))

    assert read(session_reward_capture(GRANT, points=3))[2] == "release of a hold"
    assert stage.held() == []
    assert stage.available(f"campaign:{CAMPAIGN}:fee") == 40


def test_naming_all_the_points_is_the_same_capture_as_naming_none() -> None:
    stage = held()
    stage.post(session_reward_capture(GRANT))

    assert stage.answer(session_reward_capture(GRANT, points=40)) is Status.EXISTS
    assert stage.answer(session_reward_capture(GRANT, points=39)) is Status.CONFLICT


@pytest.mark.parametrize("points", [41, -1, 1.5])
def test_a_capture_beyond_the_hold_is_refused(points: int) -> None:
    with pytest.raises(BadAmount):
        session_reward_capture(GRANT, points=points)


def test_a_released_reward_is_the_campaigns_again_and_stays_released() -> None:
    stage = held()
    before = funded().balances()
    stage.post(session_reward_release(GRANT))

    assert stage.balances() == before
    assert stage.held() == []
    assert stage.answer(session_reward_capture(GRANT)) is Status.HOLD_RESOLVED
    assert stage.answer(session_reward(GRANT)) is Status.CONFLICT


def test_a_reward_that_nobody_settles_expires_at_its_deadline() -> None:
    stage = held()

    assert stage.answer(session_reward_expire(GRANT)) is Status.HOLD_NOT_DUE
    stage.now = NOON + DAY
    assert stage.answer(session_reward_capture(GRANT)) is Status.HOLD_EXPIRED
    stage.post(session_reward_expire(GRANT))
    assert stage.held() == []
    assert stage.available(f"campaign:{CAMPAIGN}:budget") == 160


def test_a_session_cannot_be_granted_a_second_time_by_the_other_way() -> None:
    direct, provisional = funded(), held()
    direct.post(session_reward(GRANT))

    assert direct.answer(session_reward(GRANT)) is Status.EXISTS
    assert direct.answer(session_reward_hold(GRANT, settle_by=NOON + DAY)) is Status.CONFLICT
    assert provisional.answer(session_reward_hold(GRANT, settle_by=NOON + 2 * DAY)) is Status.EXISTS
    assert provisional.answer(session_reward(GRANT)) is Status.CONFLICT
    assert provisional.answer(session_reward(replace(GRANT, points=41))) is Status.CONFLICT
    provisional.post(session_reward_capture(GRANT))
    assert provisional.answer(session_reward(GRANT)) is Status.CONFLICT


def test_a_budget_of_160_pays_40_four_times_and_is_exactly_empty() -> None:
    stage = funded()
    grants = [replace(GRANT, session_id=f"s{n}") for n in range(9)]  # type: ignore[arg-type]
    answers = [stage.answer(session_reward(one)) for one in grants]

    assert answers == [Status.POSTED] * 4 + [Status.INSUFFICIENT] * 5
    assert stage.balance(f"campaign:{CAMPAIGN}:budget") == stage.balance(f"campaign:{CAMPAIGN}:fee") == 0
    assert stage.balance("platform:fees") == split_fee(200, 2_000).fee


def test_a_grant_knows_the_transfer_that_created_its_points() -> None:
    assert GRANT.lot_key == session_reward(GRANT).key_of(1)
    assert GRANT.captured_lot_key == session_reward_capture(GRANT).key_of(1)


def test_a_reduced_grant_is_the_grant_with_its_part_of_the_fee() -> None:
    assert GRANT.reduced_to(30) == replace(GRANT, points=30, fee_share=7)


@settings(deadline=None)
@given(st.lists(st.integers(1, 1_000), min_size=1, max_size=10), st.integers(0, 400))
def test_a_grant_taken_back_in_steps_gives_back_its_whole_fee_and_no_more(
    steps: list[int], fee_share: int
) -> None:
    points, taken, earned = sum(steps), 0, fee_share
    for step in steps:
        earned -= StandingGrant(CAMPAIGN, points, fee_share, taken).fee_back(step)
        taken += step
        assert earned * points <= fee_share * (points - taken) < (earned + 1) * points
    assert earned == 0


@pytest.mark.parametrize("points", [31, -1, 1.5, True])
def test_no_more_fee_goes_back_than_belongs_to_what_stands(points: int) -> None:
    standing = StandingGrant(CAMPAIGN, points=40, fee_share=10, taken=10)

    assert (standing.fee_back(30), standing.fee_back(0)) == (7, 0)
    with pytest.raises(BadAmount, match=rf"^{points!r} cannot be taken back of 30 that stand$"):
        standing.fee_back(points)
