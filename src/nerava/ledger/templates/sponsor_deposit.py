"""A sponsor's money has arrived at a payment processor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from nerava.ledger.chart import PROCESSOR_FEES, external, sponsor_prepaid
from nerava.ledger.values import chain, transfer

if TYPE_CHECKING:
    from uuid import UUID

    from nerava.ledger.templates import Circumstances
    from nerava.ledger.values import Chain


def sponsor_deposit(
    *,
    checkout_id: str,
    sponsor_id: UUID,
    provider: str,
    gross: int,
    processor_cost: int = 0,
    **circumstances: Unpack[Circumstances],
) -> Chain:
    """Return the chain that makes cleared money spendable for its sponsor.

    Key: `sponsor_deposit:{provider}:{checkout_id}`; however many events tell of one checkout, it
    counts once.
    Transfers: `external:{provider}` -> `sponsor:{id}:prepaid` (gross); `processor:fees` ->
    `external:{provider}` (what the processor kept for itself: the house bears it, and the
    provider's account then says what really lies there).
    Precondition: the funds have cleared.
    Refused: `conflict` when the checkout was posted with another amount or sponsor.
    """
    return chain(
        f"sponsor_deposit:{provider}:{checkout_id}",
        transfer(external(provider), sponsor_prepaid(sponsor_id), gross),
        transfer(PROCESSOR_FEES, external(provider), processor_cost) if processor_cost else None,
        **circumstances,
    )
