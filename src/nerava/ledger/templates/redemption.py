"""A driver pays a merchant with points: held while the code is shown, captured at the register.

The hold is the code's money. Showing, capture, release and expiry are one hold and at most one
end of it, so two registers that race for one code are two captures of one hold and exactly one
wins; the register stands in the key of its capture, so that the winner may repeat its call and
the loser is told `hold_resolved` instead of `exists`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from nerava.kernel.ids import fact_id
from nerava.ledger.chart import driver_nova, merchant_nova
from nerava.ledger.values import capture, chain, expire, hold, release

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from nerava.ledger.templates import Circumstances
    from nerava.ledger.values import Chain


def redemption_show(
    *,
    redemption_id: UUID,
    driver_id: UUID,
    merchant_id: UUID,
    price: int,
    expires_at: datetime,
    **circumstances: Unpack[Circumstances],
) -> Chain:
    """Return the chain that holds the driver's points for one code.

    Key: `redemption:{redemption_id}`.
    Transfers: a hold `driver:{id}:nova` -> `merchant:{id}:nova` of `price` Nova that can be
    captured before `expires_at` (aware UTC).
    Refused: `insufficient` when the driver has fewer points available.
    """
    leg = hold(driver_nova(driver_id), merchant_nova(merchant_id), price, expires_at=expires_at)
    return chain(f"redemption:{redemption_id}", leg, **circumstances)


def redemption_capture(
    *,
    redemption_id: UUID,
    register_id: UUID,
    price: int,
    bill: int | None = None,
    **circumstances: Unpack[Circumstances],
) -> Chain:
    """Return the chain that takes the held points for the merchant.

    Key: `redemption:{redemption_id}:capture:{register_id}`.
    Transfers: a capture of `price` Nova, or of the bill (minor units) if that is less; the rest
    goes back to the driver.
    Refused: `hold_resolved` when another register was faster, or the code was withdrawn;
    `hold_expired`; `hold_not_found`; `conflict` when this register captured it with another bill.
    """
    points = price if bill is None else min(price, bill)
    return chain(
        _capture_fact(redemption_id, register_id),
        capture(fact_id(f"redemption:{redemption_id}"), points),
        **circumstances,
    )


def redemption_capture_key(redemption_id: UUID, register_id: UUID) -> UUID:
    """Return the key of the capture by this register, which a refund names."""
    return fact_id(_capture_fact(redemption_id, register_id))


def redemption_release(*, redemption_id: UUID, **circumstances: Unpack[Circumstances]) -> Chain:
    """Return the chain that gives the points back because the code is withdrawn.

    Key: `redemption:{redemption_id}:release`.
    Transfers: a release of the hold.
    Refused: `hold_resolved`, `hold_not_found`.
    """
    leg = release(fact_id(f"redemption:{redemption_id}"))
    return chain(f"redemption:{redemption_id}:release", leg, **circumstances)


def redemption_expire(*, redemption_id: UUID, **circumstances: Unpack[Circumstances]) -> Chain:
    """Return the chain that gives the points back because nobody took the code in time.

    Key: `redemption:{redemption_id}:expire`.
    Transfers: an expiry of the hold.
    Refused: `hold_not_due` before its instant, `hold_resolved`, `hold_not_found`.
    """
    leg = expire(fact_id(f"redemption:{redemption_id}"))
    return chain(f"redemption:{redemption_id}:expire", leg, **circumstances)


def _capture_fact(redemption_id: UUID, register_id: UUID) -> str:
    return f"redemption:{redemption_id}:capture:{register_id}"
