"""What a campaign has left goes back to its sponsor, and from there to the sponsor's bank.

Closing the campaign and reserving the money for the bank are one chain, so the sponsor cannot
spend it again meanwhile. The processor answers later: paid captures the reservation, failed
releases it and leaves the money prepaid. A refund that the processor takes back after it
succeeded is a fact of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

from nerava.kernel.ids import fact_id
from nerava.kernel.money import BadAmount
from nerava.ledger.chart import (
    PLATFORM_FEES,
    campaign_budget,
    campaign_fee,
    external,
    sponsor_prepaid,
)
from nerava.ledger.values import capture, chain, hold, release, transfer, transfer_key

if TYPE_CHECKING:
    from uuid import UUID

    from nerava.kernel.money import ClosedFee
    from nerava.ledger.templates import Circumstances
    from nerava.ledger.values import Chain, Transfer


@dataclass(frozen=True, slots=True)
class CampaignRefund:
    """What goes back when a campaign has ended.

    Attributes:
        budget: The rest of the budget, in minor units.
        fee: The rest of its fee, divided by `close_fee`.
        provider: Where the money is sent; None leaves it with the sponsor's deposits.
    """

    refund_id: UUID
    campaign_id: UUID
    sponsor_id: UUID
    budget: int
    fee: ClosedFee
    provider: str | None = None

    @property
    def total(self) -> int:
        """What the sponsor gets, in minor units."""
        return self.budget + self.fee.refunded

    @property
    def fact(self) -> str:
        """What the key is derived from."""
        return f"campaign_refund:{self.refund_id}"

    def closing_legs(self) -> list[Transfer]:
        """Return the transfers that empty the campaign's accounts."""
        prepaid, fee = sponsor_prepaid(self.sponsor_id), campaign_fee(self.campaign_id)
        legs = (
            transfer(campaign_budget(self.campaign_id), prepaid, self.budget),
            transfer(fee, prepaid, self.fee.refunded),
            transfer(fee, PLATFORM_FEES, self.fee.earned),
        )
        return [one for one in legs if one.amount]

    @property
    def hold_key(self) -> UUID:
        """Key of the reservation for the bank, which stands after the closing legs."""
        return transfer_key(fact_id(self.fact), len(self.closing_legs()))


def campaign_refund(refund: CampaignRefund, **circumstances: Unpack[Circumstances]) -> Chain:
    """Return the chain that empties an ended campaign.

    Key: `campaign_refund:{refund_id}`; a later clawback may bring a campaign money again, which
    is then another refund.
    Transfers, those of 0 left out: `campaign:{id}:budget` -> `sponsor:{id}:prepaid` (rest);
    `campaign:{id}:fee` -> `sponsor:{id}:prepaid` (not earned); `campaign:{id}:fee` ->
    `platform:fees` (what rounding left, earned now); and with a provider a hold
    `sponsor:{id}:prepaid` -> `external:{provider}` of what the sponsor gets, without expiry.
    Precondition: the campaign grants nothing any more and has no open hold.
    Refused: `insufficient` when less is left than was read; read again.

    Raises:
        BadAmount: Nothing is left (422).
    """
    legs = refund.closing_legs()
    if not legs:
        raise BadAmount("the campaign has nothing left")
    if refund.provider is not None and refund.total:
        bank = external(refund.provider)
        legs.append(hold(sponsor_prepaid(refund.sponsor_id), bank, refund.total, expires_at=None))
    return chain(refund.fact, *legs, **circumstances)


def campaign_refund_paid(refund: CampaignRefund, **circumstances: Unpack[Circumstances]) -> Chain:
    """Return the chain that says the processor has refunded the money.

    Key: `campaign_refund:{refund_id}:paid`.
    Transfers: a capture of the hold.
    Refused: `hold_resolved` when it was posted as failed; `hold_not_found` without a provider.
    """
    return chain(f"{refund.fact}:paid", capture(refund.hold_key, refund.total), **circumstances)


def campaign_refund_failed(refund: CampaignRefund, **circumstances: Unpack[Circumstances]) -> Chain:
    """Return the chain that leaves the money prepaid: the processor did not refund it.

    Key: `campaign_refund:{refund_id}:failed`.
    Transfers: a release of the hold.
    Refused: `hold_resolved` when it was posted as paid; `hold_not_found` without a provider.
    """
    return chain(f"{refund.fact}:failed", release(refund.hold_key), **circumstances)


def campaign_refund_returned(
    refund: CampaignRefund, *, provider: str, **circumstances: Unpack[Circumstances]
) -> Chain:
    """Return the chain for a refund that failed after it had succeeded.

    Key: `campaign_refund:{refund_id}:returned`.
    Transfers: `external:{provider}` -> `sponsor:{id}:prepaid`.
    Precondition: posted as paid.
    """
    leg = transfer(external(provider), sponsor_prepaid(refund.sponsor_id), refund.total)
    return chain(f"{refund.fact}:returned", leg, **circumstances)
