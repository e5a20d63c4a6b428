"""One example of every function of the posting templates, with any ids and any amounts.

A new template, or a new step of one, is registered here; the contract tests fail until it is.
"""

from __future__ import annotations

from typing import Final

from nerava.ledger.templates import campaign_refund as refunds
from nerava.ledger.templates import driver_cashout as cash
from nerava.ledger.templates import merchant_payout as pay
from nerava.ledger.templates import redemption as red
from nerava.ledger.templates import session_reward as rew
from nerava.ledger.templates import sponsor_refund as back
from tests.contracts.template_chains import (
    LATER,
    TOLD,
    Example,
    adjusted,
    campaign,
    captured_in_part,
    claimed,
    clawed_back,
    code_shown,
    collected,
    deposit,
    deposited,
    disputed,
    ended,
    ended_paid,
    expired,
    funding,
    gift,
    held,
    hold,
    invoice_paid,
    netted,
    nothing,
    owed,
    owed_both_ways,
    owed_paid,
    owed_requested,
    owed_submitted,
    paid,
    promotion,
    redeemed,
    refunded,
    requested,
    returned,
    reversed_reward,
    rewarded,
    settled,
    shown,
    submitted,
    taken,
)

EXAMPLES: Final[dict[str, Example]] = {
    "adjustment.adjustment": Example(rewarded, adjusted),
    "campaign_funding.campaign_funding": Example(deposited, funding),
    "sponsor_refund.sponsor_refund_request": Example(
        lambda w: [deposit(w)], lambda w: back.sponsor_refund_request(w.back, **TOLD)
    ),
    "sponsor_refund.sponsor_refund_paid": Example(
        lambda w: [deposit(w), back.sponsor_refund_request(w.back)],
        lambda w: back.sponsor_refund_paid(w.back, **TOLD),
    ),
    "sponsor_refund.sponsor_refund_failed": Example(
        lambda w: [deposit(w), back.sponsor_refund_request(w.back)],
        lambda w: back.sponsor_refund_failed(w.back, **TOLD),
    ),
    "sponsor_refund.sponsor_refund_returned": Example(
        lambda w: [deposit(w), back.sponsor_refund_request(w.back), back.sponsor_refund_paid(w.back)],
        lambda w: back.sponsor_refund_returned(w.back, **TOLD),
    ),
    "sponsor_dispute.sponsor_dispute_taken": Example(deposited, taken),
    "sponsor_dispute.sponsor_dispute_returned": Example(disputed, returned),
    "sponsor_dispute.sponsor_dispute_collected": Example(disputed, collected),
    "campaign_refund.campaign_refund": Example(campaign, lambda w: refunds.campaign_refund(w.refund, **TOLD)),
    "campaign_refund.campaign_refund_failed": Example(
        ended, lambda w: refunds.campaign_refund_failed(w.refund, **TOLD)
    ),
    "campaign_refund.campaign_refund_paid": Example(
        ended, lambda w: refunds.campaign_refund_paid(w.refund, **TOLD)
    ),
    "campaign_refund.campaign_refund_returned": Example(
        ended_paid, lambda w: refunds.campaign_refund_returned(w.refund, provider="stripe", **TOLD)
    ),
    "claim_fee.claim_fee": Example(nothing, claimed),
    "clawback.clawback": Example(rewarded, clawed_back),
    "driver_cashout.driver_cashout_failed": Example(
        submitted, lambda w: cash.driver_cashout_failed(w.cashout, **TOLD)
    ),
    "driver_cashout.driver_cashout_paid": Example(
        submitted, lambda w: cash.driver_cashout_paid(w.cashout, provider="bank", **TOLD)
    ),
    "driver_cashout.driver_cashout_release": Example(
        requested, lambda w: cash.driver_cashout_release(w.cashout, **TOLD)
    ),
    "driver_cashout.driver_cashout_request": Example(
        rewarded, lambda w: cash.driver_cashout_request(w.cashout, **TOLD)
    ),
    "driver_cashout.driver_cashout_returned": Example(
        paid, lambda w: cash.driver_cashout_returned(w.cashout, provider="bank", **TOLD)
    ),
    "driver_cashout.driver_cashout_submit": Example(
        requested, lambda w: cash.driver_cashout_submit(w.cashout, **TOLD)
    ),
    "expiry.expiry": Example(rewarded, expired, LATER),
    "invoice_payment.invoice_payment": Example(lambda w: [claimed(w)], invoice_paid),
    "merchant_payout.merchant_payout_failed": Example(
        owed_submitted, lambda w: pay.merchant_payout_failed(w.payout, **TOLD)
    ),
    "merchant_payout.merchant_payout_paid": Example(
        owed_submitted, lambda w: pay.merchant_payout_paid(w.payout, provider="bank", **TOLD)
    ),
    "merchant_payout.merchant_payout_release": Example(
        owed_requested, lambda w: pay.merchant_payout_release(w.payout, **TOLD)
    ),
    "merchant_payout.merchant_payout_request": Example(
        owed, lambda w: pay.merchant_payout_request(w.payout, **TOLD)
    ),
    "merchant_payout.merchant_payout_returned": Example(
        owed_paid, lambda w: pay.merchant_payout_returned(w.payout, provider="bank", **TOLD)
    ),
    "merchant_payout.merchant_payout_submit": Example(
        owed_requested, lambda w: pay.merchant_payout_submit(w.payout, **TOLD)
    ),
    "merchant_settlement.merchant_settlement": Example(redeemed, settled),
    "promo_funding.promo_funding": Example(deposited, promotion),
    "promo_grant.promo_grant": Example(lambda w: [deposit(w), promotion(w)], gift),
    "receivable_netting.receivable_netting": Example(owed_both_ways, netted),
    "redemption.redemption_capture": Example(code_shown, captured_in_part),
    "redemption.redemption_expire": Example(
        code_shown, lambda w: red.redemption_expire(redemption_id=w.id("code"), **TOLD), LATER
    ),
    "redemption.redemption_release": Example(
        code_shown, lambda w: red.redemption_release(redemption_id=w.id("code"), **TOLD)
    ),
    "redemption.redemption_show": Example(rewarded, shown),
    "redemption_refund.redemption_refund": Example(redeemed, refunded),
    "reversal.reversal": Example(rewarded, reversed_reward),
    "session_reward.session_reward": Example(campaign, lambda w: rew.session_reward(w.grant, **TOLD)),
    "session_reward.session_reward_capture": Example(
        held, lambda w: rew.session_reward_capture(w.grant, points=w.part, **TOLD)
    ),
    "session_reward.session_reward_expire": Example(
        held, lambda w: rew.session_reward_expire(w.grant, **TOLD), LATER
    ),
    "session_reward.session_reward_hold": Example(campaign, hold),
    "session_reward.session_reward_release": Example(
        held, lambda w: rew.session_reward_release(w.grant, **TOLD)
    ),
    "sponsor_deposit.sponsor_deposit": Example(nothing, deposit),
}
