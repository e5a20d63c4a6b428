"""A merchant pays an invoice by bank transfer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from nerava.ledger.chart import external, merchant_receivable
from nerava.ledger.values import chain, transfer

if TYPE_CHECKING:
    from uuid import UUID

    from nerava.ledger.templates import Circumstances
    from nerava.ledger.values import Chain


def invoice_payment(
    *, reference: str, merchant_id: UUID, provider: str, amount: int, **circumstances: Unpack[Circumstances]
) -> Chain:
    """Return the chain that books a transfer that has cleared against what a merchant owes.

    Key: `invoice_payment:{provider}:{reference}`; the bank's name for a transfer counts once,
    whoever enters it and for whichever invoice.
    Transfers: `external:{provider}` -> `merchant:{id}:receivable` of `amount` minor units.
    Precondition: `amount` is at most what is open of the invoice.
    Refused: `conflict` when the transfer was booked otherwise; above the ceiling when the merchant owes less.
    """
    leg = transfer(external(provider), merchant_receivable(merchant_id), amount)
    return chain(f"invoice_payment:{provider}:{reference}", leg, **circumstances)
