"""A driver claims a perk that its merchant gives away: the merchant owes the platform a fee."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from nerava.ledger.chart import PLATFORM_FEES, merchant_receivable
from nerava.ledger.values import chain, transfer

if TYPE_CHECKING:
    from uuid import UUID

    from nerava.ledger.templates import Circumstances
    from nerava.ledger.values import Chain


def claim_fee(
    *, claim_id: UUID, merchant_id: UUID, fee: int, **circumstances: Unpack[Circumstances]
) -> Chain:
    """Return the chain by which a merchant comes to owe the fee of one claim.

    Key: `claim_fee:{claim_id}`.
    Transfers: `merchant:{id}:receivable` -> `platform:fees` of `fee` minor units.
    Refused: `no_account` when the merchant's account was never opened.
    """
    leg = transfer(merchant_receivable(merchant_id), PLATFORM_FEES, fee)
    return chain(f"claim_fee:{claim_id}", leg, **circumstances)
