"""What people correct: adjustments with a reason, and transactions undone by their mirror."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nerava.kernel.ids import fact_id
from nerava.ledger.accounts import account_id
from nerava.ledger.chart import UnknownAccountCode
from nerava.ledger.templates import ADJUSTMENT_APPROVAL_ABOVE
from nerava.ledger.templates.adjustment import (
    AdjustmentCase,
    AdjustmentReason,
    ApprovalRequired,
    ReserveNotAdjustable,
    adjustment,
)
from nerava.ledger.templates.campaign_funding import campaign_funding
from nerava.ledger.templates.redemption import redemption_capture, redemption_show
from nerava.ledger.templates.reversal import NotReversible, reversal
from nerava.ledger.templates.session_reward import (
    SessionGrant,
    session_reward,
    session_reward_capture,
    session_reward_hold,
    session_reward_release,
)
from nerava.ledger.templates.sponsor_deposit import sponsor_deposit
from nerava.ledger.values import Chain, PostedTransfer, Status
from tests.ledger.templates.stage import (
    CAMPAIGN,
    DAY,
    DRIVER,
    FACT,
    FRIEND,
    MERCHANT,
    NOON,
    SESSION,
    SPONSOR,
    TILL,
    Stage,
    read,
)

GRANT = SessionGrant(CAMPAIGN, SESSION, DRIVER, points=40, fee_share=10, points_expire_at=NOON + 9 * DAY)
ALONE = AdjustmentCase(AdjustmentReason.CORRECTION, asked_by="ops-1")
NOVA, FRIENDS_NOVA = f"driver:{DRIVER}:nova", f"driver:{FRIEND}:nova"


def adjusted(debit: str, credit: str, amount: int = 40, case: AdjustmentCase = ALONE) -> Chain:
    return adjustment(adjustment_id=FACT, debit=debit, credit=credit, amount=amount, case=case)


def undone(stage: Stage, chain: Chain) -> Chain:
    return reversal(stage.rows(chain), stage.codes())


def funded() -> Stage:
    stage = Stage()
    stage.post(
        sponsor_deposit(checkout_id="cs_1", sponsor_id=SPONSOR, provider="stripe", gross=200),
        campaign_funding(funding_id=FACT, sponsor_id=SPONSOR, campaign_id=CAMPAIGN, gross=200),
    )
    return stage


def spent(points: int, price: int) -> tuple[Chain, Chain]:
    show = redemption_show(
        redemption_id=FACT, driver_id=DRIVER, merchant_id=MERCHANT, price=points, expires_at=NOON + DAY
    )
    return show, redemption_capture(redemption_id=FACT, register_id=TILL, price=price)


def test_an_adjustment_moves_money_between_two_named_accounts_with_its_reason() -> None:
    case = replace(ALONE, reason=AdjustmentReason.DISPUTE, approved_by="ops-2")
    chain = adjusted("platform:adjustments", "platform:fees", case=case)

    assert chain.key == fact_id(f"adjustment:{FACT}")
    assert read(chain) == ["direct platform:adjustments -> platform:fees 40"]
    assert (chain.actor, chain.metadata) == ("ops-1", {"reason": "dispute", "approved_by": "ops-2"})


def test_what_else_is_noted_about_an_adjustment_stays() -> None:
    chain = adjustment(
        adjustment_id=FACT,
        debit="platform:promo",
        credit="platform:fees",
        amount=1,
        case=ALONE,
        metadata={"ticket": 7},
    )

    assert chain.metadata == {"ticket": 7, "reason": "correction", "approved_by": None}


def test_points_that_an_adjustment_creates_or_burns_move_their_value() -> None:
    assert read(adjusted("nova:issuance", NOVA)) == [
        "direct nova:issuance -> driver:DRIVER:nova 40",
        "direct platform:adjustments -> nova:reserve 40",
    ]
    assert read(adjusted(NOVA, "nova:issuance")) == [
        "direct driver:DRIVER:nova -> nova:issuance 40",
        "direct nova:reserve -> platform:adjustments 40",
    ]
    assert read(adjusted(NOVA, FRIENDS_NOVA)) == ["direct driver:DRIVER:nova -> driver:FRIEND:nova 40"]


@pytest.mark.parametrize("sides", [("nova:reserve", "platform:fees"), ("platform:fees", "nova:reserve")])
def test_the_reserve_cannot_be_adjusted_by_itself(sides: tuple[str, str]) -> None:
    with pytest.raises(ReserveNotAdjustable, match=r"^create or burn points instead; ") as refused:
        adjusted(*sides)
    assert (refused.value.code, refused.value.status) == ("reserve-not-adjustable", 422)


@pytest.mark.parametrize(
    "sides", [("nova:issuance", "platform:fees"), ("platform:fees", "nova:issuance"), (NOVA, "platform:fees")]
)
def test_points_cannot_be_adjusted_into_cash(sides: tuple[str, str]) -> None:
    assert len(adjusted(*sides).transfers) == 1
    assert Stage().answer(adjusted(*sides)) is Status.ASSET_MISMATCH


@pytest.mark.parametrize("sides", [("typo:fees", "platform:fees"), ("nova:issuance", "driver:x")])
def test_an_adjustment_names_accounts_of_the_chart(sides: tuple[str, str]) -> None:
    with pytest.raises(UnknownAccountCode):
        adjusted(*sides)


@pytest.mark.parametrize("second", [None, "ops-1"])
def test_above_the_limit_a_second_person_must_agree(second: str | None) -> None:
    case = replace(ALONE, approved_by=second)
    sides = ("platform:adjustments", "platform:promo")

    assert len(adjusted(*sides, ADJUSTMENT_APPROVAL_ABOVE, case).transfers) == 1
    with pytest.raises(ApprovalRequired, match=r"^more than 10000 minor units need a second ") as refused:
        adjusted(*sides, ADJUSTMENT_APPROVAL_ABOVE + 1, case)
    assert (refused.value.code, refused.value.status) == ("approval-required", 403)
    by_two = adjusted(*sides, ADJUSTMENT_APPROVAL_ABOVE + 1, replace(ALONE, approved_by="ops-2"))
    assert by_two.metadata["approved_by"] == "ops-2"
    with pytest.raises(ApprovalRequired, match=r"^more than 5 minor units need a second person$"):
        adjusted(*sides, 6, replace(case, approval_above=5))


def test_a_reversal_is_the_mirror_last_transfer_first() -> None:
    stage = funded()
    before = stage.balances()
    stage.post(session_reward(GRANT))
    chain = undone(stage, session_reward(GRANT))

    assert chain.key == fact_id(f"reversal:{session_reward(GRANT).key}")
    assert read(chain) == [
        "direct platform:fees -> campaign:CAMPAIGN:fee 10",
        "direct driver:DRIVER:nova -> nova:issuance 40",
        "direct nova:reserve -> campaign:CAMPAIGN:budget 40",
    ]
    created = session_reward(GRANT).key_of(1)
    assert [(leg.lot_of, leg.restores) for leg in chain.transfers] == [
        (None, None),
        (created, None),
        (None, None),
    ]
    stage.post(chain)
    assert (stage.balances(), stage.points()) == (before, {})
    assert stage.answer(undone(stage, session_reward(GRANT))) is Status.EXISTS


def test_a_capture_is_reversed_and_the_points_come_back_as_they_were() -> None:
    stage = funded()
    stage.post(session_reward(GRANT), *spent(40, 25))
    capture = spent(40, 25)[1]
    chain = undone(stage, capture)

    assert read(chain) == ["direct merchant:MERCHANT:nova -> driver:DRIVER:nova 25"]
    assert (chain.transfers[0].lot_of, chain.transfers[0].restores) == (None, capture.key)
    stage.post(chain)
    assert stage.points() == {(str(DRIVER), f"campaign:{CAMPAIGN}", NOON + 9 * DAY): 40}


def test_points_moved_between_drivers_go_back_from_their_lot_and_into_the_old_one() -> None:
    stage = funded()
    stage.post(session_reward(GRANT), adjusted(NOVA, FRIENDS_NOVA))
    before = funded()
    before.post(session_reward(GRANT))
    chain = undone(stage, adjusted(NOVA, FRIENDS_NOVA))

    moved = adjusted(NOVA, FRIENDS_NOVA).key
    assert (chain.transfers[0].lot_of, chain.transfers[0].restores) == (moved, moved)
    stage.post(chain)
    assert stage.points() == before.points()


def test_a_reduced_reward_is_reversed_and_its_released_fee_passed_over() -> None:
    stage = funded()
    before = stage.balances()
    capture = session_reward_capture(GRANT, points=3)
    stage.post(session_reward_hold(GRANT, settle_by=NOON + DAY), capture)
    chain = undone(stage, capture)

    assert read(chain) == [
        "direct driver:DRIVER:nova -> nova:issuance 3",
        "direct nova:reserve -> campaign:CAMPAIGN:budget 3",
    ]
    stage.post(chain)
    assert stage.balances() == before


def test_a_reversal_can_be_reversed() -> None:
    stage = funded()
    stage.post(session_reward(GRANT))
    after = stage.balances(), stage.points()
    chain = undone(stage, session_reward(GRANT))
    stage.post(chain)
    stage.post(undone(stage, chain))

    assert (stage.balances(), stage.points()) == after


def test_what_has_been_spent_cannot_be_reversed() -> None:
    stage = funded()
    stage.post(session_reward(GRANT), *spent(1, 1))

    assert stage.answer(undone(stage, session_reward(GRANT))) is Status.INSUFFICIENT


def test_a_reversal_stays_in_the_lane_and_tells_its_circumstances() -> None:
    stage = funded()
    stage.post(session_reward(GRANT))
    rows = [row._replace(lane="north") for row in stage.rows(session_reward(GRANT))]
    chain = reversal(rows, stage.codes(), actor="ops-1", effective_at=NOON)

    assert (chain.lane, chain.actor, chain.effective_at) == ("north", "ops-1", NOON)


def test_a_reservation_is_not_reversed() -> None:
    stage = funded()
    hold = session_reward_hold(GRANT, settle_by=NOON + DAY)
    stage.post(hold, session_reward_release(GRANT))

    with pytest.raises(NotReversible, match=r"^it made a reservation; capture, release or expire") as refused:
        undone(stage, hold)
    assert (refused.value.code, refused.value.status) == ("not-reversible", 409)
    with pytest.raises(NotReversible, match=r"^it ended a reservation and moved nothing$"):
        undone(stage, session_reward_release(GRANT))


def rows_of_a_reward() -> tuple[list[PostedTransfer], dict[str, str]]:
    stage = funded()
    stage.post(session_reward(GRANT))
    return stage.rows(session_reward(GRANT)), stage.codes()


def test_only_one_whole_transaction_is_reversed() -> None:
    rows, codes = rows_of_a_reward()

    with pytest.raises(NotReversible, match=r"^there is no transfer$"):
        reversal([], codes)
    with pytest.raises(NotReversible, match=r"^the transfers belong to several transactions$"):
        reversal([rows[0], rows[1]._replace(transaction_id=str(FACT)), rows[2]], codes)
    for wrong in (rows[1:], rows[::-1], [rows[0], rows[2]]):
        with pytest.raises(NotReversible, match=r"^the transfers are not a whole transaction in order$"):
            reversal(wrong, codes)


def test_a_reversal_needs_the_right_code_of_every_account() -> None:
    rows, codes = rows_of_a_reward()
    reserve = account_id("nova:reserve")

    with pytest.raises(NotReversible, match=rf"^no code is known for account {reserve}$"):
        reversal(rows, {one: code for one, code in codes.items() if one != reserve})
    with pytest.raises(NotReversible, match=rf"^no code is known for account {reserve}$"):
        reversal(rows, {**codes, reserve: "platform:fees"})
