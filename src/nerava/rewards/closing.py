"""What an ended campaign has left goes back to its sponsor's deposits, the unearned fee with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from nerava.kernel.ids import new_id
from nerava.kernel.money import Split, close_fee
from nerava.ledger import Status
from nerava.ledger.chart import campaign_budget, campaign_fee
from nerava.ledger.reads import balance_now
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.templates.campaign_refund import CampaignRefund, campaign_refund
from nerava.rewards.campaigns import CampaignState
from nerava.rewards.checkout_store import CampaignClosing
from nerava.rewards.errors import InsufficientFunds, NotOver, PostingRefused, UnknownCampaign
from nerava.rewards.model import Campaign, CampaignFunding

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.ledger import Ledger

_FUNDING: Final[Any] = CampaignFunding.__table__


def close(
    session: Session, ledger: Ledger, campaign_id: UUID, *, actor: str, now: datetime
) -> CampaignClosing:
    """Empty an ended campaign into the deposits of its sponsor and return what went where.

    What a clawback brings a closed campaign later is taken out by closing it again.

    Raises:
        UnknownCampaign: No campaign has this id (404).
        NotOver: It has not ended, or still holds rewards that wait for proof (409).
        InsufficientFunds: It has nothing left (409).
        SwitchedOff: Somebody has stopped it (503).
    """
    # Rewards that are written meanwhile name the campaign: what keeps its key alone does not wait for them.
    query = select(Campaign).where(Campaign.id == campaign_id).with_for_update(key_share=True)
    campaign = session.scalars(query).one_or_none()
    if campaign is None:
        raise UnknownCampaign(f"no campaign {campaign_id}")
    budget = balance_now(session, campaign_budget(campaign_id))
    if campaign.state != CampaignState.ENDED:
        raise NotOver(f"it is {campaign.state}; end it first", state=campaign.state)
    if budget.debits_pending:
        raise NotOver(f"{budget.debits_pending} minor units wait for proof of sessions")
    fee_left = balance_now(session, campaign_fee(campaign_id)).available
    if budget.available == 0 and fee_left == 0:
        raise InsufficientFunds("the campaign has nothing left")
    splits = session.execute(
        select(_FUNDING.c.net, _FUNDING.c.fee).where(_FUNDING.c.campaign_id == campaign_id)
    )
    fee = close_fee(fee_left, budget.available, [Split(row.net, row.fee) for row in splits])
    refund = CampaignRefund(new_id(), campaign_id, campaign.sponsor_id, budget.available, fee)
    chain = campaign_refund(refund, actor=actor)
    verdict = ledger.post(session, chain)
    if verdict.status is Status.INSUFFICIENT:
        # A session that was judged while the campaign still ran was posted between look and posting.
        raise NotOver("it changed while it was closed; try again")
    if verdict.status is Status.SWITCHED_OFF:
        raise SwitchedOff
    if not verdict.ok:
        raise PostingRefused(f"the ledger said {verdict.status}", status=verdict.status)
    closing = CampaignClosing(
        id=refund.refund_id,
        campaign_id=campaign_id,
        rest=refund.budget,
        fee_refunded=fee.refunded,
        fee_earned=fee.earned,
        transaction_key=chain.key,
        closed_at=now,
    )
    session.add(closing)
    session.flush()
    return closing
