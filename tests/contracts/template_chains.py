"""The world of the examples of posting templates, and the chains that happen in it before and in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from hypothesis import strategies as st

from nerava.kernel.money import ClosedFee, split_fee
from nerava.ledger.chart import NOVA_ISSUANCE, driver_nova
from nerava.ledger.templates import Circumstances
from nerava.ledger.templates import adjustment as adj
from nerava.ledger.templates import campaign_refund as refunds
from nerava.ledger.templates import clawback as claw
from nerava.ledger.templates import driver_cashout as cash
from nerava.ledger.templates import expiry as exp
from nerava.ledger.templates import merchant_payout as pay
from nerava.ledger.templates import redemption as red
from nerava.ledger.templates import session_reward as rew
from nerava.ledger.templates import sponsor_dispute as disp
from nerava.ledger.templates import sponsor_refund as back
from nerava.ledger.templates.campaign_funding import campaign_funding
from nerava.ledger.templates.claim_fee import claim_fee
from nerava.ledger.templates.invoice_payment import invoice_payment
from nerava.ledger.templates.merchant_settlement import merchant_settlement
from nerava.ledger.templates.promo_funding import promo_funding
from nerava.ledger.templates.promo_grant import PromoKind, promo_grant
from nerava.ledger.templates.receivable_netting import receivable_netting
from nerava.ledger.templates.redemption_refund import CapturedRedemption, redemption_refund
from nerava.ledger.templates.reversal import reversal
from nerava.ledger.templates.sponsor_deposit import sponsor_deposit
from tests.ledger.templates.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from nerava.ledger.values import Chain

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER: Final = NOW + timedelta(days=30)
TOLD: Final = Circumstances(actor="ops-1", effective_at=NOW - timedelta(hours=3), metadata={"note": "n"})
"""The circumstances that the chain of every example is told."""


@dataclass(frozen=True)
class World:
    """Who takes part in an example, and how much there is of everything.

    Everything is derived from one number, so two worlds of other numbers share no id.
    """

    number: int
    gross: int
    points: int
    """What the driver gets and spends, at most the budget."""

    part: int
    """A part of the points."""

    def id(self, name: str) -> UUID:
        """Return the id of somebody in this world."""
        return UUID(int=self.number * 2**64 + int.from_bytes(name.encode()[:8], "big"))

    @property
    def grant(self) -> rew.SessionGrant:
        """The reward of the one session of this world."""
        fee = split_fee(self.gross, 2_000)
        share = self.points * fee.fee // fee.net
        return rew.SessionGrant(
            self.id("campaign"), self.id("session"), self.id("driver"), self.points, share, LATER
        )

    @property
    def standing(self) -> rew.StandingGrant:
        """The reward as it stands."""
        return rew.StandingGrant(self.id("campaign"), self.points, self.grant.fee_share)

    @property
    def cashout(self) -> cash.DriverCashout:
        """A cash-out of all points, a part of them as the fee."""
        fee = self.points - self.part
        return cash.DriverCashout(self.id("payout"), self.id("driver"), self.part, fee)

    @property
    def payout(self) -> pay.MerchantPayout:
        """A payout of everything the settlement of all points leaves to the merchant."""
        net = split_fee(self.points, 1_500).net
        return pay.MerchantPayout(self.id("payout"), self.id("merchant"), net)

    @property
    def refund(self) -> refunds.CampaignRefund:
        """The refund of a campaign that has granted nothing."""
        net, fee = split_fee(self.gross, 2_000)
        closed = ClosedFee(fee - fee // 3, fee // 3)
        return refunds.CampaignRefund(
            self.id("refund"), self.id("campaign"), self.id("sponsor"), net, closed, "stripe"
        )

    @property
    def back(self) -> back.SponsorRefund:
        """A part of the deposit on its way back."""
        return back.SponsorRefund(self.id("back"), self.id("sponsor"), self.part, "stripe")

    @property
    def disputed(self) -> disp.Disputed:
        """The dispute of the deposit."""
        return disp.Disputed("stripe", f"dp_{self.number}", self.id("sponsor"))


@st.composite
def worlds(draw: st.DrawFn, number: int) -> World:
    """Any amounts that fit together."""
    gross = draw(st.integers(1, 10**9))
    points = draw(st.integers(1, split_fee(gross, 2_000).net))
    return World(number, gross, points, draw(st.integers(1, points)))


@dataclass(frozen=True)
class Example:
    """How a function of a template is called, and what must have happened before.

    Attributes:
        before: The chains to be posted first.
        build: The chain itself.
        at: When it is posted.
    """

    before: Callable[[World], list[Chain]]
    build: Callable[[World], Chain]
    at: datetime = NOW


def deposit(world: World) -> Chain:
    return sponsor_deposit(
        checkout_id=str(world.id("checkout")),
        sponsor_id=world.id("sponsor"),
        provider="stripe",
        gross=world.gross,
        processor_cost=world.part,
        **TOLD,
    )


def funding(world: World) -> Chain:
    return campaign_funding(
        funding_id=world.id("funding"),
        sponsor_id=world.id("sponsor"),
        campaign_id=world.id("campaign"),
        gross=world.gross,
        **TOLD,
    )


def promotion(world: World) -> Chain:
    return promo_funding(
        funding_id=world.id("funding"), sponsor_id=world.id("sponsor"), amount=world.gross, **TOLD
    )


def gift(world: World) -> Chain:
    return promo_grant(
        kind=PromoKind.REFERRAL,
        reference_id=world.id("referral"),
        driver_id=world.id("driver"),
        points=world.points,
        points_expire_at=LATER,
        **TOLD,
    )


def hold(world: World) -> Chain:
    return rew.session_reward_hold(world.grant, settle_by=LATER, **TOLD)


def shown(world: World) -> Chain:
    return red.redemption_show(
        redemption_id=world.id("code"),
        driver_id=world.id("driver"),
        merchant_id=world.id("merchant"),
        price=world.points,
        expires_at=LATER,
        **TOLD,
    )


def captured(world: World) -> Chain:
    return red.redemption_capture(
        redemption_id=world.id("code"), register_id=world.id("till"), price=world.points, **TOLD
    )


def captured_in_part(world: World) -> Chain:
    return red.redemption_capture(
        redemption_id=world.id("code"),
        register_id=world.id("till"),
        price=world.points,
        bill=world.part,
        **TOLD,
    )


def claimed(world: World) -> Chain:
    return claim_fee(claim_id=world.id("claim"), merchant_id=world.id("merchant"), fee=world.part, **TOLD)


def invoice_paid(world: World) -> Chain:
    return invoice_payment(
        reference=f"wire-{world.number}",
        merchant_id=world.id("merchant"),
        provider="stripe",
        amount=world.part,
        **TOLD,
    )


def netted(world: World) -> Chain:
    amount = min(world.part, world.payout.amount)
    return receivable_netting(
        invoice_id=world.id("invoice"),
        settlement_id=world.id("settled"),
        merchant_id=world.id("merchant"),
        amount=amount,
        **TOLD,
    )


def refunded(world: World) -> Chain:
    code, till, driver, merchant = map(world.id, ("code", "till", "driver", "merchant"))
    return redemption_refund(
        refund_id=world.id("refund"),
        redemption=CapturedRedemption(code, till, driver, merchant, world.points),
        points=world.part,
        **TOLD,
    )


def settled(world: World) -> Chain:
    return merchant_settlement(
        merchant_id=world.id("merchant"), period="2026-03", points=world.points, **TOLD
    )


def clawed_back(world: World) -> Chain:
    outcome = claw.clawback(
        clawback_id=world.id("credit"),
        grant=world.standing,
        source=claw.ClawbackFrom(world.id("driver"), world.grant.lot_key, world.part),
        points=world.points,
        **TOLD,
    )
    if outcome.chain is None:
        raise AssertionError("there is always a part to take")
    return outcome.chain


def expired(world: World) -> Chain:
    lot = exp.DueLot(world.id("lot"), world.id("driver"), world.grant.lot_key, world.points)
    return exp.expiry(lot, returns_to=world.standing, **TOLD)


def adjusted(world: World) -> Chain:
    case = adj.AdjustmentCase(adj.AdjustmentReason.CORRECTION, asked_by="ops-1", approved_by="ops-2")
    return adj.adjustment(
        adjustment_id=world.id("case"),
        debit=driver_nova(world.id("driver")),
        credit=NOVA_ISSUANCE,
        amount=world.part,
        case=case,
        **TOLD,
    )


def reversed_reward(world: World) -> Chain:
    stage = Stage(NOW)
    stage.post(*rewarded(world))
    return reversal(stage.rows(rew.session_reward(world.grant)), stage.codes(), **TOLD)


def taken(world: World) -> Chain:
    return disp.sponsor_dispute_taken(world.disputed, "txn_1", amount=world.gross, cost=1_500, **TOLD)


def returned(world: World) -> Chain:
    back = disp.Returned(world.points - world.part, world.part, world.gross - world.points)
    return disp.sponsor_dispute_returned(world.disputed, "txn_2", returned=back, cost=-1_500, **TOLD)


def collected(world: World) -> Chain:
    collection_id = world.id("collect")
    return disp.sponsor_dispute_collected(world.disputed, collection_id, amount=world.part, **TOLD)


def nothing(_: World) -> list[Chain]:
    return []


def deposited(world: World) -> list[Chain]:
    return [deposit(world)]


def disputed(world: World) -> list[Chain]:
    return [deposit(world), taken(world)]


def campaign(world: World) -> list[Chain]:
    return [deposit(world), funding(world)]


def held(world: World) -> list[Chain]:
    return [*campaign(world), hold(world)]


def rewarded(world: World) -> list[Chain]:
    return [*campaign(world), rew.session_reward(world.grant)]


def code_shown(world: World) -> list[Chain]:
    return [*rewarded(world), shown(world)]


def redeemed(world: World) -> list[Chain]:
    return [*code_shown(world), captured(world)]


def requested(world: World) -> list[Chain]:
    return [*rewarded(world), cash.driver_cashout_request(world.cashout)]


def submitted(world: World) -> list[Chain]:
    return [*requested(world), cash.driver_cashout_submit(world.cashout)]


def paid(world: World) -> list[Chain]:
    return [*submitted(world), cash.driver_cashout_paid(world.cashout, provider="bank")]


def owed(world: World) -> list[Chain]:
    return [*redeemed(world), settled(world)]


def owed_requested(world: World) -> list[Chain]:
    return [*owed(world), pay.merchant_payout_request(world.payout)]


def owed_submitted(world: World) -> list[Chain]:
    return [*owed_requested(world), pay.merchant_payout_submit(world.payout)]


def owed_paid(world: World) -> list[Chain]:
    return [*owed_submitted(world), pay.merchant_payout_paid(world.payout, provider="bank")]


def ended(world: World) -> list[Chain]:
    return [*campaign(world), refunds.campaign_refund(world.refund)]


def ended_paid(world: World) -> list[Chain]:
    return [*ended(world), refunds.campaign_refund_paid(world.refund)]


def owed_both_ways(world: World) -> list[Chain]:
    return [*owed(world), claimed(world)]
