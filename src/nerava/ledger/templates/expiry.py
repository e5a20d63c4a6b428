"""The points of one lot have reached the end of their life."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

from nerava.ledger.chart import (
    NOVA_ISSUANCE,
    NOVA_RESERVE,
    PLATFORM_BREAKAGE,
    PLATFORM_FEES,
    campaign_budget,
    campaign_fee,
    driver_nova,
)
from nerava.ledger.values import chain, transfer

if TYPE_CHECKING:
    from uuid import UUID

    from nerava.ledger.templates import Circumstances
    from nerava.ledger.templates.session_reward import StandingGrant
    from nerava.ledger.values import Chain


@dataclass(frozen=True, slots=True)
class DueLot:
    """A lot whose instant has come.

    Attributes:
        created_by: Key of the transfer that created the lot.
        remaining: Nova that are left of it. When some were spent since they were read, the expiry
            is refused and nothing else is touched.
    """

    lot_id: UUID
    driver_id: UUID
    created_by: UUID
    remaining: int


def expiry(
    lot: DueLot, *, returns_to: StandingGrant | None = None, **circumstances: Unpack[Circumstances]
) -> Chain:
    """Return the chain that burns what is left of a lot.

    Key: `expiry:{lot_id}`.
    Transfers: `driver:{id}:nova` -> `nova:issuance` (of this lot); `nova:reserve` ->
    `platform:breakage`, or as the campaign states -> `campaign:{id}:budget` and then also
    `platform:fees` -> `campaign:{id}:fee` (the fee that was earned with the points, unless 0):
    the campaign will pay it again when it grants them again.
    Precondition: lots that one transfer created expire in the order of their instants.
    Refused: `insufficient` while a hold reserves points the driver would then lack, and when less
    is left of the lot than was read; read it again and try again.

    Raises:
        BadAmount: More points than what stands of the grant they return to (422).
    """
    points = lot.remaining
    burn = transfer(driver_nova(lot.driver_id), NOVA_ISSUANCE, points, lot_of=lot.created_by, lot_only=True)
    if returns_to is None:
        cash = [transfer(NOVA_RESERVE, PLATFORM_BREAKAGE, points)]
    else:
        fee = returns_to.fee_back(points)
        campaign = returns_to.campaign_id
        cash = [transfer(NOVA_RESERVE, campaign_budget(campaign), points)]
        if fee:
            cash.append(transfer(PLATFORM_FEES, campaign_fee(campaign), fee))
    return chain(f"expiry:{lot.lot_id}", burn, *cash, **circumstances)
