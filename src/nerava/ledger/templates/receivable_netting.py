"""What a merchant owes is taken from what it is owed, where it agreed to that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from nerava.ledger.chart import merchant_payable, merchant_receivable
from nerava.ledger.values import chain, transfer

if TYPE_CHECKING:
    from uuid import UUID

    from nerava.ledger.templates import Circumstances
    from nerava.ledger.values import Chain


def receivable_netting(
    *,
    invoice_id: UUID,
    settlement_id: UUID,
    merchant_id: UUID,
    amount: int,
    **circumstances: Unpack[Circumstances],
) -> Chain:
    """Return the chain that pays an invoice, in full or in part, out of what a settlement made payable.

    Key: `receivable_netting:{invoice}:{settlement}`; a settlement pays an invoice once.
    Transfers: `merchant:{id}:payable` -> `merchant:{id}:receivable` of `amount` minor units.
    Precondition: the merchant agreed, and `amount` is at most what is open of the invoice.
    Refused: `insufficient` when less is owed to the merchant; above the ceiling when it owes less.
    """
    leg = transfer(merchant_payable(merchant_id), merchant_receivable(merchant_id), amount)
    return chain(f"receivable_netting:{invoice_id}:{settlement_id}", leg, **circumstances)
