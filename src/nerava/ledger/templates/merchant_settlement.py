"""A merchant's redeemed points of one period become money that is owed to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from nerava.kernel.money import split_fee
from nerava.ledger.chart import (
    NOVA_ISSUANCE,
    NOVA_RESERVE,
    PLATFORM_FEES,
    merchant_nova,
    merchant_payable,
)
from nerava.ledger.templates import MERCHANT_FEE_BPS
from nerava.ledger.values import chain, transfer

if TYPE_CHECKING:
    from uuid import UUID

    from nerava.ledger.templates import Circumstances
    from nerava.ledger.values import Chain


def merchant_settlement(
    *,
    merchant_id: UUID,
    period: str,
    points: int,
    fee_bps: int = MERCHANT_FEE_BPS,
    **circumstances: Unpack[Circumstances],
) -> Chain:
    """Return the chain that burns a period's points and pays out the cash behind them.

    The fee is rounded down, the merchant gets the rest (`split_fee`).

    Key: `merchant_settlement:{merchant}:{period}`, the period as its name in the merchant's own
    time zone, for example `2026-03`.
    Transfers: `merchant:{id}:nova` -> `nova:issuance`; `nova:reserve` -> `merchant:{id}:payable`
    (value less fee, unless 0); `nova:reserve` -> `platform:fees` (fee, unless 0).
    Precondition: `points` are the captures less the refunds of the period.
    Refused: `insufficient` when the merchant holds fewer points; `conflict` when the period is
    settled with another number.

    Raises:
        BadAmount: The points are negative or not whole, or the rate is above 10,000 (422).
    """
    net, fee = split_fee(points, fee_bps)
    return chain(
        f"merchant_settlement:{merchant_id}:{period}",
        transfer(merchant_nova(merchant_id), NOVA_ISSUANCE, points),
        transfer(NOVA_RESERVE, merchant_payable(merchant_id), net) if net else None,
        transfer(NOVA_RESERVE, PLATFORM_FEES, fee) if fee else None,
        **circumstances,
    )
