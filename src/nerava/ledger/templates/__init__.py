"""Posting templates: one file per business fact, its functions pure and each returning a chain.

What they have in common. The key is derived from the fact alone, never from amounts or times, so
that a fact happens once however often and by whomever it is posted. Points are worth one minor
unit each, and every chain that creates or burns points moves the reserve by the same number, so
`nova:reserve` covers what is in circulation after every single chain. Amounts that cannot be
(zero, negative, not whole) are refused by the ledger as `bad_amount`; where a template must
calculate with them first, it raises `BadAmount`. A refused chain leaves nothing behind and does
not use up its key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

FUNDING_FEE_BPS: Final = 2_000
"""The platform's fee inside the gross of a campaign funding: 20 %."""

MERCHANT_FEE_BPS: Final = 1_500
"""The platform's fee inside what a merchant redeemed in a period: 15 %."""

ADJUSTMENT_APPROVAL_ABOVE: Final = 10_000
"""Minor units that one person alone may adjust; above it a second one has to agree."""


class Circumstances(TypedDict, total=False):
    """When and by whom a fact is posted; outside its key and its fingerprint.

    `effective_at` is aware UTC, `actor` an opaque id or the name of a job, `metadata` as in `Chain`.
    """

    effective_at: datetime | None
    actor: str
    metadata: Mapping[str, object]
