"""Deposits that are in no campaign go back to the sponsor by the payment that brought them.

Reserved when it is asked for, so the sponsor cannot spend it meanwhile; the processor's answer
captures the reservation or releases it. A refund that the processor takes back after it
succeeded is a fact of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

from nerava.kernel.ids import fact_id
from nerava.ledger.chart import external, sponsor_prepaid
from nerava.ledger.values import capture, chain, hold, release, transfer

if TYPE_CHECKING:
    from uuid import UUID

    from nerava.ledger.templates import Circumstances
    from nerava.ledger.values import Chain

_TEMPLATE = "sponsor_refund"


@dataclass(frozen=True, slots=True)
class SponsorRefund:
    """What goes back to whom.

    Attributes:
        amount: Minor units.
        provider: By whom the money came.
    """

    refund_id: UUID
    sponsor_id: UUID
    amount: int
    provider: str

    @property
    def fact(self) -> str:
        """What the keys are derived from."""
        return f"sponsor_refund:{self.refund_id}"


def sponsor_refund_request(refund: SponsorRefund, **circumstances: Unpack[Circumstances]) -> Chain:
    """Return the chain that reserves the money.

    Key: `sponsor_refund:{refund_id}`.
    Transfers: a hold `sponsor:{id}:prepaid` -> `external:{provider}` that never expires by itself.
    Refused: `insufficient` when less is deposited.
    """
    leg = hold(sponsor_prepaid(refund.sponsor_id), external(refund.provider), refund.amount, expires_at=None)
    return chain(refund.fact, leg, template=_TEMPLATE, **circumstances)


def sponsor_refund_paid(refund: SponsorRefund, **circumstances: Unpack[Circumstances]) -> Chain:
    """Return the chain that says the processor has refunded the money.

    Key: `sponsor_refund:{refund_id}:paid`.
    Transfers: a capture of the hold.
    Refused: `hold_resolved` when it was posted as failed; `hold_not_found`.
    """
    leg = capture(fact_id(refund.fact), refund.amount)
    return chain(f"{refund.fact}:paid", leg, template=_TEMPLATE, **circumstances)


def sponsor_refund_failed(refund: SponsorRefund, **circumstances: Unpack[Circumstances]) -> Chain:
    """Return the chain that leaves the money with the deposits: the processor did not refund it.

    Key: `sponsor_refund:{refund_id}:failed`.
    Transfers: a release of the hold.
    Refused: `hold_resolved` when it was posted as paid; `hold_not_found`.
    """
    leg = release(fact_id(refund.fact))
    return chain(f"{refund.fact}:failed", leg, template=_TEMPLATE, **circumstances)


def sponsor_refund_returned(refund: SponsorRefund, **circumstances: Unpack[Circumstances]) -> Chain:
    """Return the chain for a refund that failed after it had succeeded.

    Key: `sponsor_refund:{refund_id}:returned`.
    Transfers: `external:{provider}` -> `sponsor:{id}:prepaid`.
    Precondition: posted as paid.
    """
    leg = transfer(external(refund.provider), sponsor_prepaid(refund.sponsor_id), refund.amount)
    return chain(f"{refund.fact}:returned", leg, template=_TEMPLATE, **circumstances)
