"""A driver turns points into money: held at the request, burnt when the payout is submitted.

Between submission and evidence of its end the money rests in `payout:clearing`; an unknown end
posts nothing. `paid` and `failed` are two answers to one question and **have one key**, so a
payout that was paid can never be given back as failed, nor the other way round: the second
is answered `conflict`. What the bank sends back after `paid` is a fact of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

from nerava.kernel.ids import fact_id
from nerava.ledger.chart import (
    NOVA_ISSUANCE,
    NOVA_RESERVE,
    PAYOUT_CLEARING,
    PLATFORM_FEES,
    driver_nova,
    external,
)
from nerava.ledger.values import capture, chain, hold, release, transfer

if TYPE_CHECKING:
    from uuid import UUID

    from nerava.ledger.templates import Circumstances
    from nerava.ledger.values import Chain, Transfer

_TEMPLATE = "driver_cashout"


@dataclass(frozen=True, slots=True)
class DriverCashout:
    """What a driver asked for.

    Attributes:
        amount: Minor units that reach the driver's bank.
        fee: Minor units the platform takes on top; the driver pays `amount + fee` Nova.
    """

    payout_id: UUID
    driver_id: UUID
    amount: int
    fee: int = 0

    def fact(self, step: str) -> str:
        """Return what the key of a step is derived from."""
        return f"payout:{self.payout_id}:{step}"


def driver_cashout_request(cashout: DriverCashout, **circumstances: Unpack[Circumstances]) -> Chain:
    """Return the chain that reserves the points of a cash-out.

    Key: `payout:{id}:request`.
    Transfers: a hold `driver:{id}:nova` -> `nova:issuance` of amount and fee. It never expires
    by itself: only a decision or evidence ends a payout.
    Refused: `insufficient` when the driver has fewer points available.
    """
    points = cashout.amount + cashout.fee
    leg = hold(driver_nova(cashout.driver_id), NOVA_ISSUANCE, points, expires_at=None)
    return chain(cashout.fact("request"), leg, template=_TEMPLATE, **circumstances)


def driver_cashout_release(cashout: DriverCashout, **circumstances: Unpack[Circumstances]) -> Chain:
    """Return the chain that gives the points back: cancelled or rejected before it was submitted.

    Key: `payout:{id}:release`.
    Transfers: a release of the hold.
    Refused: `hold_resolved` once it is submitted, `hold_not_found`.
    """
    leg = release(fact_id(cashout.fact("request")))
    return chain(cashout.fact("release"), leg, template=_TEMPLATE, **circumstances)


def driver_cashout_submit(cashout: DriverCashout, **circumstances: Unpack[Circumstances]) -> Chain:
    """Return the chain that must be committed before the first byte goes to the provider.

    Key: `payout:{id}:submit`.
    Transfers: a capture of the hold, which burns the points; `nova:reserve` -> `payout:clearing`
    (amount); `nova:reserve` -> `platform:fees` (fee, unless 0).
    Refused: `hold_resolved` when it was released, `hold_not_found`.
    """
    return chain(
        cashout.fact("submit"),
        capture(fact_id(cashout.fact("request")), cashout.amount + cashout.fee),
        transfer(NOVA_RESERVE, PAYOUT_CLEARING, cashout.amount),
        transfer(NOVA_RESERVE, PLATFORM_FEES, cashout.fee) if cashout.fee else None,
        template=_TEMPLATE,
        **circumstances,
    )


def driver_cashout_paid(
    cashout: DriverCashout, *, provider: str, **circumstances: Unpack[Circumstances]
) -> Chain:
    """Return the chain that says the money has reached the driver's bank.

    Key: `payout:{id}:outcome`.
    Transfers: `payout:clearing` -> `external:{provider}`.
    Precondition: submitted. Refused: `conflict` when it was posted as failed.
    """
    leg = transfer(PAYOUT_CLEARING, external(provider), cashout.amount)
    return chain(cashout.fact("outcome"), leg, template=_TEMPLATE, **circumstances)


def driver_cashout_failed(cashout: DriverCashout, **circumstances: Unpack[Circumstances]) -> Chain:
    """Return the chain that undoes a submission the provider definitely did not carry out.

    Key: `payout:{id}:outcome`.
    Transfers: the mirror of the submission: `payout:clearing` -> `nova:reserve` (amount);
    `platform:fees` -> `nova:reserve` (fee, unless 0); `nova:issuance` -> `driver:{id}:nova`
    (both, with the source and expiry the points had).
    Precondition: submitted, and the failure was read, not guessed.
    Refused: `conflict` when it was posted as paid.
    """
    return chain(cashout.fact("outcome"), *_give_back(cashout), template=_TEMPLATE, **circumstances)


def driver_cashout_returned(
    cashout: DriverCashout, *, provider: str, **circumstances: Unpack[Circumstances]
) -> Chain:
    """Return the chain for money that came back from the bank after it was paid.

    Key: `payout:{id}:returned`.
    Transfers: `external:{provider}` -> `payout:clearing`, then as `driver_cashout_failed`.
    Precondition: posted as paid.
    """
    back = transfer(external(provider), PAYOUT_CLEARING, cashout.amount)
    return chain(cashout.fact("returned"), back, *_give_back(cashout), template=_TEMPLATE, **circumstances)


def _give_back(cashout: DriverCashout) -> list[Transfer | None]:
    points = cashout.amount + cashout.fee
    captured = fact_id(cashout.fact("submit"))
    return [
        transfer(PAYOUT_CLEARING, NOVA_RESERVE, cashout.amount),
        transfer(PLATFORM_FEES, NOVA_RESERVE, cashout.fee) if cashout.fee else None,
        transfer(NOVA_ISSUANCE, driver_nova(cashout.driver_id), points, restores=captured),
    ]
