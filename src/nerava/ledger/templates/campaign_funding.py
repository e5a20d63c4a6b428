"""A sponsor puts prepaid money into a campaign, the platform's fee inside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from nerava.kernel.money import split_fee
from nerava.ledger.chart import campaign_budget, campaign_fee, sponsor_prepaid
from nerava.ledger.templates import FUNDING_FEE_BPS
from nerava.ledger.values import chain, transfer

if TYPE_CHECKING:
    from uuid import UUID

    from nerava.ledger.templates import Circumstances
    from nerava.ledger.values import Chain


def campaign_funding(
    *,
    funding_id: UUID,
    sponsor_id: UUID,
    campaign_id: UUID,
    gross: int,
    fee_bps: int = FUNDING_FEE_BPS,
    **circumstances: Unpack[Circumstances],
) -> Chain:
    """Return the chain that fills a campaign's budget and sets its fee aside, not yet earned.

    `fee_bps` is the rate stored when the funding was agreed on. The fee is rounded down, the
    budget gets the rest (`split_fee`).

    Key: `campaign_funding:{funding_id}`.
    Transfers: `sponsor:{id}:prepaid` -> `campaign:{id}:budget` (net); `sponsor:{id}:prepaid` ->
    `campaign:{id}:fee` (fee, unless it rounds to 0).
    Refused: `insufficient` when the deposits do not cover the gross; `bad_amount` when the fee
    leaves nothing for the budget.

    Raises:
        BadAmount: The gross is negative or not whole, or the rate is above 10,000 (422).
    """
    net, fee = split_fee(gross, fee_bps)
    prepaid = sponsor_prepaid(sponsor_id)
    return chain(
        f"campaign_funding:{funding_id}",
        transfer(prepaid, campaign_budget(campaign_id), net),
        transfer(prepaid, campaign_fee(campaign_id), fee) if fee else None,
        **circumstances,
    )
