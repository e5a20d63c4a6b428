"""The house rewards a driver from its own budget: a referral, goodwill, or by hand."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Unpack

from nerava.ledger.chart import NOVA_ISSUANCE, NOVA_RESERVE, PLATFORM_PROMO, driver_nova
from nerava.ledger.values import LotTerms, chain, transfer

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from nerava.ledger.templates import Circumstances
    from nerava.ledger.values import Chain


class PromoKind(StrEnum):
    """Why the house gives points away."""

    REFERRAL = "referral"
    GOODWILL = "goodwill"
    ADMIN = "admin"


def promo_grant(
    *,
    kind: PromoKind,
    reference_id: UUID,
    driver_id: UUID,
    points: int,
    points_expire_at: datetime | None = None,
    **circumstances: Unpack[Circumstances],
) -> Chain:
    """Return the chain that turns house money into backed points.

    Key: `promo_grant:{kind}:{reference_id}:{driver_id}`; the reference is the referral or the
    case, and each driver is rewarded for it once, so both sides of a referral share one.
    Transfers: `platform:promo` -> `nova:reserve`; `nova:issuance` -> `driver:{id}:nova`, a lot
    of source `promo:{kind}` that expires at `points_expire_at` (aware UTC; None means never).
    Refused: `insufficient` when the promotion budget cannot pay all of it.
    """
    lot = LotTerms(f"promo:{kind}", points_expire_at)
    return chain(
        f"promo_grant:{kind}:{reference_id}:{driver_id}",
        transfer(PLATFORM_PROMO, NOVA_RESERVE, points),
        transfer(NOVA_ISSUANCE, driver_nova(driver_id), points, lot=lot),
        **circumstances,
    )
