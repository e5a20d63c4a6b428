"""A merchant is paid what it is owed; the states are those of a driver's cash-out.

`paid` and `failed` have one key, as in `driver_cashout`, so only one of them can be posted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

from nerava.kernel.ids import fact_id
from nerava.ledger.chart import PAYOUT_CLEARING, external, merchant_payable
from nerava.ledger.values import capture, chain, hold, release, transfer

if TYPE_CHECKING:
    from uuid import UUID

    from nerava.ledger.templates import Circumstances
    from nerava.ledger.values import Chain

_TEMPLATE = "merchant_payout"


@dataclass(frozen=True, slots=True)
class MerchantPayout:
    """What is to be paid: `amount` in minor units."""

    payout_id: UUID
    merchant_id: UUID
    amount: int

    def fact(self, step: str) -> str:
        """Return what the key of a step is derived from."""
        return f"payout:{self.payout_id}:{step}"


def merchant_payout_request(payout: MerchantPayout, **circumstances: Unpack[Circumstances]) -> Chain:
    """Return the chain that reserves what is to be paid.

    Key: `payout:{id}:request`.
    Transfers: a hold `merchant:{id}:payable` -> `payout:clearing` that never expires by itself.
    Refused: `insufficient` when less is owed, or it is being paid already.
    """
    leg = hold(merchant_payable(payout.merchant_id), PAYOUT_CLEARING, payout.amount, expires_at=None)
    return chain(payout.fact("request"), leg, template=_TEMPLATE, **circumstances)


def merchant_payout_release(payout: MerchantPayout, **circumstances: Unpack[Circumstances]) -> Chain:
    """Return the chain that ends a payout before it was submitted; the money stays owed.

    Key: `payout:{id}:release`.
    Transfers: a release of the hold.
    Refused: `hold_resolved` once it is submitted, `hold_not_found`.
    """
    leg = release(fact_id(payout.fact("request")))
    return chain(payout.fact("release"), leg, template=_TEMPLATE, **circumstances)


def merchant_payout_submit(payout: MerchantPayout, **circumstances: Unpack[Circumstances]) -> Chain:
    """Return the chain that must be committed before the first byte goes to the provider.

    Key: `payout:{id}:submit`.
    Transfers: a capture of the hold; the money is in `payout:clearing`.
    Refused: `hold_resolved` when it was released, `hold_not_found`.
    """
    leg = capture(fact_id(payout.fact("request")), payout.amount)
    return chain(payout.fact("submit"), leg, template=_TEMPLATE, **circumstances)


def merchant_payout_paid(
    payout: MerchantPayout, *, provider: str, **circumstances: Unpack[Circumstances]
) -> Chain:
    """Return the chain that says the money has reached the merchant's bank.

    Key: `payout:{id}:outcome`.
    Transfers: `payout:clearing` -> `external:{provider}`.
    Precondition: submitted. Refused: `conflict` when it was posted as failed.
    """
    leg = transfer(PAYOUT_CLEARING, external(provider), payout.amount)
    return chain(payout.fact("outcome"), leg, template=_TEMPLATE, **circumstances)


def merchant_payout_failed(payout: MerchantPayout, **circumstances: Unpack[Circumstances]) -> Chain:
    """Return the chain that makes the money owed again: the provider definitely did not pay it.

    Key: `payout:{id}:outcome`.
    Transfers: `payout:clearing` -> `merchant:{id}:payable`.
    Precondition: submitted, and the failure was read, not guessed.
    Refused: `conflict` when it was posted as paid.
    """
    leg = transfer(PAYOUT_CLEARING, merchant_payable(payout.merchant_id), payout.amount)
    return chain(payout.fact("outcome"), leg, template=_TEMPLATE, **circumstances)


def merchant_payout_returned(
    payout: MerchantPayout, *, provider: str, **circumstances: Unpack[Circumstances]
) -> Chain:
    """Return the chain for money that came back from the bank after it was paid.

    Key: `payout:{id}:returned`.
    Transfers: `external:{provider}` -> `payout:clearing` -> `merchant:{id}:payable`.
    Precondition: posted as paid.
    """
    return chain(
        payout.fact("returned"),
        transfer(external(provider), PAYOUT_CLEARING, payout.amount),
        transfer(PAYOUT_CLEARING, merchant_payable(payout.merchant_id), payout.amount),
        template=_TEMPLATE,
        **circumstances,
    )
