"""Money from a sponsor's deposit to a driver's bank, and everything that goes wrong on the way.

Every test runs on both databases and ends with a clean audit, a whole chain of hashes, and campaigns
whose money adds up: funded = left + held + granted + fees + refunded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy import select, text

from nerava.kernel.ids import fact_id, new_id
from nerava.kernel.money import BadAmount, Split, close_fee, split_fee
from nerava.ledger import Status, chain, model, transfer
from nerava.ledger.chart import (
    NOVA_ISSUANCE,
    NOVA_RESERVE,
    PAYOUT_CLEARING,
    PLATFORM_BREAKAGE,
    PLATFORM_FEES,
    PROCESSOR_FEES,
    campaign_budget,
    campaign_fee,
    driver_nova,
    driver_nova_account,
    external,
    merchant_nova,
    merchant_payable,
    sponsor_prepaid,
)
from nerava.ledger.templates.campaign_funding import campaign_funding
from nerava.ledger.templates.campaign_refund import (
    CampaignRefund,
    campaign_refund,
    campaign_refund_failed,
    campaign_refund_paid,
    campaign_refund_returned,
)
from nerava.ledger.templates.clawback import Clawback, ClawbackFrom, clawback
from nerava.ledger.templates.driver_cashout import (
    DriverCashout,
    driver_cashout_failed,
    driver_cashout_paid,
    driver_cashout_release,
    driver_cashout_request,
    driver_cashout_returned,
    driver_cashout_submit,
)
from nerava.ledger.templates.expiry import DueLot, expiry
from nerava.ledger.templates.merchant_payout import (
    MerchantPayout,
    merchant_payout_failed,
    merchant_payout_paid,
    merchant_payout_release,
    merchant_payout_request,
    merchant_payout_returned,
    merchant_payout_submit,
)
from nerava.ledger.templates.merchant_settlement import merchant_settlement
from nerava.ledger.templates.redemption import (
    redemption_capture,
    redemption_expire,
    redemption_release,
)
from nerava.ledger.templates.redemption_refund import (
    CapturedRedemption,
    RefundAboveCaptured,
    redemption_refund,
)
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
from nerava.merchants.totals import redeemed_in
from tests.helpers.financial_helpers import PROVIDER
from tests.helpers.town import DAY, HOUR, NOON, Town
from tests.http.conftest import opened_house
from tests.http.shop import code_of, nova_of, open_shop, rich_driver, settle_now, show

if TYPE_CHECKING:
    from pathlib import Path

    from nerava.ledger import Chain

BANK: Final = external(PROVIDER)
SPENT: Final = Status.INSUFFICIENT


# Double entry.


def test_every_movement_has_two_sides_and_every_asset_sums_to_nothing(town: Town) -> None:
    town.rewarded(500)
    town.bought(200)

    def look(session: object) -> list[tuple[str, int]]:
        sums = "SELECT asset, sum(credits_posted) - sum(debits_posted) FROM ledger_balance GROUP BY asset"
        return [(row[0], int(row[1])) for row in session.execute(text(sums))]  # type: ignore[attr-defined]

    assert sorted(town.books.database.read(look)) == [("NOVA", 0), ("USD", 0)]
    spent = town.books.ledger.statement(driver_nova(town.driver))[-1]
    earned = town.books.ledger.statement(merchant_nova(town.merchant))[-1]
    assert (spent.key, spent.change, earned.change) == (earned.key, -200, 200)
    assert (spent.counterparty, earned.counterparty) == (
        merchant_nova(town.merchant),
        driver_nova(town.driver),
    )


def test_the_statement_of_every_account_leads_to_its_balance(town: Town) -> None:
    town.rewarded(500)
    town.show(100)
    town.bought(200, "coffee")

    accounts = town.books.database.read(lambda session: list(session.execute(select(model.account.c.code))))
    for (code,) in accounts:
        lines = town.books.ledger.statement(code)
        balance = town.books.balance(code)
        assert sum(line.change for line in lines) == balance.posted
        assert [line.sequence for line in lines] == list(range(1, balance.sequence + 1))
        if lines:
            assert (lines[-1].posted, lines[-1].available) == (balance.posted, balance.available)


def test_a_point_is_paid_for_before_it_exists(town: Town) -> None:
    town.rewarded(500)

    assert town.books.posted(NOVA_RESERVE, NOVA_ISSUANCE) == [500, -500]
    assert town.books.posted(campaign_budget(town.campaign), campaign_fee(town.campaign)) == [79_500, 19_875]
    assert town.books.posted(PLATFORM_FEES) == [125]


def test_points_without_cash_behind_them_are_found(town: Town) -> None:
    town.must(chain("forged", transfer(NOVA_ISSUANCE, driver_nova(town.driver), 5)))
    assert {one.check for one in town.books.findings()} == {"points-are-backed"}

    town.must(chain("mended", transfer(driver_nova(town.driver), NOVA_ISSUANCE, 5)))


# Deposit and funding.


def test_a_checkout_counts_once_however_often_it_is_told(town: Town) -> None:
    def told(gross: int) -> Chain:
        return sponsor_deposit(
            checkout_id="cs_1", sponsor_id=town.sponsor, provider=PROVIDER, gross=gross, processor_cost=30
        )

    assert [town.status(told(1_000)) for _ in range(3)] == [Status.POSTED, Status.EXISTS, Status.EXISTS]
    assert town.status(told(1_001)) is Status.CONFLICT
    assert town.books.posted(sponsor_prepaid(town.sponsor), PROCESSOR_FEES, BANK) == [1_000, -30, -100_970]


@pytest.mark.parametrize("gross", [0, -5])
def test_a_deposit_of_nothing_is_refused(town: Town, gross: int) -> None:
    nothing = sponsor_deposit(checkout_id="cs", sponsor_id=town.sponsor, provider=PROVIDER, gross=gross)
    assert town.status(nothing) is Status.BAD_AMOUNT


def test_a_campaign_cannot_be_funded_beyond_the_deposit(town: Town) -> None:
    before = town.books.totals(town.campaign)
    funding = campaign_funding(
        funding_id=new_id(), sponsor_id=town.sponsor, campaign_id=town.campaign, gross=1
    )

    assert town.status(funding) is SPENT
    assert town.books.totals(town.campaign) == before


def test_a_campaign_that_nobody_opened_gets_nothing_and_the_deposit_stays(town: Town) -> None:
    town.must(sponsor_deposit(checkout_id="x", sponsor_id=town.sponsor, provider=PROVIDER, gross=500))
    funding = campaign_funding(funding_id=new_id(), sponsor_id=town.sponsor, campaign_id=new_id(), gross=500)

    assert town.status(funding) is Status.NO_ACCOUNT
    assert town.books.posted(sponsor_prepaid(town.sponsor)) == [500]


# Rewards, direct.


def test_a_session_is_rewarded_once(town: Town) -> None:
    grant = town.grant(500, days=90)

    assert [town.status(session_reward(grant)) for _ in range(3)] == [
        Status.POSTED,
        Status.EXISTS,
        Status.EXISTS,
    ]
    assert town.status(session_reward(town.grant(501, days=90))) is Status.CONFLICT
    assert town.points == 500
    assert town.lots() == [(f"campaign:{town.campaign}", NOON + 90 * DAY, 500)]


def test_a_budget_pays_to_the_last_cent_and_then_nothing(town: Town) -> None:
    town.rewarded(80_000)
    assert town.books.posted(campaign_budget(town.campaign), campaign_fee(town.campaign)) == [0, 0]

    (refused,) = [town.books.post(session_reward(town.grant(1, name="late")))]
    assert (refused.status, refused.failed_at) == (SPENT, 0)
    assert town.points == 80_000
    assert town.books.totals(town.campaign) == (100_000, 0, 0, 80_000, 20_000, 0)


def test_a_budget_that_pays_a_part_pays_nothing(town: Town) -> None:
    town.rewarded(79_999)

    assert town.status(session_reward(town.grant(2, name="late"))) is SPENT
    assert town.books.posted(campaign_budget(town.campaign), NOVA_RESERVE) == [1, 79_999]


@pytest.mark.parametrize("points", [0, -1, 10**15 + 1])
def test_a_reward_of_an_impossible_amount_is_refused(town: Town, points: int) -> None:
    impossible = SessionGrant(town.campaign, new_id(), town.driver, points)
    assert town.status(session_reward(impossible)) is Status.BAD_AMOUNT
    assert town.points == 0


def test_a_driver_without_an_account_gets_nothing_and_the_campaign_keeps_it(town: Town) -> None:
    stranger = SessionGrant(town.campaign, new_id(), new_id(), 10)
    assert town.status(session_reward(stranger)) is Status.NO_ACCOUNT
    assert town.books.posted(campaign_budget(town.campaign)) == [80_000]


# Rewards, provisional.


def test_a_provisional_reward_is_reserved_seen_as_pending_and_captured(town: Town) -> None:
    grant = town.grant(500)
    town.must(session_reward_hold(grant, settle_by=NOON + DAY))

    driver, budget = (
        town.books.balance(driver_nova(town.driver)),
        town.books.balance(campaign_budget(town.campaign)),
    )
    assert (driver.posted, driver.credits_pending, budget.available) == (0, 500, 79_500)
    assert town.books.totals(town.campaign) == (100_000, 99_375, 625, 0, 0, 0)

    assert [town.status(session_reward_capture(grant)) for _ in range(2)] == [Status.POSTED, Status.EXISTS]
    assert town.points == 500
    assert town.status(session_reward(grant)) is Status.CONFLICT
    assert town.status(session_reward_release(grant)) is Status.HOLD_RESOLVED


def test_a_reward_is_reduced_in_all_its_parts_and_the_rest_goes_back(town: Town) -> None:
    grant = town.grant(500)
    town.must(session_reward_hold(grant, settle_by=NOON + DAY), session_reward_capture(grant, points=203))

    assert town.points == 203
    assert town.books.totals(town.campaign) == (100_000, 99_747, 0, 203, 50, 0)


def test_a_reward_reduced_to_a_point_has_no_fee_left(town: Town) -> None:
    grant = town.grant(500)
    town.must(session_reward_hold(grant, settle_by=NOON + DAY), session_reward_capture(grant, points=1))

    assert town.books.totals(town.campaign) == (100_000, 99_999, 0, 1, 0, 0)


def test_a_released_reward_leaves_the_campaign_as_it_was_and_its_session_used(town: Town) -> None:
    grant = town.grant(500)
    town.must(session_reward_hold(grant, settle_by=NOON + DAY), session_reward_release(grant))

    assert town.books.totals(town.campaign) == (100_000, 100_000, 0, 0, 0, 0)
    assert town.status(session_reward_capture(grant)) is Status.HOLD_RESOLVED
    assert town.status(session_reward_hold(grant, settle_by=NOON + DAY)) is Status.EXISTS


def test_evidence_that_comes_after_the_deadline_grants_nothing(town: Town) -> None:
    grant = town.grant(500)
    town.must(session_reward_hold(grant, settle_by=NOON + DAY))
    assert town.status(session_reward_expire(grant)) is Status.HOLD_NOT_DUE

    town.clock.move_to(NOON + DAY)
    assert town.status(session_reward_capture(grant)) is Status.HOLD_EXPIRED
    town.must(session_reward_expire(grant))

    assert town.points == 0
    assert town.books.totals(town.campaign).left == 100_000


def test_what_is_reserved_cannot_be_granted_again(town: Town) -> None:
    town.must(session_reward_hold(town.grant(79_900), settle_by=NOON + DAY))

    assert town.status(session_reward(town.grant(101, name="other"))) is SPENT
    assert town.status(session_reward(town.grant(100, name="other"))) is Status.POSTED


# Redemption.


def test_a_code_holds_its_price_and_is_captured_at_the_register(town: Town) -> None:
    town.rewarded(500)
    code = town.show(300)
    assert (town.points, town.spendable) == (500, 200)

    capture = redemption_capture(redemption_id=code, register_id=fact_id("till"), price=300)
    assert [town.status(capture) for _ in range(2)] == [Status.POSTED, Status.EXISTS]

    assert (town.points, town.spendable) == (200, 200)
    assert town.books.posted(merchant_nova(town.merchant)) == [300]


def test_a_bill_below_the_price_takes_the_bill_and_gives_the_rest_back(town: Town) -> None:
    town.rewarded(500)
    code = town.show(300)

    town.must(redemption_capture(redemption_id=code, register_id=fact_id("till"), price=300, bill=120))

    assert (town.points, town.spendable) == (380, 380)


def test_a_code_is_good_for_one_register(town: Town) -> None:
    town.rewarded(500)
    bought = town.bought(300)
    other = fact_id("other till")

    second = redemption_capture(redemption_id=bought.redemption_id, register_id=other, price=300)
    assert town.status(second) is Status.HOLD_RESOLVED
    changed = redemption_capture(
        redemption_id=bought.redemption_id, register_id=bought.register_id, price=299
    )
    assert town.status(changed) is Status.CONFLICT
    assert town.books.posted(merchant_nova(town.merchant)) == [300]


def test_a_code_that_costs_more_than_the_driver_has_is_not_shown(town: Town) -> None:
    town.rewarded(500)
    town.show(300)

    assert town.status(town.code(201, "second")) is SPENT
    assert town.status(town.code(200, "second")) is Status.POSTED


def test_an_expired_code_is_refused_and_its_points_come_back(town: Town) -> None:
    town.rewarded(500)
    code = town.show(300)
    assert town.status(redemption_expire(redemption_id=code)) is Status.HOLD_NOT_DUE

    town.clock.move_to(NOON + HOUR)
    late = redemption_capture(redemption_id=code, register_id=fact_id("till"), price=300)
    assert town.status(late) is Status.HOLD_EXPIRED
    assert (town.points, town.spendable) == (500, 200)

    town.must(redemption_expire(redemption_id=code))
    assert town.spendable == 500
    assert town.status(late) is Status.HOLD_RESOLVED


def test_a_withdrawn_code_is_worth_nothing_at_the_register(town: Town) -> None:
    town.rewarded(500)
    code = town.show(300)
    town.must(redemption_release(redemption_id=code))

    capture = redemption_capture(redemption_id=code, register_id=fact_id("till"), price=300)
    assert town.status(capture) is Status.HOLD_RESOLVED
    assert (town.points, town.spendable) == (500, 500)


def test_a_register_cannot_take_more_than_the_code_is_worth(town: Town) -> None:
    town.rewarded(500)
    code = town.show(300)

    greedy = redemption_capture(redemption_id=code, register_id=fact_id("till"), price=301)
    assert town.status(greedy) is Status.EXCEEDS_HOLD
    unknown = redemption_capture(redemption_id=new_id(), register_id=fact_id("till"), price=300)
    assert town.status(unknown) is Status.HOLD_NOT_FOUND
    free = redemption_capture(redemption_id=code, register_id=fact_id("till"), price=300, bill=0)
    assert town.status(free) is Status.BAD_AMOUNT


def test_a_refund_brings_points_back_with_their_expiry_and_source(town: Town) -> None:
    town.rewarded(500, days=30)
    bought = town.bought(300)

    town.must(redemption_refund(refund_id=new_id(), redemption=bought, points=100))

    source = f"campaign:{town.campaign}"
    assert town.points == 300
    assert town.lots() == [(source, NOON + 30 * DAY, 200), (source, NOON + 30 * DAY, 100)]


def test_refunds_are_never_more_than_was_captured(town: Town) -> None:
    town.rewarded(500)
    bought = town.bought(300)

    with pytest.raises(RefundAboveCaptured):
        redemption_refund(refund_id=new_id(), redemption=bought, points=301)


def test_a_refund_after_the_settlement_is_refused_for_want_of_points(town: Town) -> None:
    town.rewarded(500)
    bought = town.bought(300)
    town.must(merchant_settlement(merchant_id=town.merchant, period="2026-03", points=300))

    assert town.status(redemption_refund(refund_id=new_id(), redemption=bought, points=1)) is SPENT


# Settlement and the merchant's payout.


def settled(town: Town, points: int = 300) -> int:
    """Let the merchant earn points and settle them; return what it is owed."""
    town.rewarded(points)
    town.bought(points)
    town.must(merchant_settlement(merchant_id=town.merchant, period="2026-03", points=points))
    return split_fee(points, 1_500).net


def test_a_period_is_settled_once_with_the_fee_inside(town: Town) -> None:
    owed = settled(town, 333)

    assert owed == 284
    assert town.books.posted(merchant_payable(town.merchant), merchant_nova(town.merchant)) == [284, 0]
    assert town.books.posted(NOVA_RESERVE, NOVA_ISSUANCE) == [0, 0]
    again = merchant_settlement(merchant_id=town.merchant, period="2026-03", points=333)
    assert town.status(again) is Status.EXISTS
    other = merchant_settlement(merchant_id=town.merchant, period="2026-03", points=334)
    assert town.status(other) is Status.CONFLICT


def test_a_merchant_is_not_settled_for_more_than_it_took(town: Town) -> None:
    town.rewarded(300)
    town.bought(300)

    assert town.status(merchant_settlement(merchant_id=town.merchant, period="x", points=301)) is SPENT
    assert town.books.posted(merchant_nova(town.merchant), merchant_payable(town.merchant)) == [300, 0]


def test_a_merchant_is_paid_what_it_is_owed_and_no_more(town: Town) -> None:
    payout = MerchantPayout(new_id(), town.merchant, settled(town))
    town.must(merchant_payout_request(payout))
    assert town.status(merchant_payout_request(MerchantPayout(new_id(), town.merchant, 1))) is SPENT

    town.must(merchant_payout_submit(payout))
    assert town.books.posted(PAYOUT_CLEARING, merchant_payable(town.merchant)) == [255, 0]
    assert town.status(merchant_payout_release(payout)) is Status.HOLD_RESOLVED

    town.must(merchant_payout_paid(payout, provider=PROVIDER))
    assert town.books.posted(PAYOUT_CLEARING, BANK) == [0, -99_745]
    assert town.status(merchant_payout_failed(payout)) is Status.CONFLICT


def test_a_merchants_payout_that_failed_or_came_back_is_owed_again(town: Town) -> None:
    owed = settled(town)
    failed, back, withdrawn = (MerchantPayout(new_id(), town.merchant, owed) for _ in range(3))

    town.must(merchant_payout_request(failed), merchant_payout_submit(failed), merchant_payout_failed(failed))
    assert town.status(merchant_payout_paid(failed, provider=PROVIDER)) is Status.CONFLICT
    town.must(
        merchant_payout_request(back),
        merchant_payout_submit(back),
        merchant_payout_paid(back, provider=PROVIDER),
        merchant_payout_returned(back, provider=PROVIDER),
        merchant_payout_request(withdrawn),
        merchant_payout_release(withdrawn),
    )

    assert town.books.posted(merchant_payable(town.merchant), PAYOUT_CLEARING) == [owed, 0]


# A driver's cash-out.


@pytest.fixture
def cashout(town: Town) -> DriverCashout:
    """A cash-out of 280 with a fee of 20, by a driver with 500 points that expire in a month."""
    town.rewarded(500, days=30)
    return DriverCashout(fact_id("payout"), town.driver, 280, 20)


def test_a_cash_out_is_requested_submitted_and_paid(town: Town, cashout: DriverCashout) -> None:
    town.must(driver_cashout_request(cashout))
    assert (town.points, town.spendable) == (500, 200)

    assert [town.status(driver_cashout_submit(cashout)) for _ in range(2)] == [Status.POSTED, Status.EXISTS]
    assert town.books.posted(PAYOUT_CLEARING, NOVA_RESERVE, NOVA_ISSUANCE) == [280, 200, -200]

    town.must(driver_cashout_paid(cashout, provider=PROVIDER))
    assert town.books.posted(PAYOUT_CLEARING, BANK) == [0, -99_720]
    assert town.points == 200


def test_a_cash_out_of_more_than_the_driver_can_spend_is_refused(town: Town, cashout: DriverCashout) -> None:
    town.show(201)
    assert town.status(driver_cashout_request(cashout)) is SPENT


def test_a_cash_out_that_was_released_is_not_submitted(town: Town, cashout: DriverCashout) -> None:
    town.must(driver_cashout_request(cashout), driver_cashout_release(cashout))

    assert town.status(driver_cashout_submit(cashout)) is Status.HOLD_RESOLVED
    assert (town.spendable, town.books.posted(PAYOUT_CLEARING)) == (500, [0])
    assert (
        town.status(driver_cashout_submit(DriverCashout(new_id(), town.driver, 5))) is Status.HOLD_NOT_FOUND
    )


def test_a_cash_out_of_unknown_end_keeps_its_money_apart(town: Town, cashout: DriverCashout) -> None:
    town.must(driver_cashout_request(cashout), driver_cashout_submit(cashout))
    town.clock.move_to(NOON + 30 * DAY)

    assert town.books.posted(PAYOUT_CLEARING) == [280]
    assert town.status(driver_cashout_release(cashout)) is Status.HOLD_RESOLVED
    assert town.spendable == 200


def test_a_cash_out_that_failed_gives_back_points_and_fee_as_they_were(
    town: Town, cashout: DriverCashout
) -> None:
    town.must(driver_cashout_request(cashout), driver_cashout_submit(cashout), driver_cashout_failed(cashout))

    assert town.points == town.spendable == 500
    assert {(source, at) for source, at, _ in town.lots()} == {(f"campaign:{town.campaign}", NOON + 30 * DAY)}
    assert town.books.posted(PAYOUT_CLEARING, PLATFORM_FEES, NOVA_RESERVE) == [0, 125, 500]
    assert town.status(driver_cashout_paid(cashout, provider=PROVIDER)) is Status.CONFLICT
    assert town.status(driver_cashout_failed(cashout)) is Status.EXISTS


def test_a_cash_out_that_was_paid_cannot_fail_but_can_come_back(town: Town, cashout: DriverCashout) -> None:
    town.must(
        driver_cashout_request(cashout),
        driver_cashout_submit(cashout),
        driver_cashout_paid(cashout, provider=PROVIDER),
    )
    assert town.status(driver_cashout_failed(cashout)) is Status.CONFLICT

    town.must(driver_cashout_returned(cashout, provider=PROVIDER))
    assert town.points == 500
    assert town.books.posted(PAYOUT_CLEARING, BANK) == [0, -100_000]


# Expiry.


def due(town: Town, grant: SessionGrant, remaining: int) -> DueLot:
    return DueLot(fact_id("lot"), town.driver, grant.lot_key, remaining)


def test_points_that_expire_become_the_houses(town: Town) -> None:
    grant = town.rewarded(500, days=30)
    town.bought(200)

    expired = expiry(due(town, grant, 300))
    assert [town.status(expired) for _ in range(2)] == [Status.POSTED, Status.EXISTS]

    assert town.points == 0
    assert town.books.posted(PLATFORM_BREAKAGE, NOVA_RESERVE) == [300, 200]


def test_points_that_expire_go_back_to_the_campaign_with_their_fee(town: Town) -> None:
    grant = town.rewarded(500, days=30)
    standing = StandingGrant(town.campaign, 500, grant.fee_share)

    town.must(expiry(due(town, grant, 500), returns_to=standing))

    assert town.books.totals(town.campaign) == (100_000, 100_000, 0, 0, 0, 0)
    assert town.books.posted(PLATFORM_FEES) == [0]


def test_an_expiry_that_was_overtaken_by_spending_takes_nothing(town: Town) -> None:
    grant = town.rewarded(500, days=30)
    town.rewarded(500, days=90, name="later")
    town.bought(100)

    assert town.status(expiry(due(town, grant, 500))) is SPENT
    assert town.points == 900
    assert town.status(expiry(due(town, grant, 400))) is Status.POSTED


def test_points_that_a_code_holds_do_not_expire_under_it(town: Town) -> None:
    grant = town.rewarded(500, days=30)
    code = town.show(100)

    assert town.status(expiry(due(town, grant, 500))) is SPENT
    town.must(redemption_release(redemption_id=code), expiry(due(town, grant, 500)))


# Clawback.


def claw(town: Town, grant: SessionGrant, points: int, *, allowance: int = 0) -> Clawback:
    standing = StandingGrant(town.campaign, grant.points, grant.fee_share)
    source = ClawbackFrom(town.driver, grant.lot_key, town.spendable + allowance)
    return clawback(clawback_id=fact_id("decision"), grant=standing, source=source, points=points)


def test_points_that_were_not_earned_go_back_to_their_campaign(town: Town) -> None:
    grant = town.rewarded(500)

    taken = claw(town, grant, 200)
    assert taken.chain is not None
    town.must(taken.chain)

    assert (taken.taken, taken.receivable, town.points) == (200, 0, 300)
    assert town.books.totals(town.campaign) == (100_000, 99_625, 0, 300, 75, 0)


def test_what_the_driver_has_spent_is_a_receivable_never_silence(town: Town) -> None:
    grant = town.rewarded(500)
    town.bought(450)

    taken = claw(town, grant, 500)
    assert taken.chain is not None
    town.must(taken.chain)

    assert (taken.taken, taken.receivable, town.points) == (50, 450, 0)
    assert claw(town, grant, 500) == (None, 0, 500)


def test_an_allowance_lets_a_clawback_go_below_zero_and_no_further(town: Town) -> None:
    town.driver = new_id()
    spec = driver_nova_account(town.driver, allowance=100)
    town.books.database.run(lambda session: town.books.ledger.open(session, [spec]))
    grant = town.rewarded(500)
    town.bought(450)

    taken = claw(town, grant, 500, allowance=100)
    assert taken.chain is not None
    town.must(taken.chain)
    assert (taken.taken, taken.receivable, town.points) == (150, 350, -100)
    assert town.status(town.code(1, "more")) is SPENT

    town.rewarded(130, name="next")
    assert (town.points, sum(lot[2] for lot in town.lots())) == (30, 30)


def test_a_clawback_that_was_overtaken_by_spending_takes_nothing(town: Town) -> None:
    grant = town.rewarded(500)
    planned = claw(town, grant, 500)
    town.bought(1)

    assert planned.chain is not None
    assert town.status(planned.chain) is SPENT
    assert town.points == 499
    with pytest.raises(BadAmount):
        claw(town, grant, 501)


# The end of a campaign.


def closing(town: Town, provider: str | None = PROVIDER) -> CampaignRefund:
    budget, fee = town.books.posted(campaign_budget(town.campaign), campaign_fee(town.campaign))
    split = close_fee(fee, budget, [Split(80_000, 20_000)])
    return CampaignRefund(fact_id("refund"), town.campaign, town.sponsor, budget, split, provider)


def test_an_ended_campaign_gives_back_what_it_did_not_spend_and_its_fee(town: Town) -> None:
    town.rewarded(30_000)
    refund = closing(town)
    assert refund.total == 50_000 + 12_500

    town.must(campaign_refund(refund))
    assert town.books.balance(sponsor_prepaid(town.sponsor)).available == 0
    assert town.status(session_reward(town.grant(1, name="late"))) is SPENT

    town.must(campaign_refund_paid(refund))
    assert town.books.posted(BANK, sponsor_prepaid(town.sponsor)) == [-37_500, 0]
    assert town.books.totals(town.campaign) == (100_000, 0, 0, 30_000, 7_500, 62_500)
    assert town.status(campaign_refund_failed(refund)) is Status.HOLD_RESOLVED


def test_a_refund_that_the_bank_refused_or_sent_back_stays_with_the_sponsor(town: Town) -> None:
    refund = closing(town)
    town.must(campaign_refund(refund), campaign_refund_failed(refund))
    assert town.books.balance(sponsor_prepaid(town.sponsor)).available == 100_000

    again = town.books.campaign(100_000, sponsor_id=town.sponsor, fee_bps=0)
    second = CampaignRefund(
        new_id(), again, town.sponsor, 100_000, close_fee(0, 100_000, [Split(100_000, 0)]), PROVIDER
    )
    town.must(
        campaign_refund(second),
        campaign_refund_paid(second),
        campaign_refund_returned(second, provider=PROVIDER),
    )

    assert town.books.posted(sponsor_prepaid(town.sponsor), BANK) == [100_000, -100_000]
    assert town.books.totals(again).add_up()


def test_a_campaign_that_still_reserves_something_is_not_emptied(town: Town) -> None:
    town.must(session_reward_hold(town.grant(500), settle_by=NOON + DAY))

    assert town.status(campaign_refund(closing(town))) is SPENT
    assert town.books.totals(town.campaign).left == 99_375


def test_a_grant_that_overtakes_the_refund_makes_it_read_again(town: Town) -> None:
    refund = closing(town, provider=None)
    town.rewarded(1)

    assert town.status(campaign_refund(refund)) is SPENT
    town.must(campaign_refund(closing(town, provider=None)))
    with pytest.raises(BadAmount):
        campaign_refund(closing(town))


# The whole story.


@pytest.mark.parametrize("way", ["submit", "inline"])
def test_from_deposit_to_the_bank_every_cent_is_where_it_belongs(town: Town, way: str) -> None:
    town.books.way = way  # type: ignore[assignment]
    source = StandingGrant(town.campaign, 700, town.rate.share(700))
    grants = [town.rewarded(700, days=30, name=f"session {number}") for number in range(10)]
    held = town.grant(1_000, name="provisional")
    cash = DriverCashout(new_id(), town.driver, 2_000, 50)
    steps: list[Chain] = [
        session_reward_hold(held, settle_by=NOON + DAY),
        session_reward_capture(held, points=400),
        town.code(2_500),
        redemption_capture(redemption_id=fact_id("code"), register_id=fact_id("till"), price=2_500),
        redemption_refund(
            refund_id=new_id(),
            redemption=CapturedRedemption(
                fact_id("code"), fact_id("till"), town.driver, town.merchant, 2_500
            ),
            points=500,
        ),
        merchant_settlement(merchant_id=town.merchant, period="2026-03", points=2_000),
        merchant_payout_request(payout := MerchantPayout(new_id(), town.merchant, 1_700)),
        merchant_payout_submit(payout),
        merchant_payout_paid(payout, provider=PROVIDER),
        driver_cashout_request(cash),
        driver_cashout_submit(cash),
        driver_cashout_paid(cash, provider=PROVIDER),
        expiry(DueLot(new_id(), town.driver, grants[9].lot_key, 700), returns_to=source),
    ]
    for step in steps:
        town.must(step)
        assert town.books.totals(town.campaign).add_up(), step.template
        assert town.books.posted(NOVA_RESERVE)[0] == -town.books.posted(NOVA_ISSUANCE)[0]
    taken = claw(town, grants[8], 700)
    assert taken.chain is not None
    town.must(taken.chain)
    refund = closing(town)
    town.must(campaign_refund(refund), campaign_refund_paid(refund))

    assert town.points == 7_000 + 400 - 2_000 - 2_050 - 700 - 700
    totals = town.books.totals(town.campaign)
    assert (totals.left, totals.held, totals.granted) == (0, 0, 7_000 + 400 - 1_400)
    # What came in from outside is what is still here: points, fees, and nothing on its way.
    assert -town.books.posted(BANK)[0] == sum(town.books.posted(NOVA_RESERVE, PLATFORM_FEES, PAYOUT_CLEARING))


# Over HTTP: what people are told about the same movements.


def test_from_the_code_to_the_settlement_every_point_is_where_it_belongs(url: str, tmp_path: Path) -> None:
    with opened_house(url, tmp_path) as house:
        shop, driver = open_shop(house), rich_driver(house, 1_000)
        offer_id = shop.offer()
        taken = [shop.capture(code_of(driver, offer_id), bill_minor=bill).json() for bill in (500, 120)]
        path = f"/v1/merchant/redemptions/{taken[0]['redemption_id']}/refunds"
        given = shop.owner.post(path, {"points": 50}, key="r").json()
        withdrawn = show(driver, offer_id).json()
        answer = driver.client.delete(f"/v1/redemptions/{withdrawn['id']}", headers=driver.headers())

        assert [one["points"] for one in taken] == [300, 120]
        assert (given["left"], answer.status_code) == (250, 204)
        assert nova_of(house, driver) == (630, 630)
        assert driver.get("/v1/wallet").json()["posted"] == 630
        now = house.installation.clock.now()
        totals = house.installation.database.read(
            lambda session: redeemed_in(session, shop.merchant_id, now - DAY, now + DAY)
        )
        assert (totals.redemptions, totals.captured, totals.refunded, totals.points) == (2, 420, 50, 370)
        settle_now(house)
        assert house.books.posted(merchant_payable(shop.merchant_id), PLATFORM_FEES) == [315, 55]
        assert house.books.posted(NOVA_RESERVE)[0] == -house.books.posted(NOVA_ISSUANCE)[0] == 630
        assert house.findings() == []


@pytest.mark.in_turn
@pytest.mark.parametrize("amount", [0, -1, 1.5, "10", 10**16, None])
def test_no_impossible_amount_passes_the_register_or_a_refund(
    url: str, tmp_path: Path, amount: object
) -> None:
    with opened_house(url, tmp_path) as house:
        shop, driver = open_shop(house), rich_driver(house, 300)
        code = code_of(driver, shop.offer())
        if amount is not None:
            assert shop.capture(code, bill_minor=amount).status_code == 422
        taken = shop.capture(code).json()["redemption_id"]
        path, body = f"/v1/merchant/redemptions/{taken}/refunds", {"points": amount}
        wanted = 200 if amount is None else 422
        assert shop.owner.post(path, body, key="r").status_code == wanted
        assert shop.points == (0 if amount is None else 300)
        assert house.findings() == []
