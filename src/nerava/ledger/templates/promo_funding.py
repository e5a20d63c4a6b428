"""Prepaid money goes into the house's own budget for referrals and goodwill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from nerava.ledger.chart import PLATFORM_PROMO, sponsor_prepaid
from nerava.ledger.values import chain, transfer

if TYPE_CHECKING:
    from uuid import UUID

    from nerava.ledger.templates import Circumstances
    from nerava.ledger.values import Chain


def promo_funding(
    *, funding_id: UUID, sponsor_id: UUID, amount: int, **circumstances: Unpack[Circumstances]
) -> Chain:
    """Return the chain that fills the promotion budget, as a campaign is filled but without a fee.

    Key: `promo_funding:{funding_id}`.
    Transfers: `sponsor:{id}:prepaid` -> `platform:promo`. The house deposits as a sponsor too.
    Refused: `insufficient` when the deposits do not cover the amount.
    """
    return chain(
        f"promo_funding:{funding_id}",
        transfer(sponsor_prepaid(sponsor_id), PLATFORM_PROMO, amount),
        **circumstances,
    )
